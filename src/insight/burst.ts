/**
 * A burst: many queries sent at once, and the answers counted. The pure part: ids, the count of what came back, and what
 * several rounds say together. After the experiment of Figure 6 in "CoDNS" (Park et al., OSDI 2004).
 */
import { rcodeName } from '#wire/types.ts';

export const burstLimits = {
  /** Most queries in one burst. */
  count: 200_000,
  sockets: 512,
  repeat: 20,
  /** ms */
  wait: 30_000,
} as const;

/** Queries that one socket can have waiting: one for each id. */
const ids = 65_536;

/** What came of one burst. `answered` + `lost` + `droppedHere` + `unsent` = `count`. */
export type BurstRound = {
  readonly count: number;
  /** Queries that this machine would not send. */
  readonly unsent: number;
  readonly answered: number;
  /** Answers by response code. */
  readonly rcodes: Readonly<Record<string, number>>;
  /** Queries without an answer that this machine did not drop itself. */
  readonly lost: number;
  /** Datagrams that the kernel dropped at our own sockets; null where it does not say, and then counted in `lost`. */
  readonly droppedHere: number | null;
  /** Answers beyond the first to a query. */
  readonly doubled: number;
  /** Datagrams that answer nothing that was asked. */
  readonly strange: number;
  /** Times that the network said the server cannot be reached. */
  readonly unreachable: number;
  /** Time that sending took, in ms. */
  readonly sendMs: number;
  /** Time from the first query to the last answer, in ms; null without answers. */
  readonly lastMs: number | null;
};

/** The id of a socket's query `index`: each differs from the socket's others. `start` is random. */
export function burstId(start: number, index: number): number {
  // An odd step visits every id before one comes again.
  return (start + index * 40_503) & 0xffff;
}

/** Counts the answers to one burst. */
export class Tally {
  readonly #waiting: Uint8Array;
  readonly #rcodes = new Map<number, number>();
  answered = 0;
  doubled = 0;
  strange = 0;

  constructor(sockets: number) {
    this.#waiting = new Uint8Array(sockets * ids);
  }

  /** A query leaves from the socket with this id. */
  asked(socket: number, id: number): void {
    this.#waiting[socket * ids + id] = 1;
  }

  /** Octets came to the socket: `length` from `at`. */
  came(socket: number, bytes: Uint8Array, at: number, length: number): void {
    const place = socket * ids + ((bytes[at]! << 8) | bytes[at + 1]!);
    const isAnswer = length >= 12 && (bytes[at + 2]! & 0x80) !== 0;
    if (!isAnswer || this.#waiting[place] === 0) {
      this.strange++;
    } else if (this.#waiting[place] === 2) {
      this.doubled++;
    } else {
      this.#waiting[place] = 2;
      this.answered++;
      const rcode = bytes[at + 3]! & 15;
      this.#rcodes.set(rcode, (this.#rcodes.get(rcode) ?? 0) + 1);
    }
  }

  /** Answers by the name of their response code. */
  get rcodes(): Record<string, number> {
    return Object.fromEntries([...this.#rcodes].map(([rcode, count]) => [rcodeName(rcode), count]));
  }
}

/** What the sender measured beside the tally. */
export type BurstMeasure = Pick<
  BurstRound,
  'count' | 'unsent' | 'unreachable' | 'sendMs' | 'lastMs' | 'droppedHere'
>;

/** Puts a round together; our own drops are never counted against the server. */
export function roundOf(tally: Tally, measure: BurstMeasure): BurstRound {
  const missing = measure.count - measure.unsent - tally.answered;
  const droppedHere = measure.droppedHere === null ? null : Math.min(missing, measure.droppedHere);
  return {
    ...measure,
    droppedHere,
    answered: tally.answered,
    rcodes: tally.rcodes,
    lost: missing - (droppedHere ?? 0),
    doubled: tally.doubled,
    strange: tally.strange,
  };
}

/** All rounds of one size. Counts are sums over the rounds; `lostMedian` and `lostMost` are of one round. */
export type BurstRow = {
  readonly count: number;
  readonly answeredShare: number;
  readonly lostMedian: number;
  readonly lostMost: number;
  readonly servfail: number;
  /** Answers with a response code other than NOERROR, NXDOMAIN and SERVFAIL. */
  readonly otherRcode: number;
  readonly doubled: number;
  readonly strange: number;
  readonly unreachable: number;
  readonly unsent: number;
  readonly droppedHere: number | null;
  /** Medians, in ms. */
  readonly sendMs: number;
  readonly lastMs: number | null;
  readonly rounds: readonly BurstRound[];
};

/** Sums up the rounds of one size, one at least. */
export function rowOf(rounds: readonly BurstRound[]): BurstRow {
  const sum = (of: (round: BurstRound) => number) => rounds.reduce((total, round) => total + of(round), 0);
  const count = rounds[0]?.count ?? 0;
  const answered = sum(round => round.answered);
  const servfail = sum(round => round.rcodes.SERVFAIL ?? 0);
  const good = sum(round => (round.rcodes.NOERROR ?? 0) + (round.rcodes.NXDOMAIN ?? 0));
  const last = rounds.flatMap(round => (round.lastMs === null ? [] : [round.lastMs]));
  const known = rounds.every(round => round.droppedHere !== null);
  return {
    count,
    answeredShare: answered / sum(round => round.count),
    lostMedian: median(rounds.map(round => round.lost)),
    lostMost: Math.max(...rounds.map(round => round.lost)),
    servfail,
    otherRcode: answered - good - servfail,
    doubled: sum(round => round.doubled),
    strange: sum(round => round.strange),
    unreachable: sum(round => round.unreachable),
    unsent: sum(round => round.unsent),
    droppedHere: known ? sum(round => round.droppedHere ?? 0) : null,
    sendMs: median(rounds.map(round => round.sendMs)),
    lastMs: last.length === 0 ? null : median(last),
    rounds,
  };
}

/** The lower of the two in the middle where there are two. */
function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[(values.length - 1) >> 1] ?? 0;
}

/** The name of query `number`, counted from 1 over the whole run: `{n}` in the pattern stands for the number. */
export function burstName(pattern: string, number: number): string {
  return pattern.replaceAll('{n}', String(number));
}
