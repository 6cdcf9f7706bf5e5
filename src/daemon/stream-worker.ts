/** A stream worker: a thread with a front and the loop engine. Entry file of a Worker; speaks protocol.ts. */
import { randomFillSync } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { LoopEngine, type LoopPlan, loopArenaBytes } from '#engine/loop.ts';
import { Entropy } from '#front/entropy.ts';
import { type Front, frontArenaBytes } from '#front/front.ts';
import { makeArena } from '#kit/arena.ts';
import { now } from '#net/clock.ts';
import { serveAtOnce } from '#net/scheduling.ts';
import type { FromWorker, ToWorker, WorkerPlan, WorkerStart } from './protocol.ts';
import { netRow } from './rows.ts';
import { makeFront, refusal } from './worker-front.ts';

const port = parentPort;
if (!port) throw new Error('stream-worker.ts is the entry file of a worker thread');
const start: WorkerStart = workerData;
serveAtOnce();
if (start.shedsCapabilities) (await import('#net/capabilities.ts')).dropKeptCapabilities(process.getuid?.());
const say = (message: FromWorker): void => port.postMessage(message);

const arena = makeArena(frontArenaBytes + loopArenaBytes);
const entropy = new Entropy(words => randomFillSync(words));
const engine = new LoopEngine({
  arena,
  counters: netRow(start.counters, start.worker, start.workers),
  random: entropy.int,
  clock: now,
  datagrams: start.datagrams,
  streams: start.streams,
  shared: start.datagrams && start.workers > 1,
});
let front: Front | undefined;
let prepared: WorkerPlan | undefined;

function loopPlan({ plan, listeners, receiveBuffer, portsPerBackend, streamLimits }: WorkerPlan): LoopPlan {
  const backends = plan.pools.flatMap(({ backends, timeout }) =>
    backends.map(({ slot, address, port, source }) => ({ slot, address, port, source, timeout })),
  );
  return { listeners, backends, receiveBuffer, portsPerBackend, limits: streamLimits };
}

async function prepare(plan: WorkerPlan): Promise<void> {
  prepared = undefined;
  try {
    const granted = await engine.prepare(loopPlan(plan));
    prepared = plan;
    say({ kind: 'prepared', worker: start.worker, granted });
  } catch (thrown) {
    say(refusal(start.worker, thrown));
  }
}

function commit(): void {
  if (!prepared) return;
  const { plan } = prepared;
  prepared = undefined;
  if (front) front.apply(plan);
  else {
    front = makeFront(start, arena, engine, entropy, plan);
    engine.drive(front);
  }
  engine.commit();
  say({ kind: 'committed', worker: start.worker, generation: plan.generation });
}

async function drain(timeout: number): Promise<void> {
  const abandoned = front ? await engine.drain(timeout) : 0;
  if (!front) engine.destroy();
  say({ kind: 'drained', worker: start.worker, abandoned });
  port?.close();
}

async function handle(message: ToWorker): Promise<void> {
  if (message.kind === 'prepare') await prepare(message.plan);
  else if (message.kind === 'commit') commit();
  else if (message.kind === 'abort') {
    engine.abort();
    prepared = undefined;
  } else if (message.kind === 'drain') await drain(message.timeout);
}

// One after the other, as they came; but a sign of life is given at once.
let last = Promise.resolve();
port.on('message', (message: ToWorker) => {
  if (message.kind === 'ping') say({ kind: 'pong', worker: start.worker });
  else {
    last = last.then(() => handle(message));
  }
});
say({ kind: 'started', worker: start.worker });
