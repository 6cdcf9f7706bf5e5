/** What a client of the farm sees. Pure. */
import { rcodes } from '#wire/types.ts';

/** Figures over the last seconds are over at most so many ms. */
const recent = 10_000;
const maxRecent = 20_000;

/** Counts since the start; rate and latencies (ms) over the last ten seconds, null without answers. */
export type ClientView = {
  readonly asked: number;
  readonly answered: number;
  /** Answers with SERVFAIL, REFUSED and the like. */
  readonly failed: number;
  /** Queries that got no answer in time. */
  readonly lost: number;
  readonly perSecond: number;
  readonly p50: number | null;
  readonly p99: number | null;
};

/** Whether a response code is one that a healthy farm gives for a name of the lab. */
export function isGood(rcode: number): boolean {
  return rcode === rcodes.NOERROR || rcode === rcodes.NXDOMAIN;
}

type Past = { readonly at: number; readonly latency: number };

/** Keeps account. Times are in ms on one clock that only goes forward. */
export class Account {
  readonly #patience: number;
  /** When each id was asked; the oldest first. */
  readonly #waiting = new Map<number, number>();
  readonly #past: Past[] = [];
  #first: number | undefined;
  #asked = 0;
  #answered = 0;
  #failed = 0;
  #lost = 0;

  constructor(patience: number) {
    this.#patience = patience;
  }

  /** A query leaves: gives its id, the wanted one or the next that is free; null when all are in use. */
  asked(wanted: number, now: number): number | null {
    if (this.#waiting.size > 0xffff) return null;
    let id = wanted & 0xffff;
    while (this.#waiting.has(id)) id = (id + 1) & 0xffff;
    this.#waiting.set(id, now);
    this.#first ??= now;
    this.#asked++;
    return id;
  }

  /** An answer came. One that nobody waits for is passed over. */
  answered(id: number, good: boolean, now: number): void {
    const at = this.#waiting.get(id);
    if (at === undefined) return;
    this.#waiting.delete(id);
    if (good) this.#answered++;
    else this.#failed++;
    this.#past.push({ at: now, latency: now - at });
    if (this.#past.length > maxRecent) this.#past.shift();
  }

  /** Gives up on what has waited too long. */
  expire(now: number): void {
    for (const [id, at] of this.#waiting) {
      if (now - at < this.#patience) break;
      this.#waiting.delete(id);
      this.#lost++;
    }
  }

  view(now: number): ClientView {
    while (this.#past[0] && this.#past[0].at < now - recent) this.#past.shift();
    const latencies = this.#past.map(({ latency }) => latency).sort((a, b) => a - b);
    const span = Math.min(recent, Math.max(1, now - (this.#first ?? now)));
    const at = (share: number) => latencies[Math.ceil(latencies.length * share) - 1] ?? null;
    return {
      asked: this.#asked,
      answered: this.#answered,
      failed: this.#failed,
      lost: this.#lost,
      perSecond: (latencies.length * 1000) / span,
      p50: at(0.5),
      p99: at(0.99),
    };
  }
}
