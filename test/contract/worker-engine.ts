/** Starts an engine for the contract: a worker thread of either kind, spoken to as the main thread does. */
import { Board } from '#balance/board.ts';
import type { FromWorker, ToWorker, WorkerPlan, WorkerStart } from '#daemon/protocol.ts';
import { counterBytes } from '#daemon/rows.ts';
import { spawnThread } from '#daemon/thread.ts';
import { ChorusError } from '#kit/errors.ts';
import { makeDoorbell } from '#net/libc.ts';
import type { EngineSetup, EngineUnderTest, RunningEngine } from './engine.ts';

/** What the worker serves. */
export type WorkerKind = Pick<WorkerStart, 'kind' | 'datagrams' | 'streams'>;

/** One snapshot as a worker is told. Slots never mean another backend than before. */
function workerPlan(setup: EngineSetup, generation: number, slots: Map<string, number>): WorkerPlan {
  const backends = setup.backends.map(({ address, port }) => {
    const name = `${address}:${port}`;
    if (!slots.has(name)) slots.set(name, slots.size);
    return { name, slot: slots.get(name)!, address, port, weight: 1 };
  });
  return {
    plan: {
      generation,
      allow: [
        { bytes: [127, 0, 0, 0], bits: 8 },
        { bytes: [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1], bits: 128 },
      ],
      identity: 'contract',
      version: 'contract',
      udpSize: 1_232,
      pools: [
        { name: 'default', policy: 'round-robin', timeout: setup.timeout, tries: 4, hedge: null, backends },
      ],
      defaultPool: 0,
      domains: [],
    },
    listeners: setup.listeners.map(({ address, port }) => ({ address, port })),
    receiveBuffer: 1 << 20,
    portsPerBackend: setup.portsPerBackend,
    coalesce: true,
    realtime: false,
    streamLimits: {
      idle: 10_000,
      connections: 100,
      connectionsPerClient: 100,
      pipeline: 100,
      sendBuffer: 1 << 19,
    },
  };
}

class WorkerEngine implements RunningEngine {
  granted: RunningEngine['granted'] = [];
  readonly #slots = new Map<string, number>();
  readonly #board = new Board(1);
  readonly #thread;
  readonly #ended: Promise<void>;
  #over = false;
  #generation = 0;
  #heard: FromWorker[] = [];
  #wake: () => void = () => {};

  constructor(kind: WorkerKind) {
    const start: WorkerStart = {
      ...kind,
      worker: 0,
      workers: 1,
      board: this.#board.memory,
      counters: new SharedArrayBuffer(counterBytes(1)),
      cache: null,
      rates: new SharedArrayBuffer(8),
      doorbell: kind.kind === 'packet' ? makeDoorbell() : -1,
    };
    let exit: () => void = () => {};
    this.#ended = new Promise(resolve => {
      exit = resolve;
    });
    this.#thread = spawnThread(start, {
      onMessage: message => {
        this.#heard.push(message);
        this.#wake();
      },
      onExit: error => {
        this.#over = true;
        if (error) this.#heard.push({ kind: 'log', worker: 0, level: 'error', text: String(error.stack) });
        this.#wake();
        exit();
      },
    });
  }

  async hear<const Kind extends FromWorker['kind']>(
    ...kinds: Kind[]
  ): Promise<Extract<FromWorker, { kind: Kind }>> {
    for (;;) {
      const message = this.#heard.shift();
      if (message && (kinds as string[]).includes(message.kind))
        return message as Extract<FromWorker, { kind: Kind }>;
      if (message?.kind === 'log' && message.level === 'error') throw new Error(message.text);
      if (message) continue;
      if (this.#over) throw new Error(`the worker ended before ${kinds.join(' or ')}`);
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  #say(message: ToWorker): void {
    this.#thread.post(message);
  }

  async apply(setup: EngineSetup): Promise<void> {
    const plan = workerPlan(setup, this.#generation + 1, this.#slots);
    for (const { slot } of plan.plan.pools[0]!.backends) this.#board.setState(slot, 'up');
    for (const { slot } of plan.plan.pools[0]!.backends) this.#board.setHealthWeight(slot, 1_000);
    this.#say({ kind: 'prepare', plan });
    const answer = await this.hear('prepared', 'refused');
    if (answer.kind === 'refused') {
      this.#say({ kind: 'abort' });
      throw new ChorusError(answer.code, answer.details);
    }
    this.granted = answer.granted;
    this.#say({ kind: 'commit' });
    this.#generation = (await this.hear('committed')).generation;
  }

  async drain(timeout: number): Promise<number> {
    this.#say({ kind: 'drain', timeout });
    return (await this.hear('drained')).abandoned;
  }

  async stop(): Promise<void> {
    if (!this.#over) this.#thread.kill();
    await this.#ended;
  }
}

/** The engine of a worker of this kind. */
export function workerEngine(name: string, kind: WorkerKind): EngineUnderTest {
  return {
    name,
    datagrams: kind.datagrams,
    streams: kind.streams,
    async start(setup) {
      const engine = new WorkerEngine(kind);
      await engine.hear('started');
      try {
        await engine.apply(setup);
      } catch (thrown) {
        await engine.stop();
        throw thrown;
      }
      return engine;
    },
  };
}
