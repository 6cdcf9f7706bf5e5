/** What a run has shown. */
import type { HealthEvent } from '#health/health.ts';
import { Samples } from './samples.ts';

/** Width of a bin of the count of queries by backend, ms. */
export const binWidth = 10;

export type Failure = { readonly at: number; readonly what: string; readonly tries: number };

export class Report {
  readonly scenario: string;
  readonly seed: number;
  /** Broken rules: there must be none. */
  readonly violations: string[] = [];
  readonly #begin: number;
  hash = '';
  events = 0;
  /** How long it was, ms of the farm's time. */
  lasted = 0;

  /** Questions that clients had. */
  lookups = 0;
  /** Failures that a client saw, other than what is the truth about a name. */
  readonly failures: Failure[] = [];
  failureCount = 0;
  /** Failures that are the truth: bogus names and the like. */
  excused = 0;
  lies = 0;
  givenUp = 0;
  retransmitted = 0;
  overTcp = 0;
  /** Time from a client's question to its good answer, ms: all days' names, and the storm's. */
  readonly latency = new Samples();
  readonly stormLatency = new Samples();
  /** Longest that a packet waited for its reply. */
  slowestReply = 0;
  /** Replies with an extended error by its code: with an answer, and with a failure. */
  readonly edeAnswers = new Map<number, number>();
  readonly edeFailures = new Map<number, number>();

  /** Questions that went to backends, and the packets that it took. */
  questions = 0;
  sends = 0;
  stormSends = 0;
  mostSends = 0;
  probes = 0;
  /** By backend: queries in each bin of `binWidth` ms. */
  readonly bins: number[][] = [];
  /** What health decided; `at` counts from the start of the run. */
  readonly changes: HealthEvent[] = [];
  /** What else it had to say. */
  readonly notices: string[] = [];
  /** Counters of the front at the end. */
  counters: Readonly<Record<string, number>> = {};

  constructor(scenario: string, seed: number, begin: number) {
    this.scenario = scenario;
    this.seed = seed;
    this.#begin = begin;
  }

  violate(now: number, what: string): void {
    if (this.violations.length < 20) this.violations.push(`at ${(now - this.#begin).toFixed(3)} ms: ${what}`);
  }
  failed(at: number, what: string, tries: number): void {
    this.failureCount++;
    if (this.failures.length < 1000) this.failures.push({ at, what, tries });
  }
  done(took: number, storm: boolean): void {
    (storm ? this.stormLatency : this.latency).add(took);
  }
  replied(after: number): void {
    if (after > this.slowestReply) this.slowestReply = after;
  }
  ede(code: number, failure: boolean): void {
    if (code < 0) return;
    const counts = failure ? this.edeFailures : this.edeAnswers;
    counts.set(code, (counts.get(code) ?? 0) + 1);
  }
  sent(backend: number, at: number): void {
    let bins = this.bins[backend];
    if (!bins) {
      bins = [];
      this.bins[backend] = bins;
    }
    const bin = Math.floor(at / binWidth);
    while (bins.length <= bin) bins.push(0);
    bins[bin]!++;
  }

  /** Queries sent to `backend` in from … until. */
  sentTo(backend: number, from: number, until: number): number {
    const bins = this.bins[backend] ?? [];
    let sum = 0;
    for (let bin = Math.ceil(from / binWidth); bin < Math.min(bins.length, until / binWidth); bin++) {
      sum += bins[bin]!;
    }
    return sum;
  }

  /** Packets to backends beyond one for each question, as a share of the questions. */
  get extra(): number {
    return this.questions === 0 ? 0 : (this.sends - this.questions) / this.questions;
  }

  /** When health took `backend` out at or after `from`; Infinity if it did not. */
  outAt(backend: number, from: number): number {
    return (
      this.changes.find(({ slot, to, at }) => slot === backend && to === 'down' && at >= from)?.at ?? Infinity
    );
  }

  /** The report in words. */
  text(): string {
    const ms = (value: number) => `${value < 10 ? value.toFixed(2) : value.toFixed(1)} ms`;
    const percentiles = (samples: Samples) =>
      `p50 ${ms(samples.percentile(0.5))}, p99 ${ms(samples.percentile(0.99))}, p99.9 ${ms(samples.percentile(0.999))}, max ${ms(samples.most)}`;
    const counts = (map: ReadonlyMap<number, number>) =>
      [...map].map(([code, count]) => `${code}: ${count}`).join(', ');
    const lines = [
      `${this.scenario}, seed ${this.seed}: ${(this.lasted / 1000).toFixed(1)} s of the farm, ${this.events} events, trace ${this.hash}`,
      `  clients   ${this.lookups} questions, ${this.failureCount} failed, ${this.givenUp} given up, ${this.retransmitted} asked again, ${this.lies} lies, ${this.excused} true failures, ${this.overTcp} over TCP`,
      `  latency   ${percentiles(this.latency)}`,
      `  backends  ${this.sends} queries for ${this.questions} questions (${(this.extra * 100).toFixed(2)}% extra, at most ${this.mostSends} for one), ${this.probes} probes`,
    ];
    if (this.stormLatency.count > 0)
      lines.push(`  storm     ${percentiles(this.stormLatency)}, ${this.stormSends} queries to backends`);
    if (this.edeAnswers.size > 0) lines.push(`  EDE       with answers ${counts(this.edeAnswers)}`);
    if (this.edeFailures.size > 0) lines.push(`  EDE       with failures ${counts(this.edeFailures)}`);
    for (const failure of this.failures.slice(0, 5)) {
      lines.push(`  failure   at ${failure.at.toFixed(1)} ms, try ${failure.tries}: ${failure.what}`);
    }
    for (const { at, backend, from, to, reason } of this.changes.slice(0, 40)) {
      lines.push(`  health    at ${at.toFixed(1)} ms: ${backend} ${from} → ${to}: ${reason}`);
    }
    for (const notice of this.notices.slice(0, 10)) lines.push(`  health    ${notice}`);
    for (const violation of this.violations) lines.push(`  BROKEN    ${violation}`);
    return lines.join('\n');
  }
}
