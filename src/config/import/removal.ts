/** How long a server that fails goes on being given queries: with keepalived, and with Chorus. Times in ms. */
import type { Asked } from './dig.ts';
import { patienceOf } from './dig.ts';
import type { Check, CheckKind, Timers } from './model.ts';

/** The longest times until a server is out, in two ways of failing. */
export type Worst = {
  /** It answers nothing; for a program that is not known: the program does not end. */
  readonly silent: number;
  /** It answers SERVFAIL at once; for a program: it fails at once. Null: it stays in for ever. */
  readonly servfail: number | null;
};

/** What keepalived takes where a file says nothing, in ms. */
export const keepalivedDefaults = { delayLoop: 60_000, connectTimeout: 5_000 } as const;

/** Retries by default. */
function defaultRetry(kind: CheckKind): number {
  if (kind === 'DNS_CHECK') return 3;
  return kind === 'MISC_CHECK' ? 0 : 1;
}

/** Timers with every default filled in; `timeout` is the time for one try. */
export type Resolved = {
  readonly delayLoop: number;
  readonly timeout: number;
  readonly retry: number;
  readonly delayBeforeRetry: number;
};

/** The timers of a check, with what it inherits: each of `outer` yields to those after it. */
export function resolveTimers(check: Check, ...outer: readonly Timers[]): Resolved {
  const merged: Timers = Object.assign({}, ...outer, check.timers);
  const { kind } = check;
  const delayLoop = merged.delayLoop?.value ?? keepalivedDefaults.delayLoop;
  const http = kind === 'HTTP_GET' || kind === 'SSL_GET';
  return {
    delayLoop,
    timeout:
      kind === 'MISC_CHECK'
        ? check.timeout?.value || delayLoop
        : (merged.connectTimeout?.value ?? keepalivedDefaults.connectTimeout),
    retry: merged.retry?.value ?? defaultRetry(kind),
    delayBeforeRetry:
      merged.delayBeforeRetry?.value ?? (kind === 'DNS_CHECK' ? delayLoop : http ? 3000 : 1000),
  };
}

/**
 * The longest time until keepalived takes a server out: it fails right after a good check, and all retries run to their timeout.
 * `asked`: what the program of a MISC_CHECK asks.
 */
export function oldRemoval(kind: CheckKind, timers: Resolved, asked?: Asked): Worst {
  const { delayLoop, timeout, retry, delayBeforeRetry } = timers;
  const until = (patience: number) => delayLoop + (retry + 1) * patience + retry * delayBeforeRetry;
  const silent = until(asked === undefined ? timeout : Math.min(timeout, patienceOf(asked)));
  // Without a list of codes, dig is content with any answer.
  const notices = kind === 'DNS_CHECK' || asked?.failing?.includes('SERVFAIL') === true;
  const program = kind === 'MISC_CHECK' && asked === undefined;
  return { silent, servfail: notices || program ? until(0) : null };
}

/** The longest time until probes alone take a backend out of a pool of Chorus. */
export function newRemoval(probe: { interval: number; timeout: number; failures: number }): Worst {
  const beginnings = probe.failures * probe.interval;
  return { silent: beginnings + probe.timeout, servfail: beginnings };
}

/** `44 s`, `3.5 s`, `never`. */
export function seconds(ms: number | null): string {
  return ms === null ? 'never' : `${Math.round(ms / 100) / 10} s`;
}
