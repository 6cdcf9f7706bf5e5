/**
 * Which threads of the process may interrupt which. Linux lets a thread that wakes up interrupt one that runs; a thread under
 * SCHED_BATCH does not, and has its fair share of the processor all the same (sched(7)). What is never on a query's way is put
 * there, so that it does not hold up what is.
 */
import { readdirSync } from 'node:fs';
import { constants, loadLibc } from './libc.ts';

/** Parameter of a policy without priorities. */
const noPriority = new Int32Array(new SharedArrayBuffer(4));
/** The lowest of real time. */
const lowestPriority = new Int32Array(new SharedArrayBuffer(4)).fill(1);

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

/**
 * Puts the calling thread, which serves clients, under a policy that lets it interrupt others: the usual one, or with `realtime`
 * SCHED_RR at the lowest priority, which comes before everything that is not real-time. Gives what the kernel said to that: 0, or
 * the errno with which it refused. A thread that may not be real-time is under the usual policy then.
 */
export function serveAtOnce(realtime = false): number {
  try {
    const libc = loadLibc();
    // What the thread may start is not meant.
    const policy = constants.SCHED_RR | constants.SCHED_RESET_ON_FORK;
    if (realtime && libc.setScheduler(0, policy, libc.addressOf(lowestPriority)) === 0) return 0;
    const refused = realtime ? libc.errno() : 0;
    // Who may not raise priorities may not give up that flag either.
    const usual = constants.SCHED_OTHER | constants.SCHED_RESET_ON_FORK;
    const back = libc.setScheduler(0, usual, libc.addressOf(noPriority));
    return refused !== 0 || back === 0 ? refused : libc.errno();
  } catch {
    // Without libc there is no batch engine, and no thread of its own to put first.
    return 0;
  }
}
