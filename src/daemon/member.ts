/** One worker in the eyes of the main thread: asks it one thing at a time and waits for the answer, within a time. */
import type { Clock } from '#health/clock.ts';
import { ChorusError } from '#kit/errors.ts';
import type { FromWorker, ToWorker, WorkerStart } from './protocol.ts';
import type { SpawnThread, Thread } from './thread.ts';

/** How long a worker may take to start, prepare or commit, in ms. */
export const answerTimeout = 15_000;
/** A worker that has not answered a ping for so long does not live, in ms. */
export const silence = 5_000;

type Reply<Kind extends FromWorker['kind']> = Extract<FromWorker, { kind: Kind }>;
type Waiting = {
  readonly kinds: readonly string[];
  readonly resolve: (message: FromWorker) => void;
  readonly reject: (error: Error) => void;
  readonly cancel: () => void;
};

export type MemberOptions = {
  readonly start: WorkerStart;
  readonly spawn: SpawnThread;
  readonly clock: Clock;
  readonly onLog: (level: 'info' | 'warn' | 'error', text: string) => void;
  /** The thread is over. `forced`: it was killed because it did not answer. */
  readonly onExit: (error: Error | null, forced: boolean) => void;
};

export class Member {
  readonly start: WorkerStart;
  readonly #options: MemberOptions;
  #thread: Thread | null = null;
  #waiting: Waiting | null = null;
  #forced = false;
  #pinged: number | null = null;
  #missed = 0;
  /** Generation in force in the worker; 0 before the first. */
  generation = 0;

  constructor(options: MemberOptions) {
    this.start = options.start;
    this.#options = options;
  }

  /** Whether a thread runs. */
  get running(): boolean {
    return this.#thread !== null;
  }

  /** Starts the thread and waits until it says so. */
  async begin(): Promise<void> {
    this.#forced = false;
    this.generation = 0;
    this.#pong();
    const answer = this.#wait('start', ['started'], answerTimeout);
    const thread = this.#options.spawn(this.start, {
      onMessage: message => this.#take(message),
      onExit: error => {
        if (this.#thread !== thread) return;
        this.#thread = null;
        this.#settle()?.reject(this.#died(error));
        this.#options.onExit(error, this.#forced);
      },
    });
    this.#thread = thread;
    await answer;
  }

  /**
   * Sends a request and waits for one of these answers. Throws WORKER_DIED, or WORKER_SILENT after `timeout` ms; a silent
   * worker is killed, since a late answer could be taken for the answer to something else.
   */
  async ask<const Kind extends FromWorker['kind']>(
    message: ToWorker,
    kinds: readonly Kind[],
    timeout = answerTimeout,
  ): Promise<Reply<Kind>> {
    const thread = this.#thread;
    if (!thread) throw this.#died(null);
    const answer = this.#wait(message.kind, kinds, timeout);
    thread.post(message);
    return (await answer) as Reply<Kind>;
  }

  /** Sends what needs no answer. */
  tell(message: ToWorker): void {
    this.#thread?.post(message);
  }

  /** Asks for a sign of life; one that is awaited already counts as missed. */
  ping(): void {
    if (!this.#thread) return;
    if (this.#pinged !== null) {
      this.#missed++;
      return;
    }
    this.#pinged = this.#options.clock.now();
    this.#thread.post({ kind: 'ping' });
  }

  /**
   * Calls of `ping` in a row that found the one before unanswered. Not a time: one that passes while the whole process
   * stands still is no fault of the worker's.
   */
  get missed(): number {
    return this.#missed;
  }

  /** Whether a thread runs and answers. */
  get lives(): boolean {
    if (!this.#thread) return false;
    return this.#pinged === null || this.#options.clock.now() - this.#pinged < silence;
  }

  /** Ends the thread wherever it is. */
  kill(): void {
    this.#thread?.kill();
  }

  #wait(request: string, kinds: readonly string[], timeout: number): Promise<FromWorker> {
    if (this.#waiting) throw new Error(`worker ${this.start.worker} was asked twice at once`);
    return new Promise((resolve, reject) => {
      const cancel = this.#options.clock.wait(timeout, () => {
        this.#settle();
        this.#forced = true;
        this.#thread?.kill();
        const seconds = Math.round(timeout / 1000);
        reject(new ChorusError('WORKER_SILENT', { worker: this.start.worker, request, seconds }));
      });
      this.#waiting = { kinds, resolve, reject, cancel };
    });
  }

  #settle(): Waiting | null {
    const waiting = this.#waiting;
    this.#waiting = null;
    waiting?.cancel();
    return waiting;
  }

  #take(message: FromWorker): void {
    if (message.kind === 'log') this.#options.onLog(message.level, message.text);
    else if (message.kind === 'pong') this.#pong();
    else if (this.#waiting?.kinds.includes(message.kind)) {
      if (message.kind === 'committed') this.generation = message.generation;
      this.#settle()?.resolve(message);
    }
  }

  #pong(): void {
    this.#pinged = null;
    this.#missed = 0;
  }

  #died(error: Error | null): ChorusError {
    const reason = error?.message ?? 'it ended';
    return new ChorusError('WORKER_DIED', { worker: this.start.worker, reason });
  }
}
