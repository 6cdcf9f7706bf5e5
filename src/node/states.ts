/** What a supervised server can be, and be told: light, because every configuration and every page of metrics loads it. */

/**
 * `stopped`: not begun, or stopped for good. `starting`: runs and has not answered yet. `warming`: answers, and is asked the names
 * of its warm-up. `running`: may be announced. `ending`: was told to end because it hangs. `waiting`: has ended, and starts again
 * soon. `stopping`: was told to end for good.
 */
export const serverStates = [
  'stopped',
  'starting',
  'warming',
  'running',
  'ending',
  'waiting',
  'stopping',
] as const;
export type ServerState = (typeof serverStates)[number];

/** Signals that ask a server to end, besides SIGKILL. */
export const stopSignals = ['SIGTERM', 'SIGINT', 'SIGQUIT', 'SIGHUP', 'SIGUSR1', 'SIGUSR2'] as const;
export type StopSignal = (typeof stopSignals)[number];
