/** The process of `chorus serve`: signals, faults and exit codes. What is fatal when: docs/failure-handling.md. */
import { constants } from 'node:os';
import { type ChorusError, exitCodes, reasonOf } from '#kit/errors.ts';
import type { Daemon } from './daemon.ts';
import { daemonLog } from './log-sink.ts';

/** Runs the service until it is told to stop; ends the process. Throws what keeps it from starting. */
export async function serve(file: string): Promise<void> {
  const { log, set } = daemonLog();
  let daemon: Daemon | null = null;
  let stopping = false;

  /** Ends the process at once; threads that wait in system calls are ended first, or the exit would wait for them. */
  const leave = (code: number): never => {
    daemon?.kill();
    process.exit(code);
  };
  const fault = (what: string) => (thrown: unknown) => {
    const stack = thrown instanceof Error ? (thrown.stack ?? '') : '';
    log.error(what, { reason: reasonOf(thrown), stack });
    leave(exitCodes.software);
  };
  process.on('uncaughtException', fault('error that nobody handled'));
  process.on('unhandledRejection', fault('rejection that nobody handled'));

  const stop = (signal: 'SIGTERM' | 'SIGINT') => {
    if (stopping || !daemon) leave(stopping ? 128 + constants.signals[signal] : exitCodes.ok);
    stopping = true;
    log.info('stopping: no new work, answering what is in flight', { signal });
    daemon?.stop().then(() => leave(exitCodes.ok), fault('stop failed'));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  let reloadAsked = false;
  process.on('SIGHUP', () => {
    reloadAsked = true;
    // The reason is in the log and in the status; nobody waits for it here.
    daemon?.control.reload().catch(() => {});
  });

  // Signals are heard from here on, while most of the code is still to be loaded.
  const { Daemon: Service } = await import('./daemon.ts');
  daemon = await Service.start({
    file,
    log,
    setLog: set,
    onFatal(error: ChorusError) {
      log.error(error.message, { code: error.code });
      leave(error.exit);
    },
  });
  // The file may have changed after it was read.
  if (reloadAsked) daemon.control.reload().catch(() => {});
}
