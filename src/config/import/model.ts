/** What a file of keepalived says of virtual servers, in types. */
import type { Place } from './problems.ts';
import type { Remarks } from './remarks.ts';

/** A value and where it stands. */
export type Setting<T> = { readonly value: T; readonly place: Place };

/** The timers of checks. They are inherited: virtual server, real server, check. Times in ms. */
export type Timers = {
  readonly delayLoop?: Setting<number>;
  readonly connectTimeout?: Setting<number>;
  readonly retry?: Setting<number>;
  readonly delayBeforeRetry?: Setting<number>;
};

export const checkKinds = [
  'TCP_CHECK',
  'DNS_CHECK',
  'MISC_CHECK',
  'HTTP_GET',
  'SSL_GET',
  'SMTP_CHECK',
  'UDP_CHECK',
  'PING_CHECK',
  'BFD_CHECK',
  'FILE_CHECK',
] as const;
export type CheckKind = (typeof checkKinds)[number];

export type Check = {
  readonly kind: CheckKind;
  readonly place: Place;
  /** Its own timers; what it leaves out is its real server's. */
  readonly timers: Timers;
  readonly connectIp?: Setting<string>;
  readonly connectPort?: Setting<number>;
  readonly bindTo?: Setting<string>;
  /** DNS_CHECK. */
  readonly type?: Setting<string>;
  readonly name?: Setting<string>;
  /** MISC_CHECK. */
  readonly path?: Setting<string>;
  /** ms. */
  readonly timeout?: Setting<number>;
  readonly dynamic?: Setting<boolean>;
  readonly user?: Setting<string>;
};

export type RealServer = {
  readonly place: Place;
  readonly address: string;
  /** Absent: the virtual server's. */
  readonly port?: number;
  readonly weight?: Setting<number>;
  readonly uthreshold?: Setting<number>;
  readonly snmpName?: Setting<string>;
  readonly timers: Timers;
  readonly checks: readonly Check[];
};

export const schedulers = [
  'rr',
  'wrr',
  'lc',
  'wlc',
  'lblc',
  'sh',
  'mh',
  'dh',
  'fo',
  'ovf',
  'lblcr',
  'sed',
  'nq',
  'twos',
] as const;
export type Scheduler = (typeof schedulers)[number];

/** What a virtual server serves. A port that is absent stands for all ports. */
export type Target =
  | { readonly kind: 'address'; readonly address: string; readonly port?: number }
  | { readonly kind: 'fwmark'; readonly mark: number }
  | { readonly kind: 'group'; readonly name: string };

export type Protocol = 'UDP' | 'TCP' | 'SCTP';

export type VirtualServer = {
  readonly place: Place;
  readonly target: Target;
  /** Absent: UDP. */
  readonly protocol?: Setting<Protocol>;
  /** Absent: wlc. */
  readonly scheduler?: Setting<Scheduler>;
  readonly method?: Setting<string>;
  readonly persistence?: Setting<number>;
  readonly granularity?: Setting<string>;
  readonly quorum?: Setting<number>;
  readonly sorry?: Setting<{ readonly address: string; readonly port?: number }>;
  /** Weight of real servers that name none. */
  readonly weight?: Setting<number>;
  readonly alpha?: Setting<boolean>;
  readonly timers: Timers;
  readonly realServers: readonly RealServer[];
  /** What was found while reading it that has no place in this type. */
  readonly remarks: Remarks;
};

export type GroupMember =
  | {
      readonly kind: 'addresses';
      readonly place: Place;
      readonly addresses: readonly string[];
      readonly port?: number;
    }
  | { readonly kind: 'fwmark'; readonly place: Place; readonly mark: number };

export type Group = {
  readonly name: string;
  readonly place: Place;
  readonly members: readonly GroupMember[];
};

export type Model = {
  readonly virtualServers: readonly VirtualServer[];
  readonly groups: readonly Group[];
  /** Addresses that VRRP moves between machines. */
  readonly vrrpAddresses: readonly string[];
  /** What stands beside the virtual servers. */
  readonly remarks: Remarks;
};

/** The words by which a virtual server is known: `192.0.2.1 53`, `fwmark 3`, `group dns`. */
export function targetText(target: Target): string {
  if (target.kind === 'fwmark') return `fwmark ${target.mark}`;
  if (target.kind === 'group') return `group ${target.name}`;
  return target.port === undefined ? target.address : `${target.address} ${target.port}`;
}
