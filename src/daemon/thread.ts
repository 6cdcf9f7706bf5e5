/** A worker thread as the main thread sees it, and the making of one with node:worker_threads. */
import { Worker } from 'node:worker_threads';
import { ring } from '#net/libc.ts';
import { keptCapabilities } from './account.ts';
import type { FromWorker, ToWorker, WorkerStart } from './protocol.ts';

/** One running thread. */
export interface Thread {
  post(message: ToWorker): void;
  /** Ends the thread wherever it is; `onExit` tells when it is over. Takes effect even if the process exits next. */
  kill(): void;
}

/** What a thread tells. After `onExit` it tells nothing more. */
export type ThreadEvents = {
  readonly onMessage: (message: FromWorker) => void;
  /** The error that ended it; null when it ended without one. */
  readonly onExit: (error: Error | null) => void;
};

/** Starts a thread. Tests give another one. */
export type SpawnThread = (start: WorkerStart, events: ThreadEvents) => Thread;

const entries = { packet: './packet-worker.ts', stream: './stream-worker.ts' } as const;

/** Starts a worker thread from its entry file. */
export const spawnThread: SpawnThread = (start, events) =>
  spawnEntry(new URL(entries[start.kind], import.meta.url), start, events);

/** Starts a worker thread from any entry file that speaks protocol.ts. */
export function spawnEntry(entry: URL, start: WorkerStart, events: ThreadEvents): Thread {
  const worker = new Worker(entry, {
    workerData: { ...start, shedsCapabilities: keptCapabilities() } satisfies WorkerStart,
    name: `${start.kind}-${start.worker}`,
    stdin: false,
  });
  let failure: Error | null = null;
  worker.on('message', events.onMessage);
  worker.on('error', (thrown: unknown) => {
    failure = thrown instanceof Error ? thrown : new Error(String(thrown));
  });
  worker.on('exit', () => events.onExit(failure));
  const wake = () => {
    if (start.doorbell >= 0) ring(start.doorbell);
  };
  return {
    post(message) {
      worker.postMessage(message);
      wake();
    },
    kill() {
      void worker.terminate();
      // The thread may wait in a system call, where it cannot be ended.
      wake();
    },
  };
}
