/** A packet worker: a thread with a front and the batch engine. Entry file of a Worker; speaks protocol.ts. */
import { randomFillSync } from 'node:crypto';
import { getSystemErrorName } from 'node:util';
import { parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { BatchEngine, batchArenaBytes } from '#engine/batch.ts';
import { Entropy } from '#front/entropy.ts';
import { type Front, frontArenaBytes } from '#front/front.ts';
import { makeArena } from '#kit/arena.ts';
import { formatEndpoint } from '#net/address.ts';
import { now as monotonic } from '#net/clock.ts';
import { loadLibc, preferHugePages } from '#net/libc.ts';
import { serveAtOnce } from '#net/scheduling.ts';
import type { FromWorker, Granted, ListenAddress, ToWorker, WorkerPlan, WorkerStart } from './protocol.ts';
import { netRow } from './rows.ts';
import { makeFront, refusal } from './worker-front.ts';

const port = parentPort;
if (!port) throw new Error('packet-worker.ts is the entry file of a worker thread');
const start: WorkerStart = workerData;
serveAtOnce();
if (start.shedsCapabilities) (await import('#net/capabilities.ts')).dropKeptCapabilities(process.getuid?.());
const say = (message: FromWorker): void => port.postMessage(message);

const arena = makeArena(frontArenaBytes + batchArenaBytes);
const entropy = new Entropy(words => randomFillSync(words));
let engine: BatchEngine | undefined;
let front: Front | undefined;

type Listener = { readonly index: number; readonly receiveBuffer: number };
/** Listeners in force, and those of the snapshot being prepared, by endpoint. */
const open = new Map<string, Listener>();
let fresh: string[] = [];
let prepared: WorkerPlan | undefined;
/**
 * Listeners that a snapshot dropped, by endpoint. They serve on until what was in flight has been answered through them: a
 * socket that is open and not read would swallow what the kernel gives it.
 */
const lingering = new Map<string, { readonly listener: Listener; readonly until: number }>();
/** Which of the fresh ones lingered before. */
const revived = new Set<string>();
/** Of the snapshot in force, ms. */
let longestTimeout = 0;
let drainUntil = Infinity;
let realtime = false;

function makeEngine(plan: WorkerPlan): BatchEngine {
  if (start.cache) preferHugePages(start.cache);
  return new BatchEngine({
    libc: loadLibc(),
    arena,
    doorbell: start.doorbell,
    counters: netRow(start.counters, start.worker, start.workers),
    random: entropy.int,
    receiveBuffer: plan.receiveBuffer,
    clock: monotonic,
  });
}

function prepare(plan: WorkerPlan): void {
  abort();
  try {
    engine ??= makeEngine(plan);
    // Before privileges are given up.
    if (!front) hurry(plan.realtime);
    const granted: Granted[] = [];
    for (const at of plan.listeners) {
      const key = formatEndpoint(at);
      let listener = open.get(key);
      if (!listener) {
        // One that lingers is used again.
        const before = lingering.get(key)?.listener;
        if (before) revived.add(key);
        listener = before ?? engine.open(at);
        lingering.delete(key);
        open.set(key, listener);
        fresh.push(key);
      }
      granted.push({ ...at, receiveBuffer: listener.receiveBuffer });
    }
    prepared = plan;
    say({ kind: 'prepared', worker: start.worker, granted });
  } catch (thrown) {
    abort();
    say(refusal(start.worker, thrown));
  }
}

function abort(): void {
  for (const key of fresh) {
    const listener = open.get(key);
    open.delete(key);
    if (!listener) continue;
    if (revived.has(key)) lingering.set(key, { listener, until: monotonic() + longestTimeout });
    else engine?.close(listener.index);
  }
  fresh = [];
  revived.clear();
  prepared = undefined;
}

function commit(): void {
  const next = prepared;
  if (!next || !engine) return;
  const plan = next.plan;
  if (front) {
    front.apply(plan);
    hurry(next.realtime);
  } else {
    front = makeFront(start, arena, engine, entropy, plan);
    engine.drive(front);
  }
  engine.coalesce = next.coalesce;
  engine.connect(
    plan.pools.flatMap(pool => pool.backends),
    next.portsPerBackend,
  );
  for (const key of fresh) if (!revived.has(key)) engine.listen(open.get(key)!.index);
  fresh = [];
  revived.clear();
  const wanted = new Set(next.listeners.map((at: ListenAddress) => formatEndpoint(at)));
  for (const [key, listener] of open) {
    if (wanted.has(key)) continue;
    open.delete(key);
    lingering.set(key, { listener, until: monotonic() + longestTimeout });
  }
  longestTimeout = Math.max(...plan.pools.map(pool => pool.timeout));
  prepared = undefined;
  say({ kind: 'committed', worker: start.worker, generation: plan.generation });
}

/** Puts the thread into real time, or back. */
function hurry(wanted: boolean): void {
  if (wanted === realtime) return;
  const refused = serveAtOnce(wanted);
  if (refused === 0) {
    realtime = wanted;
    return;
  }
  const reason = getSystemErrorName(-refused);
  const text = wanted
    ? `realtime: the kernel refuses it (${reason}): start Chorus with LimitRTPRIO=1 or CAP_SYS_NICE, or set it to off; clients are served as usual`
    : `realtime: the kernel refuses to end it (${reason}): it ends with the next start`;
  say({ kind: 'log', worker: start.worker, level: 'warn', text });
}

function drain(timeout: number): void {
  drainUntil = monotonic() + timeout;
}

function handle(message: ToWorker): void {
  if (message.kind === 'prepare') prepare(message.plan);
  else if (message.kind === 'commit') commit();
  else if (message.kind === 'abort') abort();
  else if (message.kind === 'drain') drain(message.timeout);
  else say({ kind: 'pong', worker: start.worker });
}

function drainMessages(): void {
  for (let next = receiveMessageOnPort(port!); next; next = receiveMessageOnPort(port!)) handle(next.message);
}

/** What is done about once a second, and at the end of a drain. */
function tend(now: number): void {
  for (const [key, { listener, until }] of lingering) {
    if (now < until && front && front.inFlight > 0) continue;
    engine?.close(listener.index);
    lingering.delete(key);
  }
}

/** Serves until drained: what is in flight is answered while the kernel still brings queries in, as long as time allows. */
function serve(engine: BatchEngine, front: Front): void {
  engine.run(
    drainMessages,
    tend,
    () => drainUntil !== Infinity && (front.inFlight === 0 || monotonic() >= drainUntil),
  );
  say({ kind: 'drained', worker: start.worker, abandoned: front.inFlight });
  engine.end();
  port!.close();
}

say({ kind: 'started', worker: start.worker });
// Until the first commit there is nothing to serve: messages come by the event loop.
port.on('message', function first(message: ToWorker) {
  try {
    handle(message);
    if (!engine || !front) return;
    port!.off('message', first);
    serve(engine, front);
  } catch (error) {
    // Descriptors outlive the thread: the kernel would go on giving them packets that nobody reads.
    engine?.end();
    throw error;
  }
});
