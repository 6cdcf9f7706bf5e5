/**
 * All workers together. A plan is put in force in two steps: all prepare, then all commit; one that cannot prepare makes
 * all of them abort. A worker that dies is started again, with growing delays; one that dies again and again, or leaves
 * sockets behind that nobody can close, ends the process.
 */
import type { Clock } from '#health/clock.ts';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import type { Log } from '#kit/log.ts';
import { Member } from './member.ts';
import type { Granted, WorkerPlan, WorkerStart } from './protocol.ts';
import type { SpawnThread } from './thread.ts';

/** Delay before a dead worker is started again: doubles with each death, in ms. */
export const restartDelay = { first: 100, most: 10_000 } as const;
/** So many deaths of workers within so many ms end the process. */
export const deathsAllowed = { count: 6, within: 60_000 } as const;

/** Between two pings, ms. */
const pingEvery = 1000;
/** So many pings in a row without an answer: the worker is dead. */
export const pingsMissed = 30;
/** So many more: it cannot even be ended. */
const pingsLost = pingsMissed + 10;

export type CrewOptions = {
  readonly starts: readonly WorkerStart[];
  readonly spawn: SpawnThread;
  readonly clock: Clock;
  readonly log: Log;
  /** A worker died: what it counted as in flight is gone. */
  readonly onDeath: (worker: number) => void;
  /** The workers cannot go on; the process must end. */
  readonly onFatal: (error: ChorusError) => void;
};

export type WorkerView = {
  readonly worker: number;
  readonly kind: 'packet' | 'stream';
  /** Answers pings. */
  readonly lives: boolean;
  /** Generation in force; 0 when it does not serve. */
  readonly generation: number;
};

export class Crew {
  readonly #options: CrewOptions;
  readonly #members: readonly Member[];
  readonly #granted = new Map<number, readonly Granted[]>();
  readonly #cancels = new Set<() => void>();
  #current: WorkerPlan | null = null;
  #deaths: number[] = [];
  #started = false;
  #stopping = false;
  /** What changes the workers' plans happens one after the other. */
  #last: Promise<unknown> = Promise.resolve();
  /** Times that a worker was started again. */
  restarts = 0;

  constructor(options: CrewOptions) {
    this.#options = options;
    this.#members = options.starts.map(
      (start, index) =>
        new Member({
          start,
          spawn: options.spawn,
          clock: options.clock,
          onLog: (level, text) => options.log[level](text, { worker: start.worker }),
          onExit: (error, forced) => this.#onExit(index, error, forced),
        }),
    );
  }

  /** Starts all workers; throws WORKER_DIED when one cannot start. They serve after the first `apply`. */
  async start(): Promise<void> {
    await Promise.all(this.#members.map(member => member.begin()));
    this.#started = true;
    const beat = () => {
      for (const member of this.#members) this.#ping(member);
      if (!this.#stopping) this.#later(pingEvery, beat);
    };
    beat();
  }

  /** Asks for a sign of life, and ends what has given none for too long. */
  #ping(member: Member): void {
    member.ping();
    const { missed, start } = member;
    if (missed !== pingsMissed && missed !== pingsLost) return;
    const { worker, kind } = start;
    const seconds = (missed * pingEvery) / 1000;
    this.#options.log.error('worker does not answer', { worker, kind, seconds });
    // The kernel goes on giving packets to the sockets of a packet worker, and nobody can close them.
    if (kind === 'packet' || missed === pingsLost) {
      this.#options.onFatal(new ChorusError('WORKER_SILENT', { worker, request: 'ping', seconds }));
    } else member.kill();
  }

  /**
   * Puts a plan in force in all workers, or in none: throws the error of the worker that could not prepare it. `bound` is
   * called when everything that the plan needs is open, before any worker commits; if it throws, all abort.
   */
  apply(plan: WorkerPlan, bound?: () => Promise<void>): Promise<void> {
    return this.#alone(async () => {
      const members = this.#members.filter(member => member.running);
      if (members.length === 0 && this.#members.length > 0)
        throw new ChorusError('WORKER_DIED', { worker: 0, reason: 'none is left' });
      const granted = new Map<number, readonly Granted[]>();
      try {
        // TCP listeners share their address with nobody: what another server holds is noticed here, before UDP sockets
        // join its SO_REUSEPORT group and take packets from it.
        await this.#prepareAll(
          members.filter(({ start }) => start.streams),
          plan,
          granted,
        );
        await this.#prepareAll(
          members.filter(({ start }) => !start.streams),
          plan,
          granted,
        );
        await bound?.();
      } catch (error) {
        for (const member of members) member.tell({ kind: 'abort' });
        throw error;
      }
      this.#current = plan;
      for (const [worker, listeners] of granted) this.#granted.set(worker, listeners);
      // From here on the plan is in force: a worker that fails to commit dies and comes back with it.
      await Promise.allSettled(members.map(member => member.ask({ kind: 'commit' }, ['committed'])));
    });
  }

  /** UDP listeners with what the kernel granted to each worker. */
  granted(): Granted[] {
    return [...this.#granted.values()].flat();
  }

  view(): WorkerView[] {
    return this.#members.map(({ start, lives, generation, running }) => ({
      worker: start.worker,
      kind: start.kind,
      lives,
      generation: running ? generation : 0,
    }));
  }

  /** Lets all workers finish what is in flight, `timeout` ms at most; gives how many queries were given up. */
  async drain(timeout: number): Promise<number> {
    this.#stopping = true;
    this.#quiet();
    await this.#last;
    const answers = await Promise.allSettled(
      this.#members
        .filter(member => member.running)
        .map(member => member.ask({ kind: 'drain', timeout }, ['drained'], timeout + 2000)),
    );
    return answers.reduce(
      (sum, answer) => sum + (answer.status === 'fulfilled' ? answer.value.abandoned : 0),
      0,
    );
  }

  /** Ends all threads wherever they are. Synchronous, so that the process can exit next. */
  kill(): void {
    this.#stopping = true;
    this.#quiet();
    for (const member of this.#members) member.kill();
  }

  #quiet(): void {
    for (const cancel of this.#cancels) cancel();
    this.#cancels.clear();
  }

  /** Prepares all of these, whatever becomes of each; then throws the first error. */
  async #prepareAll(
    members: readonly Member[],
    plan: WorkerPlan,
    granted: Map<number, readonly Granted[]>,
  ): Promise<void> {
    const results = await Promise.allSettled(
      members.map(async member => {
        granted.set(member.start.worker, await this.#prepare(member, plan));
      }),
    );
    for (const result of results) if (result.status === 'rejected') throw result.reason;
  }

  async #prepare(member: Member, plan: WorkerPlan): Promise<readonly Granted[]> {
    const answer = await member.ask({ kind: 'prepare', plan }, ['prepared', 'refused']);
    if (answer.kind === 'refused') throw new ChorusError(answer.code, answer.details);
    return answer.granted;
  }

  #onExit(index: number, error: Error | null, forced: boolean): void {
    const member = this.#members[index]!;
    const { worker, kind } = member.start;
    this.#options.onDeath(worker);
    this.#granted.delete(worker);
    if (this.#stopping) return;
    const reason = error ? reasonOf(error) : 'it ended without an error';
    this.#options.log.error('worker died', { worker, kind, reason, stack: error?.stack ?? '' });
    // At the start whoever waits for the worker hears of it, and ends the process.
    if (!this.#started) return;
    const now = this.#options.clock.now();
    this.#deaths = [...this.#deaths.filter(at => now - at < deathsAllowed.within), now];
    // A packet worker closes its sockets when an error ends it. When it is cut off it cannot, and the kernel goes on
    // giving them packets that nobody reads.
    const cutOff = forced || (error as NodeJS.ErrnoException | null)?.code === 'ERR_WORKER_OUT_OF_MEMORY';
    if ((kind === 'packet' && cutOff) || this.#deaths.length >= deathsAllowed.count) {
      this.#options.onFatal(new ChorusError('WORKER_DIED', { worker, reason }));
      return;
    }
    const delay = Math.min(restartDelay.most, restartDelay.first * 2 ** (this.#deaths.length - 1));
    this.#later(delay, () => void this.#restart(member));
  }

  /** Never throws: a worker that cannot be brought back is killed, which counts as one more death. */
  #restart(member: Member): Promise<void> {
    return this.#alone(async () => {
      const plan = this.#current;
      if (this.#stopping || !plan) return;
      this.restarts++;
      try {
        await member.begin();
        this.#granted.set(member.start.worker, await this.#prepare(member, plan));
        await member.ask({ kind: 'commit' }, ['committed']);
        this.#options.log.info('worker started again', { worker: member.start.worker });
      } catch (error) {
        const { worker } = member.start;
        const reason = reasonOf(error);
        this.#options.log.error('worker could not be started again', { worker, reason });
        // Privileges that were given up do not come back by waiting: whoever starts the process has them.
        if (error instanceof ChorusError && error.code === 'PERMISSION') {
          this.#options.onFatal(new ChorusError('WORKER_DIED', { worker, reason }));
        } else member.kill();
      }
    });
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }

  #later(ms: number, then: () => void): void {
    const cancel = this.#options.clock.wait(ms, () => {
      this.#cancels.delete(cancel);
      then();
    });
    this.#cancels.add(cancel);
  }
}
