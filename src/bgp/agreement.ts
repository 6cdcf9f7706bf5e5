/** What two speakers agree on when their OPEN messages meet. */
import { asTrans, shortAs } from './attributes.ts';
import type { Capability } from './capability.ts';
import { encodeCapability } from './capability.ts';
import { BgpError, errorCode, openError } from './error.ts';
import { afiOf, type Family, families, familyOf, unicast } from './family.ts';
import type { OpenMessage } from './message.ts';
import { Gather } from './octets.ts';

/** Who we are and whom we expect. */
export type Speaker = {
  /** 1 … 2^32−1. */
  readonly localAs: number;
  readonly peerAs: number;
  /** As an IPv4 address, not 0.0.0.0. */
  readonly routerId: string;
  /** Seconds: 0, which asks for no timer at all, or at least 3. */
  readonly holdTime: number;
  readonly families: readonly Family[];
};

/** Routes that the peer would keep after the end of a session. Times in s. */
export type StaleRoutes = {
  /** Its own graceful restart (RFC 4724): so long its forwarding keeps routes while its daemon restarts. */
  readonly time: number;
  /** Families whose forwarding it says to keep. */
  readonly forwarding: readonly Family[];
  /** RFC 9494: so long after that; null: not offered. */
  readonly longLived: number | null;
};

/** A session's terms. */
export type Agreement = {
  readonly peerAs: number;
  readonly peerId: string;
  readonly internal: boolean;
  readonly fourOctetAs: boolean;
  /** s; 0: no timers. */
  readonly holdTime: number;
  /** Families that both speak. */
  readonly families: readonly Family[];
  /** IPv4 routes may have an IPv6 next hop (RFC 8950). */
  readonly extendedNextHop: boolean;
  readonly routeRefresh: boolean;
  /** Null: the peer offers no graceful restart. */
  readonly stale: StaleRoutes | null;
};

/** Our OPEN. Graceful restart is not offered: what dies is to be forgotten at once. Nor is RFC 8654: 4,096 octets do. */
export function ourOpen(speaker: Speaker): OpenMessage {
  const { localAs, holdTime, routerId } = speaker;
  const capabilities: Capability[] = [
    ...speaker.families.map(
      (family): Capability => ({ kind: 'multiprotocol', afi: afiOf(family), safi: unicast }),
    ),
    { kind: 'route-refresh' },
    ...(speaker.families.includes('ipv4')
      ? [
          {
            kind: 'extended-next-hop',
            list: [{ afi: afiOf('ipv4'), safi: unicast, nextHopAfi: afiOf('ipv6') }],
          } as const,
        ]
      : []),
    { kind: 'four-octet-as', as: localAs },
  ];
  return { kind: 'open', version: 4, as: shortAs(localAs), holdTime, routerId, capabilities };
}

/**
 * The terms of a session.
 * @throws BgpError for an OPEN that cannot be accepted (RFC 4271 section 6.2, RFC 6286 section 2.2, RFC 6793 section 4.2.1).
 */
export function agree(speaker: Speaker, open: OpenMessage): Agreement {
  const { capabilities } = open;
  const long = capabilities.find(({ kind }) => kind === 'four-octet-as');
  const as = long?.kind === 'four-octet-as' ? long.as : open.as;
  // AS 0 is nobody's (RFC 7607), AS_TRANS nobody's of their own.
  if (as !== speaker.peerAs || as === 0 || (long === undefined && as === asTrans)) {
    throw new BgpError(errorCode.open, openError.badPeerAs, `AS ${as} instead of ${speaker.peerAs}`);
  }
  const internal = as === speaker.localAs;
  if (open.routerId === '0.0.0.0' || (internal && open.routerId === speaker.routerId)) {
    const detail = open.routerId === '0.0.0.0' ? 'it is 0.0.0.0' : `${open.routerId} is our own`;
    throw new BgpError(errorCode.open, openError.badIdentifier, detail);
  }
  const refused = open.holdTime === 1 || open.holdTime === 2;
  if (refused || (open.holdTime === 0 && speaker.holdTime !== 0)) {
    throw new BgpError(errorCode.open, openError.unacceptableHoldTime, `${open.holdTime} s`);
  }
  const offered = familiesOf(capabilities);
  const common = speaker.families.filter(family => offered.includes(family));
  if (common.length === 0) {
    const data = new Gather();
    for (const family of speaker.families) {
      data.put(encodeCapability({ kind: 'multiprotocol', afi: afiOf(family), safi: unicast }));
    }
    const detail = `the peer offers ${offered.join(' and ') || 'no family that is spoken here'}`;
    throw new BgpError(errorCode.open, openError.unsupportedCapability, detail, data.done());
  }
  return {
    peerAs: as,
    peerId: open.routerId,
    internal,
    fourOctetAs: long !== undefined,
    holdTime: Math.min(open.holdTime, speaker.holdTime),
    families: common,
    extendedNextHop: capabilities.some(
      capability =>
        capability.kind === 'extended-next-hop' &&
        capability.list.some(
          ({ afi, safi, nextHopAfi }) =>
            afi === afiOf('ipv4') && safi === unicast && nextHopAfi === afiOf('ipv6'),
        ),
    ),
    routeRefresh: capabilities.some(({ kind }) => kind === 'route-refresh'),
    stale: staleRoutesOf(capabilities),
  };
}

/** Who names no family speaks IPv4 unicast (RFC 4760 section 8). */
function familiesOf(capabilities: readonly Capability[]): readonly Family[] {
  const named = capabilities.filter(capability => capability.kind === 'multiprotocol');
  if (named.length === 0) return ['ipv4'];
  return families.filter(family => named.some(({ afi, safi }) => familyOf(afi, safi) === family));
}

function staleRoutesOf(capabilities: readonly Capability[]): StaleRoutes | null {
  const graceful = capabilities.find(capability => capability.kind === 'graceful-restart');
  const long = capabilities.find(capability => capability.kind === 'long-lived-graceful-restart');
  // Without a family it only says that it knows the end of routes (RFC 4724 section 3); FRR offers LLGR for 0 s at all times.
  const soon = graceful?.families ?? [];
  const late = (long?.families ?? []).filter(({ time }) => time > 0);
  const kept = [...soon, ...late];
  if (kept.length === 0) return null;
  const forwarding = families.filter(family =>
    kept.some(each => each.forwarding && familyOf(each.afi, each.safi) === family),
  );
  return {
    time: soon.length > 0 ? graceful!.time : 0,
    forwarding,
    longLived: late.length > 0 ? Math.max(...late.map(({ time }) => time)) : null,
  };
}
