/**
 * Which threads of the process may interrupt which. Linux lets a thread that wakes up interrupt one that runs; a thread under
 * SCHED_BATCH does not, and has its fair share of the processor all the same (sched(7)). What is never on a query's way is put
 * there, so that it does not hold up what is.
 */
import { readdirSync } from 'node:fs';
import { constants, loadLibc } from './libc.ts';

/** Parameter of a policy without priorities. */
const noPriority = new Int32Array(new SharedArrayBuffer(4));

/**
 * Puts all threads that the process has now under SCHED_BATCH, those of the JavaScript engine too; threads that they start
 * inherit it. Gives how many took it: 0 where the batch engine cannot run.
 */
export function yieldToWorkers(): number {
  let taken = 0;
  try {
    const libc = loadLibc();
    const param = libc.addressOf(noPriority);
    for (const tid of readdirSync('/proc/self/task'))
      if (libc.setScheduler(Number(tid), constants.SCHED_BATCH, param) === 0) taken++;
  } catch {
    // Without it everything works as well, with a longer tail of latencies under load.
  }
  return taken;
}

/** Puts the calling thread, which serves clients, back under the usual policy. */
export function serveAtOnce(): void {
  try {
    const libc = loadLibc();
    libc.setScheduler(0, constants.SCHED_OTHER, libc.addressOf(noPriority));
  } catch {
    // As above.
  }
}
