/**
 * Runs the probes: who is due when, how many at once, and what became of each run. All probes share one timer; a run
 * costs one socket and no promise.
 *
 * - Starts lie on a grid of the probe's interval that begins at a random point of it, and each is moved by up to a tenth
 *   of the interval either way: probes do not march in step, with each other or with another front, and do not drift.
 *   Within a front they go out in rows, up to a tenth of the interval later: `startSteps`.
 * - A probe never overlaps itself: a start that falls due while it runs is left out.
 * - At most `runsAtOnce` run at a time; others wait their turn.
 */
import type { Clock } from './clock.ts';
import type { Exchanger } from './exchange.ts';
import { unanswered } from './probes/dns.ts';
import type { PreparedProbe, ProbeOutcome, ProbeRun, ProbeWorld } from './probes/probe.ts';
import { defaultProbe, probes } from './probes/registry.ts';
import type { Programs } from './programs.ts';
import type { HealthTarget, ProbeSettings } from './targets.ts';
import { type Timer, Timers } from './timers.ts';

/** Default bound of probes under way at once: each holds a socket. Enough for a thousand silent backends. */
export const runsAtOnce = 512;
/** The first probe comes within this many ms, however long the interval is. */
const firstWithin = 1000;
/** A timeout that is noticed this late (ms) is given as long again: an answer may wait unread in the socket. */
const lateness = 10;
/**
 * Starts come in steps of so many ms, the widest that is at most a tenth of the interval: to wake up costs more than a probe, on
 * either side, and what many probes need is fetched into the processor's caches once for all of them.
 */
const startSteps = [100, 50, 25, 10] as const;
/** Narrowest step, of starts and of timeouts. */
const grain = 5;

/** A probe of one backend, again and again. */
export class ProbeJob {
  readonly target: HealthTarget;
  readonly kind: string;
  readonly settings: ProbeSettings;
  readonly prepared: PreparedProbe;
  /** Where the grid of starts begins, and how many steps have been used. */
  grid = 0;
  step = 0;
  /** The next start, and the end of the run under way. */
  timer: Timer | null = null;
  limit: Timer | null = null;
  run: ProbeRun | null = null;
  stopped = false;

  constructor(target: HealthTarget, kind: string, settings: ProbeSettings, prepared: PreparedProbe) {
    this.target = target;
    this.kind = kind;
    this.settings = settings;
    this.prepared = prepared;
  }
}

export type ProberOptions = {
  readonly clock: Clock;
  /** Uniform in 0 … bound−1, not to be guessed from outside. */
  readonly random: (bound: number) => number;
  readonly datagrams: Exchanger;
  readonly streams: Exchanger;
  readonly programs?: Programs | undefined;
  /** Told the outcome of each run. */
  readonly onOutcome: (job: ProbeJob, outcome: ProbeOutcome) => void;
  readonly runsAtOnce?: number;
};

export class Prober {
  readonly #options: ProberOptions;
  readonly #starts: Timers;
  readonly #timeouts: Timers;
  readonly #world: ProbeWorld;
  readonly #most: number;
  readonly #waiting = new Set<ProbeJob>();
  #running = 0;

  constructor(options: ProberOptions) {
    this.#options = options;
    this.#starts = new Timers(options.clock, grain);
    this.#timeouts = new Timers(options.clock, grain);
    this.#most = options.runsAtOnce ?? runsAtOnce;
    const { clock, random, datagrams, streams, programs } = options;
    this.#world = { datagrams, streams, programs, random, now: () => clock.now() };
  }

  /** Runs under way. */
  get running(): number {
    return this.#running;
  }

  /** Probes `target` from now on. @throws WireError for a bad name, TypeError for a kind that is not registered. */
  add(target: HealthTarget, settings: ProbeSettings): ProbeJob {
    const kind = settings.kind ?? defaultProbe;
    const factory = probes.get(kind);
    if (!factory) throw new TypeError(`no probe is called ${kind}`);
    const job = new ProbeJob(target, kind, settings, factory(target, settings));
    const { interval } = settings;
    const first = this.#options.clock.now() + this.#fraction() * Math.min(interval, firstWithin);
    job.grid = first + (this.#fraction() - 0.5) * interval;
    job.timer = this.#starts.at(onStep(first, interval), () => this.#due(job));
    return job;
  }

  /** Ends a probe; a run under way is closed and tells nothing. */
  remove(job: ProbeJob): void {
    job.stopped = true;
    this.#waiting.delete(job);
    this.#forget(job);
    if (job.run) {
      job.run.close();
      job.run = null;
      this.#running--;
      this.#startWaiting();
    }
  }

  /** Stops the timer. Jobs are removed one by one before. */
  stop(): void {
    this.#starts.stop();
    this.#timeouts.stop();
  }

  #forget(job: ProbeJob): void {
    if (job.timer) this.#starts.cancel(job.timer);
    if (job.limit) this.#timeouts.cancel(job.limit);
    job.timer = job.limit = null;
  }

  #fraction(): number {
    return this.#options.random(1 << 20) / (1 << 20);
  }

  #due(job: ProbeJob): void {
    job.timer = null;
    if (this.#running >= this.#most) this.#waiting.add(job);
    else this.#start(job);
  }

  #start(job: ProbeJob): void {
    this.#running++;
    const deadline = this.#options.clock.now() + job.settings.timeout;
    job.run = job.prepared.start(this.#world, outcome => this.#finish(job, outcome));
    job.limit = this.#timeouts.at(deadline, () => this.#late(job, deadline));
  }

  #late(job: ProbeJob, deadline: number): void {
    const now = this.#options.clock.now();
    if (now - deadline > lateness) job.limit = this.#timeouts.at(now + lateness, () => this.#timedOut(job));
    else this.#timedOut(job);
  }

  #timedOut(job: ProbeJob): void {
    const heard = job.run?.heard ?? '';
    job.run?.close();
    const detail = `timeout after ${job.settings.timeout}ms${heard === '' ? '' : ` (heard ${heard})`}`;
    this.#finish(job, unanswered(detail));
  }

  #finish(job: ProbeJob, outcome: ProbeOutcome): void {
    if (job.stopped || job.run === null) return;
    job.run = null;
    this.#running--;
    this.#forget(job);
    job.timer = this.#starts.at(this.#nextStart(job), () => this.#due(job));
    this.#options.onOutcome(job, outcome);
    this.#startWaiting();
  }

  /** The next point of the grid that is not past, moved by the jitter. */
  #nextStart(job: ProbeJob): number {
    const { interval } = job.settings;
    const now = this.#options.clock.now();
    job.step = Math.max(job.step + 1, Math.ceil((now - job.grid) / interval));
    return onStep(
      Math.max(now, job.grid + job.step * interval + (this.#fraction() - 0.5) * 0.2 * interval),
      interval,
    );
  }

  #startWaiting(): void {
    for (const job of this.#waiting) {
      if (this.#running >= this.#most) return;
      this.#waiting.delete(job);
      this.#start(job);
    }
  }
}

/** The step that a start at `at` (ms) waits for. */
function onStep(at: number, interval: number): number {
  const step = startSteps.find(wide => wide * 10 <= interval) ?? grain;
  return Math.ceil(at / step) * step;
}
