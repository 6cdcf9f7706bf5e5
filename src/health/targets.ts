/** What health is told of the farm: which backends there are and how each is probed. Plain data. */
import { classes, className, typeName } from '#wire/types.ts';
import type { Destination } from './exchange.ts';

/** What one run of a probe asks, and what it takes for a good answer. */
export type ProbeQuestion = {
  /** Name of a probe in probes/registry.ts; absent: `defaultProbe`. */
  readonly kind?: string;
  /** Name to ask for, in presentation format. */
  readonly name: string;
  /** Query type, as its number. */
  readonly type: number;
  /** Query class, as its number; absent: IN. */
  readonly class?: number;
  /** Further names, asked at the same time: the run is good when one of the answers is. */
  readonly also?: readonly string[];
  /** A new random label stands before the name in each run, so that no cache has the answer. */
  readonly randomLabel?: boolean;
  /** Response codes that count as good; absent: NOERROR and NXDOMAIN. */
  readonly expect?: readonly number[];
  /** Texts (addresses, names, parts of a TXT) each of which must be in the answer section. */
  readonly answer?: readonly string[];
  /**
   * `signed`: the answer must be NOERROR with AD set or with an RRSIG. `broken`: the name's signature is wrong, so it must be
   * SERVFAIL; a backend that answers does not validate.
   */
  readonly dnssec?: 'signed' | 'broken';
  /** For the kind `exec`: the program to run and its words; the question is then of no account. */
  readonly exec?: readonly string[];
  /** For the kind `exec`: of the exit codes only 1 is bad; those from 2 on are a weight plus 2. */
  readonly dynamic?: boolean;
};

/** How one backend is probed. Times in ms. */
export type ProbeSettings = ProbeQuestion & {
  /** Time between two starts, > 0; each start is moved by up to a tenth of it. */
  readonly interval: number;
  /** How long an answer may take, > 0. */
  readonly timeout: number;
  /** Down when `failures` of the last `of` probes failed; 1 ≤ failures ≤ of. */
  readonly window: { readonly failures: number; readonly of: number };
  /** Whether a failure speaks against the backend, or is only shown; absent: it does. */
  readonly counts?: boolean;
  /**
   * The backend knows the answer itself, so the time to it tells how busy the backend is; absent: it does not. Used where clients
   * ask the backends themselves.
   */
  readonly local?: boolean;
};

/** Tells a probe of a backend from its others: `A www.example.net. udp`, `exec /usr/local/bin/check`. */
export function probeLabel({ kind = 'dns-udp', name, type, ...more }: ProbeQuestion): string {
  const { class: klass = classes.IN, also = [], randomLabel, dnssec, exec } = more;
  if (exec) return `exec ${exec.join(' ')}`;
  const words = [typeName(type), name, kind.replace(/^(dns|any)-/, '')];
  if (klass !== classes.IN) words.unshift(className(klass));
  for (const other of also) words.splice(-1, 0, 'or', other);
  if (randomLabel) words.push('random-label');
  if (dnssec) words.push(dnssec);
  return words.join(' ');
}

/** What evidence may do in one pool. Times in ms. */
export type EvidenceRules = {
  /** Whether live traffic is evidence. */
  readonly live: boolean;
  /** Share of the pool that live traffic may keep out at once, 0 … 1; at least one backend stays. */
  readonly evictAtMost: number;
  /** How long a backend that live traffic took out stays out the first time. */
  readonly hold: number;
  /** Time from coming up again to full weight. */
  readonly slowStart: number;
};

export const defaultEvidence: EvidenceRules = { live: true, evictAtMost: 0.5, hold: 5000, slowStart: 30_000 };

/** What health is told of one pool. */
export type PoolRules = {
  readonly pool: string;
  /** Name of its policy: which backends may be compared depends on who gets what. */
  readonly policy: string;
  readonly evidence: EvidenceRules;
  /**
   * Clients ask its backends themselves, not through us; absent: through us. Then none is kept in because all fail alike, and
   * none is held down after flaps: whoever announces it sees to that.
   */
  readonly direct?: boolean;
};

/** One backend of one pool. `pool` and `name` identify it across reloads. */
export type HealthTarget = Destination & {
  readonly pool: string;
  readonly name: string;
  /** Its place on the board. */
  readonly slot: number;
  /** Its weight in the configuration; absent: 1. */
  readonly weight?: number;
  /** Empty: not probed; such a backend is up until live traffic or an operator says otherwise. */
  readonly probes: readonly ProbeSettings[];
};

/** Address family: IPv4 and IPv6 are judged apart. */
export type Family = 'ipv4' | 'ipv6';

/** The family of an address literal. */
export function familyOfAddress(address: string): Family {
  return address.includes(':') ? 'ipv6' : 'ipv4';
}
