import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#health/clock.ts';
import { ChorusError, type ErrorCode } from '#kit/errors.ts';
import { Log } from '#kit/log.ts';
import { Crew, deathsAllowed, pingsMissed } from './crew.ts';
import { answerTimeout } from './member.ts';
import type { FromWorker, ToWorker, WorkerPlan, WorkerStart } from './protocol.ts';
import type { Thread, ThreadEvents } from './thread.ts';

const plan = (generation: number): WorkerPlan => ({
  plan: {
    generation,
    allow: [],
    identity: 'front',
    version: 'test',
    udpSize: 1232,
    pools: [],
    defaultPool: 0,
    domains: [],
  },
  listeners: [],
  receiveBuffer: 0,
  portsPerBackend: 1,
  coalesce: true,
  realtime: false,
  streamLimits: { idle: 1, connections: 1, connectionsPerClient: 1, pipeline: 1, sendBuffer: 1 },
});

/** A thread that answers in the next microtask, and keeps what it was told. */
class FakeThread implements Thread {
  readonly heard: string[] = [];
  readonly start: WorkerStart;
  readonly #events: ThreadEvents;
  #prepared = 0;
  refuse = false;
  code: ErrorCode = 'ADDRESS_IN_USE';
  mute = false;
  over = false;

  constructor(start: WorkerStart, events: ThreadEvents) {
    this.start = start;
    this.#events = events;
    this.say({ kind: 'started', worker: start.worker });
  }

  say(message: FromWorker): void {
    queueMicrotask(() => {
      if (!this.over) this.#events.onMessage(message);
    });
  }

  post(message: ToWorker): void {
    const { worker } = this.start;
    this.heard.push(message.kind);
    if (this.mute) return;
    if (message.kind === 'prepare') {
      if (this.refuse) {
        const details = { address: '192.0.2.1:53', protocol: 'UDP' };
        this.say({ kind: 'refused', worker, code: this.code, details });
        return;
      }
      this.#prepared = message.plan.plan.generation;
      this.say({ kind: 'prepared', worker, granted: [] });
    }
    if (message.kind === 'commit') this.say({ kind: 'committed', worker, generation: this.#prepared });
    if (message.kind === 'drain') this.say({ kind: 'drained', worker, abandoned: 2 });
    if (message.kind === 'ping') this.say({ kind: 'pong', worker });
  }

  kill(): void {
    this.die(null);
  }

  die(error: Error | null): void {
    if (this.over) return;
    this.over = true;
    queueMicrotask(() => this.#events.onExit(error));
  }
}

function crewOf(count: number, kind: 'packet' | 'stream' = 'stream') {
  const clock = new VirtualClock();
  const threads: FakeThread[] = [];
  const lines: string[] = [];
  const deaths: number[] = [];
  const fatal: ChorusError[] = [];
  const next: { refuses: boolean; code: ErrorCode } = { refuses: false, code: 'ADDRESS_IN_USE' };
  const crew = new Crew({
    starts: Array.from({ length: count }, (_, worker) => ({
      kind,
      worker,
      workers: count,
      board: new SharedArrayBuffer(8),
      counters: new SharedArrayBuffer(8),
      cache: null,
      rates: new SharedArrayBuffer(8),
      doorbell: -1,
      datagrams: true,
      streams: true,
    })),
    spawn: (start, events) => {
      const thread = new FakeThread(start, events);
      thread.refuse = next.refuses;
      thread.code = next.code;
      threads.push(thread);
      return thread;
    },
    clock,
    log: new Log((level, text, fields) => lines.push(`${level} ${text} ${fields.reason ?? ''}`)),
    onDeath: worker => deaths.push(worker),
    onFatal: error => fatal.push(error),
  });
  return { crew, clock, threads, lines, deaths, fatal, next };
}

/** Lets everything that waits for microtasks happen. */
const settle = () => new Promise<void>(resolve => setImmediate(resolve));
const generations = (crew: Crew) => crew.view().map(view => view.generation);

test('a plan is prepared everywhere before it is committed anywhere', async () => {
  const { crew, threads } = crewOf(2);
  await crew.start();
  let bound: string[][] = [];
  await crew.apply(plan(1), async () => {
    bound = threads.map(thread => thread.heard.filter(kind => kind !== 'ping'));
  });
  assert.deepEqual(bound, [['prepare'], ['prepare']]);
  assert.deepEqual(generations(crew), [1, 1]);
  crew.kill();
});

test('one refusal aborts everywhere and keeps the plan before', async () => {
  const { crew, threads } = crewOf(2);
  await crew.start();
  await crew.apply(plan(1));
  threads[1]!.refuse = true;
  await assert.rejects(
    crew.apply(plan(2)),
    (error: unknown) => error instanceof ChorusError && error.code === 'ADDRESS_IN_USE',
  );
  assert.equal(threads[0]!.heard.at(-1), 'abort');
  assert.deepEqual(generations(crew), [1, 1]);
  threads[1]!.refuse = false;
  await crew.apply(plan(3));
  assert.deepEqual(generations(crew), [3, 3]);
  crew.kill();
});

test('an error before the commit aborts everywhere', async () => {
  const { crew, threads } = crewOf(2);
  await crew.start();
  const error = new ChorusError('USER_UNKNOWN', { user: 'nobody-here', reason: 'no such user' });
  await assert.rejects(
    crew.apply(plan(1), async () => {
      throw error;
    }),
    error,
  );
  assert.deepEqual(
    threads.map(thread => thread.heard.at(-1)),
    ['abort', 'abort'],
  );
  crew.kill();
});

test('two plans at once take turns', async () => {
  const { crew, threads } = crewOf(1);
  await crew.start();
  await Promise.all([crew.apply(plan(1)), crew.apply(plan(2))]);
  assert.deepEqual(
    threads[0]!.heard.filter(kind => kind !== 'ping'),
    ['prepare', 'commit', 'prepare', 'commit'],
  );
  assert.deepEqual(generations(crew), [2]);
  crew.kill();
});

test('a dead worker is started again with the plan in force, while the others serve', async () => {
  const { crew, clock, threads, deaths, lines } = crewOf(2);
  await crew.start();
  await crew.apply(plan(1));
  threads[0]!.die(new Error('boom'));
  await settle();
  assert.deepEqual(deaths, [0]);
  assert.match(lines.join('\n'), /error worker died boom/);
  assert.deepEqual(generations(crew), [0, 1]);
  await crew.apply(plan(2));
  assert.deepEqual(generations(crew), [0, 2]);
  clock.advance(100);
  await settle();
  assert.deepEqual(generations(crew), [2, 2]);
  assert.equal(crew.restarts, 1);
  crew.kill();
});

test('a worker that dies again and again ends the process', async () => {
  const { crew, clock, threads, fatal } = crewOf(1);
  await crew.start();
  await crew.apply(plan(1));
  for (let death = 1; death <= deathsAllowed.count; death++) {
    assert.deepEqual(fatal, []);
    threads.at(-1)!.die(new Error('boom'));
    await settle();
    if (death < deathsAllowed.count) clock.advance(100 * 2 ** (death - 1));
    await settle();
  }
  assert.equal(fatal.length, 1);
  assert.equal(fatal[0]?.code, 'WORKER_DIED');
  assert.equal(threads.length, deathsAllowed.count);
});

test('rare deaths do not end the process', async () => {
  const { crew, clock, threads, fatal } = crewOf(1);
  await crew.start();
  await crew.apply(plan(1));
  for (let death = 0; death < 20; death++) {
    threads.at(-1)!.die(new Error('boom'));
    await settle();
    clock.advance(deathsAllowed.within);
    await settle();
    assert.deepEqual(generations(crew), [1]);
  }
  assert.deepEqual(fatal, []);
  crew.kill();
});

test('a worker that cannot prepare after its death is tried again', async () => {
  const { crew, clock, threads, fatal, next } = crewOf(2);
  await crew.start();
  await crew.apply(plan(1));
  next.refuses = true;
  threads[0]!.die(null);
  await settle();
  clock.advance(100);
  await settle();
  assert.deepEqual(generations(crew), [0, 1]);
  next.refuses = false;
  clock.advance(200);
  await settle();
  assert.deepEqual(generations(crew), [1, 1]);
  assert.deepEqual(fatal, []);
  crew.kill();
});

test('a silent worker makes the plan fail and is replaced', async () => {
  const { crew, clock, threads } = crewOf(2);
  await crew.start();
  await crew.apply(plan(1));
  threads[0]!.mute = true;
  const applied = crew.apply(plan(2));
  const refused = assert.rejects(
    applied,
    (error: unknown) => error instanceof ChorusError && error.code === 'WORKER_SILENT',
  );
  await settle();
  clock.advance(answerTimeout);
  await refused;
  await settle();
  clock.advance(1000);
  await settle();
  assert.deepEqual(generations(crew), [1, 1]);
  assert.equal(threads.length, 3);
  crew.kill();
});

test('a packet worker that is cut off ends the process: its sockets cannot be closed', async () => {
  const { crew, threads, fatal } = crewOf(1, 'packet');
  await crew.start();
  await crew.apply(plan(1));
  threads[0]!.die(Object.assign(new Error('out of memory'), { code: 'ERR_WORKER_OUT_OF_MEMORY' }));
  await settle();
  assert.equal(fatal.length, 1);
});

test('a worker that answers no ping does not live', async () => {
  const { crew, clock, threads } = crewOf(2);
  await crew.start();
  await crew.apply(plan(1));
  threads[1]!.mute = true;
  for (let second = 0; second < 8; second++) {
    clock.advance(1000);
    await settle();
  }
  assert.deepEqual(
    crew.view().map(view => view.lives),
    [true, false],
  );
  crew.kill();
});

test('drain gathers what was given up, and a death while stopping is no news', async () => {
  const { crew, clock, threads, deaths, lines } = crewOf(2);
  await crew.start();
  await crew.apply(plan(1));
  assert.equal(await crew.drain(1000), 4);
  crew.kill();
  await settle();
  assert.equal(threads.length, 2);
  assert.deepEqual(deaths, [0, 1]);
  assert.equal(clock.pending, 0);
  assert.equal(lines.filter(line => line.startsWith('error')).length, 0);
});

/** Lets so many seconds pass, one after the other, so that what is answered is heard between. */
async function seconds(clock: VirtualClock, count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    clock.advance(1000);
    await settle();
  }
}

test('a stream worker that hangs is replaced', async () => {
  const { crew, clock, threads, lines, fatal } = crewOf(1);
  await crew.start();
  await crew.apply(plan(1));
  await seconds(clock, 3);
  threads[0]!.mute = true;
  await seconds(clock, pingsMissed - 1);
  assert.equal(threads.length, 1);
  assert.equal(crew.view()[0]!.lives, false);
  await seconds(clock, 5);
  assert.equal(threads.length, 2);
  assert.deepEqual(generations(crew), [1]);
  assert.equal(crew.view()[0]!.lives, true);
  assert.deepEqual(fatal, []);
  assert.ok(lines.some(line => line.startsWith('error worker does not answer')));
  crew.kill();
});

test('a packet worker that hangs ends the process, and so does a thread that cannot be ended', async () => {
  const packet = crewOf(2, 'packet');
  await packet.crew.start();
  await packet.crew.apply(plan(1));
  packet.threads[1]!.mute = true;
  await seconds(packet.clock, pingsMissed + 2);
  assert.deepEqual(
    packet.fatal.map(({ code, details }) => [code, details.worker]),
    [['WORKER_SILENT', 1]],
  );
  packet.crew.kill();

  const stream = crewOf(1);
  await stream.crew.start();
  await stream.crew.apply(plan(1));
  stream.threads[0]!.mute = true;
  stream.threads[0]!.kill = () => {};
  await seconds(stream.clock, pingsMissed + 2);
  assert.deepEqual(stream.fatal, []);
  await seconds(stream.clock, 10);
  assert.equal(stream.fatal.length, 1);
  stream.crew.kill();
});

test('a worker that may not listen again, since privileges were given up, ends the process at once', async () => {
  const { crew, clock, threads, fatal, next } = crewOf(1);
  await crew.start();
  await crew.apply(plan(1));
  next.refuses = true;
  next.code = 'PERMISSION';
  threads[0]!.die(new Error('boom'));
  await seconds(clock, 2);
  assert.equal(threads.length, 2);
  assert.deepEqual(
    fatal.map(error => error.code),
    ['WORKER_DIED'],
  );
  assert.match(fatal[0]!.message, /permission denied/);
  crew.kill();
});

test('time in which the whole process stood still is no fault of a worker', async () => {
  const { crew, clock, threads, fatal } = crewOf(1, 'packet');
  await crew.start();
  await crew.apply(plan(1));
  await seconds(clock, 2);
  clock.advance(1000);
  clock.stall(3_600_000);
  await seconds(clock, 5);
  assert.equal(threads.length, 1);
  assert.deepEqual(fatal, []);
  crew.kill();
});
