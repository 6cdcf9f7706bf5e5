/**
 * A stand-in for worker threads in tests of the daemon: speaks protocol.ts, moves no packet. What it shall do is in the
 * `identity` of the plan: `refuse`, `die` (after the commit), or anything else to behave.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { FromWorker, ToWorker, WorkerPlan, WorkerStart } from './protocol.ts';

const port = parentPort;
if (!port) throw new Error('double-worker.ts is the entry file of a worker thread');
const start: WorkerStart = workerData;
const { worker } = start;
const say = (message: FromWorker): void => port.postMessage(message);
let prepared: WorkerPlan | undefined;

port.on('message', (message: ToWorker) => {
  switch (message.kind) {
    case 'prepare': {
      prepared = message.plan;
      const { plan, listeners, receiveBuffer } = message.plan;
      if (plan.identity === 'refuse' && worker === start.workers - 1) {
        const details = { address: '192.0.2.1:53', protocol: 'UDP' };
        say({ kind: 'refused', worker, code: 'ADDRESS_NOT_AVAILABLE', details });
      } else {
        say({ kind: 'prepared', worker, granted: listeners.map(at => ({ ...at, receiveBuffer })) });
      }
      break;
    }
    case 'commit':
      if (!prepared) throw new Error('commit without prepare');
      say({ kind: 'committed', worker, generation: prepared.plan.generation });
      if (prepared.plan.identity === 'die') throw new Error('the test said so');
      break;
    case 'drain':
      say({ kind: 'drained', worker, abandoned: 0 });
      port.close();
      break;
    case 'ping':
      say({ kind: 'pong', worker });
      break;
    case 'abort':
      prepared = undefined;
      break;
  }
});
say({ kind: 'started', worker });
