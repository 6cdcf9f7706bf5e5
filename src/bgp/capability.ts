/** What a speaker offers in its OPEN (RFC 5492). */
import { Gather, hexOf, Octets, octetsOf } from './octets.ts';

/** An address family with a bit each: what graceful restart says of it. */
export type KeptFamily = { readonly afi: number; readonly safi: number; readonly forwarding: boolean };

/** A capability. Those whose value is not of their form are `unknown`: what cannot be understood is not agreed on. */
export type Capability =
  /** RFC 4760 section 8. */
  | { readonly kind: 'multiprotocol'; readonly afi: number; readonly safi: number }
  /** RFC 2918 section 2. */
  | { readonly kind: 'route-refresh' }
  /** RFC 8950 section 4: NLRI of (afi, safi) may have a next hop of `nextHopAfi`. */
  | {
      readonly kind: 'extended-next-hop';
      readonly list: readonly { readonly afi: number; readonly safi: number; readonly nextHopAfi: number }[];
    }
  /** RFC 8654. */
  | { readonly kind: 'extended-message' }
  /** RFC 4724 section 3; `notification`: RFC 8538 section 2. */
  | {
      readonly kind: 'graceful-restart';
      readonly restarted: boolean;
      readonly notification: boolean;
      /** The peer keeps our routes for so long, s, when the session ends. */
      readonly time: number;
      readonly families: readonly KeptFamily[];
    }
  /** RFC 6793 section 3. */
  | { readonly kind: 'four-octet-as'; readonly as: number }
  /** RFC 7313 section 3.1. */
  | { readonly kind: 'enhanced-route-refresh' }
  /** RFC 9494 section 3.1; `time`: how long stale routes stay after that of graceful restart, s. */
  | {
      readonly kind: 'long-lived-graceful-restart';
      readonly families: readonly (KeptFamily & { readonly time: number })[];
    }
  | { readonly kind: 'unknown'; readonly code: number; readonly value: string };

const codes = {
  multiprotocol: 1,
  'route-refresh': 2,
  'extended-next-hop': 5,
  'extended-message': 6,
  'graceful-restart': 64,
  'four-octet-as': 65,
  'enhanced-route-refresh': 70,
  'long-lived-graceful-restart': 71,
} as const;

/** One capability with its code and length. @throws RangeError for values that do not fit. */
export function encodeCapability(capability: Capability): Uint8Array {
  const value = octetsFor(capability);
  const code = capability.kind === 'unknown' ? capability.code : codes[capability.kind];
  return new Gather().u8(code).u8(value.length).put(value).done();
}

function octetsFor(capability: Capability): Uint8Array {
  const out = new Gather();
  switch (capability.kind) {
    case 'multiprotocol':
      return out.u16(capability.afi).u8(0).u8(capability.safi).done();
    case 'extended-next-hop':
      for (const { afi, safi, nextHopAfi } of capability.list) out.u16(afi).u16(safi).u16(nextHopAfi);
      return out.done();
    case 'graceful-restart':
      if (capability.time > 0xfff) throw new RangeError(`${capability.time} s do not fit in 12 bits`);
      out.u16((capability.restarted ? 0x8000 : 0) | (capability.notification ? 0x4000 : 0) | capability.time);
      for (const { afi, safi, forwarding } of capability.families) {
        out
          .u16(afi)
          .u8(safi)
          .u8(forwarding ? 0x80 : 0);
      }
      return out.done();
    case 'four-octet-as':
      return out.u32(capability.as).done();
    case 'long-lived-graceful-restart':
      for (const { afi, safi, forwarding, time } of capability.families) {
        out
          .u16(afi)
          .u8(safi)
          .u8(forwarding ? 0x80 : 0)
          .u8(time >>> 16)
          .u16(time & 0xffff);
      }
      return out.done();
    case 'unknown':
      return octetsOf(capability.value);
    default:
      return out.done();
  }
}

/** Reads all capabilities of one optional parameter. @throws Short when a length lies. */
export function readCapabilities(from: Octets): Capability[] {
  const found: Capability[] = [];
  while (from.left > 0) {
    const code = from.u8();
    const value = from.take(from.u8());
    found.push(understood(code, value) ?? { kind: 'unknown', code, value: hexOf(value) });
  }
  return found;
}

function understood(code: number, value: Uint8Array): Capability | undefined {
  const from = new Octets(value);
  const { length } = value;
  switch (code) {
    case codes.multiprotocol: {
      if (length !== 4) return undefined;
      const afi = from.u16();
      // The reserved octet must be ignored (RFC 4760 section 8).
      from.u8();
      return { kind: 'multiprotocol', afi, safi: from.u8() };
    }
    case codes['route-refresh']:
      return length === 0 ? { kind: 'route-refresh' } : undefined;
    case codes['extended-next-hop']: {
      if (length % 6 !== 0) return undefined;
      const list = Array.from({ length: length / 6 }, () => ({
        afi: from.u16(),
        safi: from.u16(),
        nextHopAfi: from.u16(),
      }));
      return { kind: 'extended-next-hop', list };
    }
    case codes['extended-message']:
      return length === 0 ? { kind: 'extended-message' } : undefined;
    case codes['graceful-restart']: {
      if (length < 2 || length % 4 !== 2) return undefined;
      const head = from.u16();
      const families = Array.from({ length: (length - 2) / 4 }, () => keptFamily(from));
      return {
        kind: 'graceful-restart',
        restarted: (head & 0x8000) !== 0,
        notification: (head & 0x4000) !== 0,
        time: head & 0xfff,
        families,
      };
    }
    case codes['four-octet-as']:
      return length === 4 ? { kind: 'four-octet-as', as: from.u32() } : undefined;
    case codes['enhanced-route-refresh']:
      return length === 0 ? { kind: 'enhanced-route-refresh' } : undefined;
    case codes['long-lived-graceful-restart']: {
      if (length % 7 !== 0) return undefined;
      const families = Array.from({ length: length / 7 }, () => ({
        ...keptFamily(from),
        time: from.u8() * 0x10000 + from.u16(),
      }));
      return { kind: 'long-lived-graceful-restart', families };
    }
    default:
      return undefined;
  }
}

function keptFamily(from: Octets): KeptFamily {
  return { afi: from.u16(), safi: from.u8(), forwarding: (from.u8() & 0x80) !== 0 };
}
