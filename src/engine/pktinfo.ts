/** Which of our addresses was asked, and from which to reply: IP_PKTINFO (ip(7)) and IPV6_PKTINFO (RFC 3542 6). */
import { familyOf, origin } from '#front/ports.ts';
import { constants as c } from '#net/libc.ts';

const data = 16;

/** Reads the control message at `control` into the origin at `from`; without one the local address is unknown. */
export function readPacketInfo(i32: Int32Array, control: number, from: number): void {
  const m = control >> 2;
  const to = from >> 2;
  i32[to + origin.localFamily / 4] = 0;
  if (i32[m + 2] === c.IPPROTO_IP && i32[m + 3] === c.IP_PKTINFO) {
    i32[to + origin.localFamily / 4] = familyOf.inet;
    i32[to + origin.interface / 4] = i32[m + data / 4]!;
    i32[to + origin.local / 4] = i32[m + data / 4 + 1]!;
  } else if (i32[m + 2] === c.IPPROTO_IPV6 && i32[m + 3] === c.IPV6_PKTINFO) {
    i32[to + origin.localFamily / 4] = familyOf.inet6;
    for (let word = 0; word < 4; word++) i32[to + origin.local / 4 + word] = i32[m + data / 4 + word]!;
    i32[to + origin.interface / 4] = i32[m + data / 4 + 4]!;
  }
}

/** Writes the control message that makes a reply leave from the address that was asked; gives its length, 0: none. */
export function writePacketInfo(i32: Int32Array, from: number, control: number): number {
  const m = control >> 2;
  const o = from >> 2;
  const family = i32[o + origin.localFamily / 4];
  if (family === familyOf.inet) {
    i32[m] = data + 12;
    i32[m + 1] = 0;
    i32[m + 2] = c.IPPROTO_IP;
    i32[m + 3] = c.IP_PKTINFO;
    // The interface is left to the routing table: the way back need not be the way in.
    i32[m + 4] = 0;
    i32[m + 5] = i32[o + origin.local / 4]!;
    i32[m + 6] = 0;
    return data + 16;
  }
  if (family === familyOf.inet6) {
    i32[m] = data + 20;
    i32[m + 1] = 0;
    i32[m + 2] = c.IPPROTO_IPV6;
    i32[m + 3] = c.IPV6_PKTINFO;
    for (let word = 0; word < 4; word++) i32[m + 4 + word] = i32[o + origin.local / 4 + word]!;
    // fe80::/10 means nothing without its interface; other addresses are routed. The first 16 bits are in network order.
    const linkLocal = (i32[m + 4]! & 0xc0ff) === 0x80fe;
    i32[m + 8] = linkLocal ? i32[o + origin.interface / 4]! : 0;
    return data + 24;
  }
  return 0;
}
