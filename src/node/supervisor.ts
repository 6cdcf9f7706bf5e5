/**
 * Keeps one nameserver of this machine running: starts it, waits until it answers, warms it up, starts it again when it
 * ends or hangs, and stops it. Time, the process and the questions are given to it, so that it can be run in virtual time.
 *
 *     stopped ──start──▶ starting ──answers──▶ warming ──warm──▶ running
 *                           ▲                     │ends             │ends, or is silent for too long
 *                           └──── waiting ◀───────┴──── ending ◀────┘
 *
 * - A process that ends is told at once (`onEnded`), sooner than any probe could find out.
 * - It starts again after a delay that doubles with each end, up to a bound, and is forgotten once it has run for long enough.
 * - One that answers badly (SERVFAIL) is let be: to start it anew would cost its cache and mend nothing upstream.
 */
import type { Clock } from '#health/clock.ts';
import type { ServerState, StopSignal } from './states.ts';

/** How the server answers its probes: well, with errors or too seldom, or not at all. */
export type Answers = 'well' | 'badly' | 'not';

/** Times in ms. */
export type SupervisorRules = {
  /** What it is called in the log. */
  readonly name: string;
  readonly stopSignal: StopSignal;
  /** From the stop signal to SIGKILL. */
  readonly stopTimeout: number;
  /** A new process that has not answered for so long hangs. */
  readonly startTimeout: number;
  /** One that answered before and has not for so long hangs; null: it is let be. */
  readonly restartAfter: number | null;
};

/** Delays before a new start: the first, the longest, and after how long a run the ends before it are forgotten. In ms. */
export const backoff = { first: 100, most: 30_000, forget: 60_000 } as const;
/** So many ends in a row before the first answer are an error that is told with what the server said last. */
export const failuresTold = 3;
/** ms after SIGKILL until it is told that even this does not end it. */
const unkillable = 10_000;

/** How a process ended: an exit code, a signal, or why it could not be started. */
export type ServerEnd =
  | { readonly code: number | null; readonly signal: string | null }
  | { readonly failed: string };

/** A process that was started. */
export type ServerProcess = {
  /** Null where it could not be started. */
  readonly pid: number | null;
  readonly signal: (name: StopSignal | 'SIGKILL') => void;
};

/** What a supervisor works with. */
export type SupervisorWorld = {
  readonly clock: Clock;
  /** Starts the server. `ended` is called once, not before `launch` has returned. Never throws. */
  readonly launch: (ended: (how: ServerEnd) => void) => ServerProcess;
  /** The last lines that it said, oldest first. */
  readonly lastLines: () => readonly string[];
  /** Asks the names of the warm-up; `done` is called once with what came of it. Gives the function that breaks it off. Null: no warm-up. */
  readonly warmUp: ((done: (result: string) => void) => () => void) | null;
  /** The process has ended: nobody answers from now on. */
  readonly onEnded: (detail: string) => void;
  /** The status has changed. */
  readonly onChange: () => void;
  readonly onNotice: (
    level: 'info' | 'warn' | 'error',
    message: string,
    details: Readonly<Record<string, string | number>>,
  ) => void;
};

/** Times in ms of the clock. */
export type ServerReport = {
  readonly name: string;
  readonly state: ServerState;
  readonly since: number;
  /** Its last start. */
  readonly startedAt: number;
  /** In words. */
  readonly detail: string;
  readonly pid: number | null;
  /** Times that it was started again. */
  readonly restarts: number;
  /** How it ended last, and when; null: it never did. */
  readonly lastEnd: { readonly at: number; readonly reason: string } | null;
  /** It has answered and is warm since its last start. */
  readonly warm: boolean;
};

/** How a process ended, in words: `exit 1`, `killed by SIGSEGV`. */
export function endInWords(how: ServerEnd): string {
  if ('failed' in how) return `could not be started: ${how.failed}`;
  if (how.signal !== null) return `killed by ${how.signal}`;
  return `exit ${how.code ?? '?'}`;
}

export class Supervisor {
  readonly #rules: SupervisorRules;
  readonly #world: SupervisorWorld;
  #state: ServerState = 'stopped';
  #since: number;
  #detail = 'not started';
  #child: ServerProcess | null = null;
  /** Calls off what is waited for: a delay, the patience with a signal. */
  #unwait: (() => void) | null = null;
  #unwarm: (() => void) | null = null;
  #startedAt = 0;
  /** Since when nothing has been answered; null: something was. */
  #silentSince: number | null = null;
  /** Ends that are not forgotten, and those before the first answer in a row. */
  #ends = 0;
  #failures = 0;
  #restarts = 0;
  #lastEnd: { at: number; reason: string } | null = null;
  #stopped: (() => void)[] = [];

  constructor(rules: SupervisorRules, world: SupervisorWorld) {
    this.#rules = rules;
    this.#world = world;
    this.#since = world.clock.now();
  }

  get state(): ServerState {
    return this.#state;
  }

  /** It answers and has been warmed up since it was started: it may be announced, if health agrees. */
  get warm(): boolean {
    return this.#state === 'running';
  }

  report(): ServerReport {
    return {
      name: this.#rules.name,
      state: this.#state,
      since: this.#since,
      startedAt: this.#startedAt,
      detail:
        this.#silentSince === null || (this.#state !== 'running' && this.#state !== 'warming')
          ? this.#detail
          : `answers nothing for ${inSeconds(this.#world.clock.now() - this.#silentSince)}`,
      pid: this.#child?.pid ?? null,
      restarts: this.#restarts,
      lastEnd: this.#lastEnd,
      warm: this.warm,
    };
  }

  /** Starts the server; a second call does nothing. */
  start(): void {
    if (this.#state === 'stopped') this.#launch();
  }

  /** Stops it for good: the stop signal, then SIGKILL. Resolves when the process has ended, or cannot be ended. */
  stop(): Promise<void> {
    if (this.#state === 'stopped') return Promise.resolve();
    const over = new Promise<void>(resolve => this.#stopped.push(resolve));
    if (this.#state === 'waiting') this.#rest('stopped');
    else if (this.#state !== 'stopping') {
      const told = this.#state === 'ending';
      this.#turn('stopping', 'told to stop');
      // One that hangs has been told already, and its patience is running.
      if (!told) this.#tellToEnd();
    }
    return over;
  }

  /** Kills it at once, without waiting: at the end of a process that cannot wait. */
  kill(): void {
    this.#calm();
    if (this.#child === null) {
      if (this.#state !== 'stopped') this.#rest('stopped');
      return;
    }
    this.#turn('stopping', 'killed');
    this.#child.signal('SIGKILL');
  }

  /** Takes how it answers its probes now: to be called on each change and several times a second. */
  hear(answers: Answers): void {
    const now = this.#world.clock.now();
    if (answers !== 'not') this.#silentSince = null;
    switch (this.#state) {
      case 'starting':
        if (answers === 'well') this.#answers();
        else if (answers === 'not' && now - this.#startedAt >= this.#rules.startTimeout) {
          this.#hangs(`has not answered ${inSeconds(now - this.#startedAt)} after its start`);
        }
        return;
      case 'warming':
      case 'running': {
        if (answers !== 'not') return;
        this.#silentSince ??= now;
        const silent = now - this.#silentSince;
        const { restartAfter } = this.#rules;
        if (restartAfter !== null && silent >= restartAfter)
          this.#hangs(`answers nothing for ${inSeconds(silent)}`);
        return;
      }
      default:
        return;
    }
  }

  #launch(): void {
    this.#startedAt = this.#world.clock.now();
    this.#silentSince = null;
    let current: ServerProcess | null = null;
    current = this.#world.launch(how => {
      // What an earlier process says is of no account.
      if (this.#child === current) this.#onEnd(how);
    });
    this.#child = current;
    const { pid } = current;
    this.#turn('starting', 'waiting for its first answer');
    if (pid !== null) this.#say('info', 'server started', { pid });
  }

  #answers(): void {
    const ms = Math.round(this.#world.clock.now() - this.#startedAt);
    this.#failures = 0;
    const { warmUp } = this.#world;
    if (!warmUp) {
      this.#turn('running', 'answers');
      this.#say('info', 'server answers', { ms });
      return;
    }
    this.#turn('warming', 'answers, is being warmed up');
    this.#say('info', 'server answers, warming up', { ms });
    let over = false;
    const cancel = warmUp(result => {
      over = true;
      this.#unwarm = null;
      if (this.#state !== 'warming') return;
      this.#turn('running', `answers, warmed up: ${result}`);
      this.#say('info', 'server is warm', { result });
    });
    if (!over) this.#unwarm = cancel;
  }

  #hangs(why: string): void {
    this.#say('warn', 'server hangs, ending it', { why });
    this.#turn('ending', `${why}; told to end`);
    this.#tellToEnd();
  }

  #tellToEnd(): void {
    const { stopSignal, stopTimeout } = this.#rules;
    this.#calm();
    this.#child?.signal(stopSignal);
    this.#wait(stopTimeout, () => {
      this.#say('warn', 'server does not end, killing it', { signal: stopSignal, ms: stopTimeout });
      this.#child?.signal('SIGKILL');
      this.#wait(unkillable, () => {
        this.#say('error', 'server cannot be killed: it waits in the kernel', {
          pid: this.#child?.pid ?? 0,
        });
        if (this.#state === 'stopping') this.#rest('stopped');
      });
    });
  }

  #onEnd(how: ServerEnd): void {
    const { clock, onEnded } = this.#world;
    const now = clock.now();
    const reason = endInWords(how);
    const before = this.#state;
    this.#calm();
    this.#child = null;
    this.#lastEnd = { at: now, reason };
    if (before === 'stopping') {
      this.#say('info', 'server stopped', { reason });
      this.#rest('stopped');
      onEnded(`the server was stopped: ${reason}`);
      return;
    }
    if (now - this.#startedAt >= backoff.forget) this.#ends = 0;
    this.#ends++;
    if (before === 'starting') this.#failures++;
    const delay = Math.min(backoff.most, backoff.first * 2 ** Math.min(this.#ends - 1, 30));
    const words = before === 'ending' ? `it hung; ${reason}` : reason;
    this.#turn('waiting', `ended: ${words}; starts again in ${inSeconds(delay)}`);
    // After the state is told: whoever is told that it ended finds it so.
    onEnded(`the server ended: ${words}`);
    const hopeless = this.#failures >= failuresTold;
    this.#say(
      hopeless ? 'error' : 'warn',
      hopeless ? 'server ends again and again before it answers' : 'server ended',
      {
        reason: words,
        after: inSeconds(now - this.#startedAt),
        again: inSeconds(delay),
        ...(this.#failures > 0 && { times: this.#failures, said: this.#world.lastLines().join(' | ') }),
      },
    );
    this.#wait(delay, () => {
      this.#restarts++;
      this.#launch();
    });
  }

  #rest(state: 'stopped'): void {
    this.#calm();
    this.#child = null;
    this.#turn(state, 'stopped');
    for (const resolve of this.#stopped.splice(0)) resolve();
  }

  #calm(): void {
    this.#unwait?.();
    this.#unwarm?.();
    this.#unwait = this.#unwarm = null;
  }

  #wait(ms: number, then: () => void): void {
    this.#unwait = this.#world.clock.wait(ms, () => {
      this.#unwait = null;
      then();
    });
  }

  #turn(state: ServerState, detail: string): void {
    if (state !== this.#state) this.#since = this.#world.clock.now();
    this.#state = state;
    this.#detail = detail;
    this.#world.onChange();
  }

  #say(
    level: 'info' | 'warn' | 'error',
    message: string,
    details: Readonly<Record<string, string | number>>,
  ): void {
    this.#world.onNotice(level, message, { server: this.#rules.name, ...details });
  }
}

function inSeconds(ms: number): string {
  return `${Math.round(ms / 100) / 10}s`;
}
