/** What health is told of the farm: which backends there are and how each is probed. Plain data. */

/** How one backend is probed. Times in ms. */
export type ProbeSettings = {
  /** Name of a probe in probes/registry.ts; absent: `defaultProbe`. */
  readonly kind?: string;
  /** Name to ask for, in presentation format. */
  readonly name: string;
  /** Query type, as its number. */
  readonly type: number;
  /** Time between two starts, > 0; each start is moved by up to a tenth of it. */
  readonly interval: number;
  /** How long an answer may take, > 0. */
  readonly timeout: number;
  /** Down when `failures` of the last `of` probes failed; 1 ≤ failures ≤ of. */
  readonly window: { readonly failures: number; readonly of: number };
  /** Response codes that count as good; absent: NOERROR and NXDOMAIN. */
  readonly expect?: readonly number[];
};

/** One backend of one pool. `pool` and `name` identify it across reloads. */
export type HealthTarget = {
  readonly pool: string;
  readonly name: string;
  /** Its place on the board. */
  readonly slot: number;
  /** An IPv4 or IPv6 literal, IPv6 without brackets. */
  readonly address: string;
  readonly port: number;
  /** Local address to probe from; absent: the kernel chooses. */
  readonly source?: string;
  /** Null: not probed; such a backend is up until an operator says otherwise. */
  readonly probe: ProbeSettings | null;
};

/** Address family: IPv4 and IPv6 are judged apart. */
export type Family = 'ipv4' | 'ipv6';

/** The family of an address literal. */
export function familyOfAddress(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
