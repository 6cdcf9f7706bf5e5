/**
 * `chorus probe`: every node of a farm asked by its own address, again and again, over UDP and TCP, with names that no
 * cache has; then which nodes differ from their siblings. Time, chance and sockets are given.
 */
import { type Timer, Timers } from '#health/timers.ts';
import { type Endpoint, formatEndpoint } from '#net/address.ts';
import { rcodeName, rcodes, typeName } from '#wire/types.ts';
import { readAnswer } from './answer-text.ts';
import { type Asked, type AskWorld, ask, inWords, makeQuery, randomName, type Transport } from './ask.ts';
import { falseAlarm, highShares, type Share, slowFigures, sortedPercentile } from './stand-out.ts';
import { tame } from './tame.ts';

/** One node. `source`: the local address to ask it from. */
export type FarmNode = Endpoint & { readonly name: string; readonly source?: string };

/** What to do. Times in ms. */
export type FarmPlan = {
  readonly nodes: readonly FarmNode[];
  readonly transports: readonly Transport[];
  /** Names are random labels under this zone, or this one name again and again. Presentation format. */
  readonly ask: { readonly zone: string } | { readonly name: string };
  readonly type: number;
  /** Questions to each node over each transport; 0: until stopped. */
  readonly count: number;
  /** Between two questions to one node over one transport; longer where `rate` demands it. */
  readonly interval: number;
  /** Questions each second in all, at most. */
  readonly rate: number;
  /** Questions under way at once, at most. */
  readonly concurrency: number;
  /** How long an answer may take. */
  readonly time: number;
};

export const farmLimits = { nodes: 2048, count: 1_000_000, rate: 5000, concurrency: 512 } as const;

/** What one node did over one transport. Names are part of the output of `--json`: add, do not rename. */
export type FarmRow = {
  readonly node: string;
  readonly server: string;
  readonly transport: Transport;
  /** Questions whose outcome is known. `sent` = `answered` + `malformed` + `timeouts` + all `errors`. */
  readonly sent: number;
  /** Answers with any response code. */
  readonly answered: number;
  readonly noerror: number;
  readonly nxdomain: number;
  readonly servfail: number;
  /** Answers with other codes, by code. */
  readonly otherRcodes: Readonly<Record<string, number>>;
  /** Messages that came and were no answer to the question. */
  readonly malformed: number;
  readonly timeouts: number;
  /** Errors of the network or the connection, by their words. */
  readonly errors: Readonly<Record<string, number>>;
  /** Questions that this machine could not ask; counted nowhere else. */
  readonly notMade: number;
  /** All but NOERROR and NXDOMAIN. */
  readonly failed: number;
  /** `failed` ÷ `sent`; null before the first. */
  readonly failureShare: number | null;
  /** Of answers with any code, the last 10,000 of them. */
  readonly latencyMs: {
    readonly p50: number | null;
    readonly p95: number | null;
    readonly max: number | null;
  };
  /** In what it differs from its siblings over the same transport; empty for most. */
  readonly standsOut: readonly string[];
};

/** `alike`: none differs and few questions fail. `failing`: none differs, and questions fail everywhere. */
export type FarmVerdict = 'alike' | 'stands-out' | 'failing';

export type FarmReport = {
  readonly asked: string;
  readonly type: string;
  readonly seconds: number;
  /** Between two questions to one node over one transport, in ms, as it came out. */
  readonly intervalMs: number;
  readonly rows: readonly FarmRow[];
  readonly verdict: FarmVerdict;
  /** 0 alike, 1 stands-out, 2 failing. */
  readonly exit: number;
};

/** A question that failed, told when it did. */
export type FarmFailure = {
  /** Time of day, ms since 1970. */
  readonly at: number;
  readonly node: string;
  readonly transport: Transport;
  readonly name: string;
  readonly detail: string;
};

/** From this share of failures on a farm without sick nodes is called failing; and from so many of them. */
const failingShare = 0.01;
const failingCount = 2;
const latenciesKept = 10_000;
const goodRcodes = [rcodes.NOERROR, rcodes.NXDOMAIN];

type Counting = {
  readonly node: FarmNode;
  readonly transport: Transport;
  started: number;
  due: number;
  sent: number;
  malformed: number;
  timeouts: number;
  notMade: number;
  answered: number;
  readonly rcodes: Map<number, number>;
  readonly errors: Map<string, number>;
  readonly latencies: number[];
  most: number | null;
};

export class FarmProbe {
  readonly #plan: FarmPlan;
  readonly #world: AskWorld;
  readonly #onFailure: (failure: FarmFailure) => void;
  readonly #rows: Counting[];
  readonly #timers: Timers;
  readonly #interval: number;
  readonly #underWay = new Set<() => void>();
  readonly #waiting: Counting[] = [];
  readonly #due = new Set<Timer>();
  #began = 0;
  #ended: number | null = null;
  #done: () => void = () => {};

  constructor(plan: FarmPlan, world: AskWorld, onFailure: (failure: FarmFailure) => void = () => {}) {
    this.#plan = plan;
    this.#world = world;
    this.#onFailure = onFailure;
    this.#timers = new Timers(world.clock);
    this.#rows = plan.nodes.flatMap(node => plan.transports.map(transport => counting(node, transport)));
    this.#interval = Math.max(plan.interval, (this.#rows.length * 1000) / plan.rate);
  }

  /** Begins; calls `done` once when all is asked and answered or stopped. */
  start(done: () => void): void {
    this.#done = done;
    this.#began = this.#world.clock.now();
    for (const [index, row] of this.#rows.entries()) {
      // Spread over the interval, so that the nodes are asked one after the other and not all at once.
      row.due = this.#began + (index * this.#interval) / this.#rows.length;
      this.#wait(row);
    }
    if (this.#rows.length === 0) this.#end();
  }

  /** Ends it early: what is under way is given up and counts as not asked. */
  stop(): void {
    if (this.#ended !== null) return;
    this.#end();
  }

  /** Questions under way. */
  get underWay(): number {
    return this.#underWay.size;
  }

  /** What has come out so far. */
  report(): FarmReport {
    const plan = this.#plan;
    const rows = judgedRows(this.#rows);
    const verdict = verdictOf(rows);
    const end = this.#ended ?? this.#world.clock.now();
    return {
      asked: 'zone' in plan.ask ? `*.${plan.ask.zone === '.' ? '' : plan.ask.zone}` : plan.ask.name,
      type: typeName(plan.type),
      seconds: Math.round(end - this.#began) / 1000,
      intervalMs: rounded(this.#interval),
      rows,
      verdict,
      exit: { alike: 0, 'stands-out': 1, failing: 2 }[verdict],
    };
  }

  #wait(row: Counting): void {
    const timer = this.#timers.at(row.due, () => {
      this.#due.delete(timer);
      if (this.#underWay.size >= this.#plan.concurrency) this.#waiting.push(row);
      else this.#ask(row);
    });
    this.#due.add(timer);
  }

  #ask(row: Counting): void {
    const plan = this.#plan;
    const name = 'zone' in plan.ask ? randomName(plan.ask.zone, this.#world.random) : plan.ask.name;
    const { address, port, source } = row.node;
    row.started++;
    const callOff = ask(
      {
        to: { address, port, ...(source !== undefined && { source }) },
        transport: row.transport,
        query: makeQuery({ name, type: plan.type }),
        good: goodRcodes,
        time: plan.time,
        tries: 1,
      },
      this.#world,
      asked => {
        this.#underWay.delete(callOff);
        this.#count(row, asked, name);
        this.#goOn();
      },
    );
    this.#underWay.add(callOff);
    if (plan.count !== 0 && row.started >= plan.count) return;
    row.due = Math.max(this.#world.clock.now(), row.due + this.#interval);
    this.#wait(row);
  }

  #goOn(): void {
    const next = this.#waiting.shift();
    if (next) this.#ask(next);
    else if (this.#underWay.size === 0 && this.#due.size === 0) this.#end();
  }

  #end(): void {
    this.#ended = this.#world.clock.now();
    this.#timers.stop();
    this.#waiting.length = 0;
    for (const callOff of this.#underWay) callOff();
    this.#underWay.clear();
    this.#done();
  }

  #count(row: Counting, asked: Asked, name: string): void {
    if (asked.ours) {
      row.notMade++;
    } else {
      row.sent++;
      if (asked.kind === 'silence') row.timeouts++;
      else if (asked.kind === 'malformed') row.malformed++;
      else if (asked.rcode === null) row.errors.set(asked.detail, (row.errors.get(asked.detail) ?? 0) + 1);
      else {
        row.rcodes.set(asked.rcode, (row.rcodes.get(asked.rcode) ?? 0) + 1);
        const latency = asked.latency ?? 0;
        row.latencies[row.answered++ % latenciesKept] = latency;
        row.most = Math.max(row.most ?? 0, latency);
      }
    }
    if (asked.good) return;
    const { node, transport } = row;
    const detail = detailOf(asked, this.#plan.type);
    this.#onFailure({ at: this.#world.clock.wall(), node: node.name, transport, name, detail });
  }
}

function counting(node: FarmNode, transport: Transport): Counting {
  return {
    node,
    transport,
    started: 0,
    due: 0,
    sent: 0,
    malformed: 0,
    timeouts: 0,
    notMade: 0,
    answered: 0,
    rcodes: new Map(),
    errors: new Map(),
    latencies: [],
    most: null,
  };
}

/** What went wrong, with the server's own reason where it gives one. */
function detailOf(asked: Asked, type: number): string {
  if (asked.latency === null) return asked.detail;
  const detail = `${asked.detail} in ${inWords(asked.latency)}`;
  if (asked.kind !== 'answer' || asked.bytes === null) return detail;
  try {
    const { extended } = readAnswer(asked.bytes, type);
    return extended.length === 0 ? detail : `${detail}: ${tame(extended.join('; '))}`;
  } catch {
    return detail;
  }
}

function judgedRows(countings: readonly Counting[]): FarmRow[] {
  const latencies = countings.map(row => row.latencies.toSorted((a, b) => a - b));
  const rows = countings.map((row, index) => rowOf(row, latencies[index]!));
  const reasons = rows.map(() => [] as string[]);
  const transports = [...new Set(rows.map(row => row.transport))];
  // The chance of a false alarm is for all comparisons together: each transport, and all of them.
  const alarm = falseAlarm / (transports.length > 1 ? transports.length + 1 : 1);
  for (const transport of transports) {
    const places = rows.flatMap((row, index) => (row.transport === transport ? [index] : []));
    const group = places.map(index => rows[index]!);
    const failing = highShares(group.map(failures), alarm);
    const denying = highShares(
      group.map(row => ({ hits: row.nxdomain, of: row.noerror + row.nxdomain })),
      alarm,
    );
    const slow = slowFigures(
      places.map(index => latencies[index]!),
      alarm,
    );
    for (const [at, row] of group.entries()) {
      const list = reasons[places[at]!]!;
      if (failing.has(at)) list.push(failsMore(group.map(failures), at));
      if (denying.has(at)) list.push(`${row.nxdomain} times NXDOMAIN where its siblings find the name`);
      for (const figure of slow[at] ?? []) list.push(`${figure} ${inWords(row.latencyMs[figure] ?? 0)}`);
    }
  }
  if (transports.length > 1) nameOverAll(rows, reasons, alarm);
  return rows.map((row, index) => ({ ...row, standsOut: reasons[index]! }));
}

/** Names nodes whose failures are too few to tell over one transport, and enough over all; at their worst row. */
function nameOverAll(rows: readonly FarmRow[], reasons: string[][], alarm: number): void {
  const servers = [...new Set(rows.map(row => row.server))];
  const places = servers.map(server => rows.flatMap((row, at) => (row.server === server ? [at] : [])));
  const shares = places.map(list =>
    list
      .map(at => failures(rows[at]!))
      .reduce((sum, { hits, of }) => ({ hits: sum.hits + hits, of: sum.of + of })),
  );
  for (const node of highShares(shares, alarm)) {
    const list = places[node]!;
    if (list.some(at => reasons[at]!.length > 0)) continue;
    const worst = list.reduce((a, b) => (rows[b]!.failed > rows[a]!.failed ? b : a));
    reasons[worst]!.push(`${failsMore(shares, node)}, all transports together`);
  }
}

function failures({ failed, sent }: FarmRow): Share {
  return { hits: failed, of: sent };
}

function failsMore(group: readonly Share[], at: number): string {
  const { hits, of } = group[at]!;
  const rest = group.filter((_, index) => index !== at);
  const sum = (key: keyof Share) => rest.reduce((total, share) => total + share[key], 0);
  return `${percent(hits, of)} fail, ${percent(sum('hits'), sum('of'))} of its siblings'`;
}

function percent(part: number, of: number): string {
  if (of === 0) return '0%';
  const share = (100 * part) / of;
  return `${share > 0 && share < 10 ? share.toFixed(1) : share.toFixed(0)}%`;
}

function rowOf(row: Counting, sorted: readonly number[]): FarmRow {
  const code = (wanted: number) => row.rcodes.get(wanted) ?? 0;
  const [noerror, nxdomain, servfail] = [code(rcodes.NOERROR), code(rcodes.NXDOMAIN), code(rcodes.SERVFAIL)];
  const named: readonly number[] = [rcodes.NOERROR, rcodes.NXDOMAIN, rcodes.SERVFAIL];
  const others = [...row.rcodes].filter(([rcode]) => !named.includes(rcode));
  const failed = row.sent - noerror - nxdomain;
  const at = (share: number) => {
    const latency = sortedPercentile(sorted, share);
    return latency === null ? null : rounded(latency);
  };
  return {
    node: row.node.name,
    server: formatEndpoint(row.node),
    transport: row.transport,
    sent: row.sent,
    answered: row.answered,
    noerror,
    nxdomain,
    servfail,
    otherRcodes: Object.fromEntries(others.map(([rcode, count]) => [rcodeName(rcode), count])),
    malformed: row.malformed,
    timeouts: row.timeouts,
    errors: Object.fromEntries(row.errors),
    notMade: row.notMade,
    failed,
    failureShare: row.sent === 0 ? null : Math.round((failed / row.sent) * 10_000) / 10_000,
    latencyMs: { p50: at(0.5), p95: at(0.95), max: row.most === null ? null : rounded(row.most) },
    standsOut: [],
  };
}

function verdictOf(rows: readonly FarmRow[]): FarmVerdict {
  if (rows.some(row => row.standsOut.length > 0)) return 'stands-out';
  const failed = rows.reduce((sum, row) => sum + row.failed, 0);
  const sent = rows.reduce((sum, row) => sum + row.sent, 0);
  const unknown = sent === 0 && rows.some(row => row.notMade > 0);
  return unknown || (failed >= failingCount && failed >= failingShare * sent) ? 'failing' : 'alike';
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
