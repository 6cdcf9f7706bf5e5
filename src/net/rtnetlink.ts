/**
 * Messages of rtnetlink about addresses and links, to and from bytes. Pure. Layouts: linux/netlink.h, linux/rtnetlink.h,
 * linux/if_addr.h, linux/if_link.h; rtnetlink(7). Numbers are in host order: both supported machines are little-endian.
 */
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '#wire/address.ts';

/** Types of messages. */
export const messageTypes = {
  NOOP: 1,
  ERROR: 2,
  DONE: 3,
  OVERRUN: 4,
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
} as const;

/** Flags of a message (NLM_F_). */
export const messageFlags = {
  REQUEST: 1,
  MULTI: 2,
  ACK: 4,
  DUMP_INTR: 0x10,
  REPLACE: 0x100,
  DUMP: 0x300,
  EXCL: 0x200,
  CREATE: 0x400,
  CAPPED: 0x100,
  ACK_TLVS: 0x200,
} as const;

/** Flags of an address (IFA_F_). */
export const addressFlags = {
  NODAD: 0x02,
  DADFAILED: 0x08,
  TENTATIVE: 0x40,
  PERMANENT: 0x80,
  NOPREFIXROUTE: 0x200,
} as const;
/** Flags of a link (IFF_). */
export const linkFlags = { UP: 1, LOOPBACK: 8, RUNNING: 0x40 } as const;

/** `valid_lft` that never ends. */
export const forever = 0xffff_ffff;

const attributes = {
  IFA_ADDRESS: 1,
  IFA_LOCAL: 2,
  IFA_CACHEINFO: 6,
  IFA_FLAGS: 8,
  IFA_PROTO: 11,
  IFLA_IFNAME: 3,
  IFLA_LINKINFO: 18,
  IFLA_INFO_KIND: 1,
  NLMSGERR_ATTR_MSG: 1,
  RTA_DST: 1,
  RTA_OIF: 4,
  RTA_PRIORITY: 6,
} as const;

/** Fields of struct rtmsg. */
const RT_TABLE_LOCAL = 255;
const RT_SCOPE_HOST = 254;
const RTN_LOCAL = 2;
/** The kernel's own local routes have priority 0, so that ours stands behind them and is never taken for one of them. */
const routePriority = 1024;

const headerSize = 16;
const addressFamilies = { ipv4: 2, ipv6: 10 } as const;

/** An address of an interface, as the kernel tells it. */
export type KernelAddress = {
  /** Canonical form. */
  readonly address: string;
  readonly bits: number;
  /** Index of its interface. */
  readonly link: number;
  /** `addressFlags`. */
  readonly flags: number;
  /** Whole seconds that it has left, `forever` when it is permanent. */
  readonly valid: number;
  readonly preferred: number;
  /** Who made it (IFA_PROTO, Linux 5.18 and later); 0: not told. */
  readonly protocol: number;
};

/** An interface. */
export type KernelLink = {
  readonly index: number;
  readonly name: string;
  /** `linkFlags`. */
  readonly flags: number;
  /** `bridge`, `dummy`, `veth`; empty where the kernel tells none. */
  readonly kind: string;
};

/** What an address is to become. */
export type AddressRequest = {
  readonly address: string;
  readonly bits: number;
  readonly link: number;
  /** Whole seconds, or `forever`. */
  readonly lifetime: number;
  /** 0 … 255; 0: none. */
  readonly protocol: number;
};

/** A local route: the kernel takes packets to the address as its own, although no interface has it. */
export type LocalRoute = {
  readonly address: string;
  /** Who made it (rtm_protocol). */
  readonly protocol: number;
};

/** One message as it came. */
export type NetlinkMessage =
  | {
      readonly kind: 'address';
      readonly gone: boolean;
      readonly from: number;
      readonly address: KernelAddress;
    }
  | { readonly kind: 'link'; readonly gone: boolean; readonly from: number; readonly link: KernelLink }
  | { readonly kind: 'route'; readonly gone: boolean; readonly from: number; readonly route: LocalRoute }
  /** An acknowledgement (`errno` 0) or an error, with the kernel's own words where it has any. */
  | { readonly kind: 'answer'; readonly sequence: number; readonly errno: number; readonly words: string }
  | { readonly kind: 'done'; readonly sequence: number; readonly errno: number }
  /** The kernel had no room for a message: what is known must be read anew. */
  | { readonly kind: 'overrun' }
  | { readonly kind: 'other' };

/** What one datagram held. */
export type NetlinkDatagram = {
  readonly messages: readonly NetlinkMessage[];
  /** A dump was made while things changed: to be asked again. */
  readonly interrupted: boolean;
  /** The rest was no message. */
  readonly broken: boolean;
};

/** RTM_NEWADDR: makes the address or gives the one there a new lifetime. IPv6 without duplicate address detection. */
export function encodeSetAddress(request: AddressRequest, sequence: number): Uint8Array {
  const { REQUEST, ACK, CREATE, REPLACE } = messageFlags;
  const writer = start(messageTypes.NEWADDR, REQUEST | ACK | CREATE | REPLACE, sequence);
  addressHead(writer, request);
  const { NODAD, NOPREFIXROUTE } = addressFlags;
  // Routes to the neighbours in a prefix are nothing that an address without neighbours should make.
  const flags = request.bits === bitsOf(request.address) ? NODAD : NODAD | NOPREFIXROUTE;
  writer.attribute(attributes.IFA_FLAGS, word(flags));
  writer.attribute(
    attributes.IFA_CACHEINFO,
    Uint8Array.from([...word(request.lifetime), ...word(request.lifetime), ...word(0), ...word(0)]),
  );
  if (request.protocol !== 0) writer.attribute(attributes.IFA_PROTO, Uint8Array.of(request.protocol));
  return writer.finish();
}

/** RTM_DELADDR. */
export function encodeDeleteAddress(
  request: Pick<AddressRequest, 'address' | 'bits' | 'link'>,
  sequence: number,
): Uint8Array {
  const writer = start(messageTypes.DELADDR, messageFlags.REQUEST | messageFlags.ACK, sequence);
  addressHead(writer, request);
  return writer.finish();
}

/** RTM_GETADDR: all addresses of both families. */
export function encodeDumpAddresses(sequence: number): Uint8Array {
  const writer = start(messageTypes.GETADDR, messageFlags.REQUEST | messageFlags.DUMP, sequence);
  writer.bytes(new Uint8Array(8));
  return writer.finish();
}

/** RTM_GETLINK: the interface of that name, which is 1 to 15 octets of ASCII. */
export function encodeGetLink(name: string, sequence: number): Uint8Array {
  const writer = start(messageTypes.GETLINK, messageFlags.REQUEST | messageFlags.ACK, sequence);
  writer.bytes(new Uint8Array(16));
  writer.attribute(attributes.IFLA_IFNAME, terminated(name));
  return writer.finish();
}

/** RTM_NEWLINK: a new interface of a kind, up from its first moment. Fails with EEXIST where the name is taken. */
export function encodeCreateLink(name: string, kind: string, sequence: number): Uint8Array {
  const { REQUEST, ACK, CREATE, EXCL } = messageFlags;
  const writer = start(messageTypes.NEWLINK, REQUEST | ACK | CREATE | EXCL, sequence);
  linkHead(writer, 0);
  writer.attribute(attributes.IFLA_IFNAME, terminated(name));
  const inner = new Writer();
  inner.attribute(attributes.IFLA_INFO_KIND, terminated(kind));
  writer.attribute(attributes.IFLA_LINKINFO, inner.taken());
  return writer.finish();
}

/** RTM_NEWLINK: raises an interface. */
export function encodeLinkUp(index: number, sequence: number): Uint8Array {
  const writer = start(messageTypes.NEWLINK, messageFlags.REQUEST | messageFlags.ACK, sequence);
  linkHead(writer, index);
  return writer.finish();
}

/** RTM_DELLINK. */
export function encodeDeleteLink(index: number, sequence: number): Uint8Array {
  const writer = start(messageTypes.DELLINK, messageFlags.REQUEST | messageFlags.ACK, sequence);
  linkHead(writer, index);
  return writer.finish();
}

/** RTM_NEWROUTE in the table `local`, over the loopback interface `link`. Fails with EEXIST where it is there. */
export function encodeAddLocalRoute(route: LocalRoute, link: number, sequence: number): Uint8Array {
  const { REQUEST, ACK, CREATE, EXCL } = messageFlags;
  return localRoute(messageTypes.NEWROUTE, REQUEST | ACK | CREATE | EXCL, route, link, sequence);
}

/** RTM_DELROUTE of such a route. */
export function encodeDeleteLocalRoute(route: LocalRoute, link: number, sequence: number): Uint8Array {
  return localRoute(messageTypes.DELROUTE, messageFlags.REQUEST | messageFlags.ACK, route, link, sequence);
}

/** RTM_GETROUTE: the local routes that `protocol` made (others only from a kernel before 4.20, which does not choose). */
export function encodeDumpLocalRoutes(
  family: keyof typeof addressFamilies,
  protocol: number,
  sequence: number,
): Uint8Array {
  const writer = start(messageTypes.GETROUTE, messageFlags.REQUEST | messageFlags.DUMP, sequence);
  writer.bytes(
    Uint8Array.of(addressFamilies[family], 0, 0, 0, RT_TABLE_LOCAL, protocol, 0, RTN_LOCAL, 0, 0, 0, 0),
  );
  return writer.finish();
}

function localRoute(
  type: number,
  flags: number,
  { address, protocol }: LocalRoute,
  link: number,
  sequence: number,
): Uint8Array {
  const octets = octetsOf(address);
  const four = octets.length === 4;
  const writer = start(type, flags, sequence);
  const scope = four ? RT_SCOPE_HOST : 0;
  writer.bytes(
    Uint8Array.of(
      four ? addressFamilies.ipv4 : addressFamilies.ipv6,
      octets.length * 8,
      0,
      0,
      RT_TABLE_LOCAL,
      protocol,
      scope,
      RTN_LOCAL,
    ),
  );
  writer.bytes(word(0));
  writer.attribute(attributes.RTA_DST, octets);
  writer.attribute(attributes.RTA_PRIORITY, word(routePriority));
  writer.attribute(attributes.RTA_OIF, word(link));
  return writer.finish();
}

/** Takes a datagram apart. Never throws and never reads outside it, whatever it holds. */
export function decodeDatagram(bytes: Uint8Array): NetlinkDatagram {
  const messages: NetlinkMessage[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let interrupted = false;
  let at = 0;
  while (at + headerSize <= bytes.length) {
    const length = view.getUint32(at, true);
    if (length < headerSize || at + length > bytes.length) break;
    const type = view.getUint16(at + 4, true);
    const flags = view.getUint16(at + 6, true);
    const sequence = view.getUint32(at + 8, true);
    const from = view.getUint32(at + 12, true);
    if (flags & messageFlags.DUMP_INTR) interrupted = true;
    const body = bytes.subarray(at + headerSize, at + length);
    messages.push(decodeBody(type, flags, sequence, from, body));
    at += aligned(length);
  }
  // The last one may lack its padding.
  return { messages, interrupted, broken: at < bytes.length };
}

function decodeBody(
  type: number,
  flags: number,
  sequence: number,
  from: number,
  body: Uint8Array,
): NetlinkMessage {
  switch (type) {
    case messageTypes.NEWADDR:
    case messageTypes.DELADDR: {
      const address = decodeAddress(body);
      return address
        ? { kind: 'address', gone: type === messageTypes.DELADDR, from, address }
        : { kind: 'other' };
    }
    case messageTypes.NEWLINK:
    case messageTypes.DELLINK: {
      const link = decodeLink(body);
      return link ? { kind: 'link', gone: type === messageTypes.DELLINK, from, link } : { kind: 'other' };
    }
    case messageTypes.NEWROUTE:
    case messageTypes.DELROUTE: {
      const route = decodeLocalRoute(body);
      return route ? { kind: 'route', gone: type === messageTypes.DELROUTE, from, route } : { kind: 'other' };
    }
    case messageTypes.ERROR: {
      if (body.length < 4) return { kind: 'other' };
      const errno = 0 - number(body, 'i32');
      return { kind: 'answer', sequence, errno, words: wordsOf(flags, body) };
    }
    case messageTypes.DONE:
      return { kind: 'done', sequence, errno: body.length >= 4 ? 0 - number(body, 'i32') : 0 };
    case messageTypes.OVERRUN:
      return { kind: 'overrun' };
    default:
      return { kind: 'other' };
  }
}

function decodeAddress(body: Uint8Array): KernelAddress | undefined {
  if (body.length < 8) return undefined;
  const six = body[0] === addressFamilies.ipv6;
  if (!six && body[0] !== addressFamilies.ipv4) return undefined;
  const found = attributesOf(body.subarray(8));
  // IPv4 tells the interface's own address as IFA_LOCAL, and the peer's as IFA_ADDRESS; IPv6 often IFA_ADDRESS alone.
  const octets = found.get(attributes.IFA_LOCAL) ?? found.get(attributes.IFA_ADDRESS);
  const bits = body[1]!;
  if (octets?.length !== (six ? 16 : 4) || bits > octets.length * 8) return undefined;
  const flags = found.get(attributes.IFA_FLAGS);
  const cache = found.get(attributes.IFA_CACHEINFO);
  const timed = cache !== undefined && cache.length >= 8;
  return {
    address: six ? formatIpv6(octets) : formatIpv4(octets),
    bits,
    link: number(body.subarray(4)),
    flags: flags && flags.length >= 4 ? number(flags) : body[2]!,
    preferred: timed ? number(cache) : forever,
    valid: timed ? number(cache.subarray(4)) : forever,
    protocol: found.get(attributes.IFA_PROTO)?.[0] ?? 0,
  };
}

function decodeLink(body: Uint8Array): KernelLink | undefined {
  if (body.length < 16) return undefined;
  const found = attributesOf(body.subarray(16));
  const name = found.get(attributes.IFLA_IFNAME);
  if (!name) return undefined;
  const info = found.get(attributes.IFLA_LINKINFO);
  const kind = info && attributesOf(info).get(attributes.IFLA_INFO_KIND);
  return {
    index: number(body.subarray(4)),
    name: textOf(name),
    flags: number(body.subarray(8)),
    kind: kind ? textOf(kind) : '',
  };
}

/** A local route to one address; undefined for all others. */
function decodeLocalRoute(body: Uint8Array): LocalRoute | undefined {
  if (body.length < 12 || body[4] !== RT_TABLE_LOCAL || body[7] !== RTN_LOCAL) return undefined;
  const six = body[0] === addressFamilies.ipv6;
  if (!six && body[0] !== addressFamilies.ipv4) return undefined;
  const octets = attributesOf(body.subarray(12)).get(attributes.RTA_DST);
  if (octets?.length !== (six ? 16 : 4) || body[1] !== octets.length * 8) return undefined;
  return { address: six ? formatIpv6(octets) : formatIpv4(octets), protocol: body[5]! };
}

/** The kernel's words behind an error (NETLINK_EXT_ACK). */
function wordsOf(flags: number, body: Uint8Array): string {
  if (!(flags & messageFlags.ACK_TLVS) || body.length < 4 + headerSize) return '';
  // Behind the errno stands the request: its header alone where it was capped.
  const request = flags & messageFlags.CAPPED ? headerSize : number(body.subarray(4));
  const words = attributesOf(body.subarray(4 + aligned(request))).get(attributes.NLMSGERR_ATTR_MSG);
  return words ? textOf(words) : '';
}

/** Attributes by type, without their flags; the last of several counts. Ends at the first that is broken. */
function attributesOf(bytes: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  let at = 0;
  while (at + 4 <= bytes.length) {
    const length = bytes[at]! | (bytes[at + 1]! << 8);
    const type = (bytes[at + 2]! | (bytes[at + 3]! << 8)) & 0x3fff;
    if (length < 4 || at + length > bytes.length) break;
    found.set(type, bytes.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return found;
}

/** Grows as needed; messages of this file have a few dozen octets. */
class Writer {
  readonly #octets: number[] = [];

  bytes(octets: Uint8Array): void {
    this.#octets.push(...octets);
  }

  attribute(type: number, value: Uint8Array): void {
    const length = 4 + value.length;
    this.#octets.push(length & 255, length >> 8, type & 255, type >> 8, ...value);
    while (this.#octets.length % 4 !== 0) this.#octets.push(0);
  }

  taken(): Uint8Array {
    return Uint8Array.from(this.#octets);
  }

  /** The message with its length in its first four octets. */
  finish(): Uint8Array {
    const all = this.taken();
    all.set(word(all.length));
    return all;
  }
}

function start(type: number, flags: number, sequence: number): Writer {
  const writer = new Writer();
  writer.bytes(word(0));
  writer.bytes(Uint8Array.of(type & 255, type >> 8, flags & 255, flags >> 8));
  writer.bytes(word(sequence));
  writer.bytes(word(0));
  return writer;
}

function addressHead(
  writer: Writer,
  { address, bits, link }: Omit<AddressRequest, 'lifetime' | 'protocol'>,
): void {
  const octets = octetsOf(address);
  const family = octets.length === 4 ? addressFamilies.ipv4 : addressFamilies.ipv6;
  writer.bytes(Uint8Array.of(family, bits, 0, 0));
  writer.bytes(word(link));
  writer.attribute(attributes.IFA_LOCAL, octets);
  writer.attribute(attributes.IFA_ADDRESS, octets);
}

function octetsOf(address: string): Uint8Array {
  const octets = parseIpv4(address) ?? parseIpv6(address);
  if (!octets) throw new Error(`no address: ${address}`);
  return octets;
}

function bitsOf(address: string): number {
  return octetsOf(address).length * 8;
}

function linkHead(writer: Writer, index: number): void {
  writer.bytes(Uint8Array.of(0, 0, 0, 0));
  writer.bytes(word(index));
  // The flags, and which of them are meant.
  writer.bytes(word(linkFlags.UP));
  writer.bytes(word(linkFlags.UP));
}

function terminated(text: string): Uint8Array {
  return new TextEncoder().encode(`${text}\0`);
}

const utf8 = new TextDecoder();
function textOf(octets: Uint8Array): string {
  const end = octets.indexOf(0);
  return utf8.decode(end < 0 ? octets : octets.subarray(0, end));
}

function word(value: number): Uint8Array {
  return Uint8Array.of(value & 255, (value >>> 8) & 255, (value >>> 16) & 255, (value >>> 24) & 255);
}

function number(octets: Uint8Array, kind: 'u32' | 'i32' = 'u32'): number {
  const value = octets[0]! | (octets[1]! << 8) | (octets[2]! << 16) | (octets[3]! << 24);
  return kind === 'u32' ? value >>> 0 : value;
}

function aligned(length: number): number {
  return Math.ceil(length / 4) * 4;
}
