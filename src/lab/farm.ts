/** A farm on this machine: nodes and the front before them, each a process of its own. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { ChorusError, exitCodes, reasonOf } from '#kit/errors.ts';
import { formatEndpoint } from '#net/address.ts';
import { Child } from './child.ts';
import { type FarmNode, type FarmPlan, farmConfig } from './farm-config.ts';
import { askStatus } from './farm-status.ts';
import { freePortFrom } from './free-port.ts';

/** How long a process may take to start, in ms. */
const startPatience = 20_000;
const lookEvery = 50;
/** How long the front may take to answer what is in flight at a stop, and a node to close, in ms. */
const frontPatience = 7000;
const nodePatience = 2000;
/** Lines of a log that are shown when a process fails. */
const shownLines = 12;

/** Address of nodes, and the first port that is tried. */
const nodeAddress = '127.0.0.1';
const firstPort = 5401;
/** Ports that are tried for a node, when others take them first. */
const portTries = 5;

export type FarmOptions = Omit<FarmPlan, 'nodes'> & {
  /** Names of the nodes. */
  readonly names: readonly string[];
  /** For logs, made where it is not there. */
  readonly folder: string;
  /** Where the configuration is written. */
  readonly configFile: string;
  /** Text of `--fault` by node. */
  readonly faults: ReadonlyMap<string, string>;
  /** A dead node starts again after so many ms; null: only when it is asked for. */
  readonly restartAfter: number | null;
  /** Told what happens to the processes, in words. */
  readonly onEvent: (text: string) => void;
};

/** One node of the farm. Times are those of Date.now(). */
export type NodeProcess = FarmNode & {
  readonly pid: number;
  /** Null while it runs. */
  readonly ended: { readonly how: string; readonly at: number; readonly restartAt: number | null } | null;
};

type Slot = { node: FarmNode; child: Child; ended: NodeProcess['ended']; timer?: NodeJS.Timeout };

export class Farm {
  readonly options: FarmOptions;
  /** Resolves with an error when the front ends without being asked to. */
  readonly broken: Promise<ChorusError>;
  readonly #slots: Slot[];
  readonly #front: Child;
  #stopping = false;

  private constructor(options: FarmOptions, slots: Slot[], front: Child) {
    this.options = options;
    this.#slots = slots;
    this.#front = front;
    this.broken = new Promise(resolve => {
      void front.ended.then(how => {
        if (!this.#stopping) resolve(failure(front, `the front ended (${how})`));
      });
    });
    for (const slot of slots) this.#watch(slot);
  }

  /** Starts the nodes, then the front, and waits until all answer. Throws FARM_FAILED, with nothing left running. */
  static async start(options: FarmOptions, signal: AbortSignal): Promise<Farm> {
    mkdirSync(options.folder, { recursive: true });
    const children: Child[] = [];
    const started = (child: Child) => {
      children.push(child);
      return child;
    };
    try {
      const slots: Slot[] = [];
      const ports = new Ports([options.api.port, ...options.listen.map(({ port }) => port)]);
      for (const name of options.names) {
        const node = { name, address: nodeAddress, port: await ports.next() };
        slots.push({ node, child: started(startNode(node, options)), ended: null });
      }
      for (const slot of slots) {
        for (let tries = 1; !(await nodeReady(slot, signal, tries < portTries)); tries++) {
          slot.node = { ...slot.node, port: await ports.next() };
          slot.child = started(startNode(slot.node, options));
        }
      }
      writeConfig(options, slots);
      const log = join(options.folder, 'front.log');
      const front = started(new Child(['serve', '--config', options.configFile], log));
      const ready = () =>
        askStatus(options.api).then(
          () => true,
          () => false,
        );
      await waitFor('the front', front, ready, signal);
      return new Farm(options, slots, front);
    } catch (error) {
      await Promise.all(children.map(child => child.stop(nodePatience)));
      throw error;
    }
  }

  get frontPid(): number {
    return this.#front.pid;
  }

  get nodes(): NodeProcess[] {
    return this.#slots.map(({ node, child, ended }) => ({ ...node, pid: child.pid, ended }));
  }

  /** Starts the nodes that are dead; gives how many. */
  restartDead(): number {
    const dead = this.#slots.filter(slot => slot.ended !== null);
    for (const slot of dead) this.#restart(slot);
    return dead.length;
  }

  /** Stops the front, which answers what is in flight, then the nodes. */
  async stop(): Promise<void> {
    this.#stopping = true;
    for (const slot of this.#slots) clearTimeout(slot.timer);
    await this.#front.stop(frontPatience);
    await Promise.all(this.#slots.map(slot => slot.child.stop(nodePatience)));
  }

  #watch(slot: Slot): void {
    const { child, node } = slot;
    void child.ended.then(how => {
      if (this.#stopping) return;
      const { restartAfter, onEvent } = this.options;
      const at = Date.now();
      slot.ended = { how, at, restartAt: restartAfter === null ? null : at + restartAfter };
      const next = restartAfter === null ? '' : `; it starts again in ${Math.round(restartAfter / 1000)} s`;
      onEvent(`node ${node.name} (process ${child.pid}) ended: ${how}${next}`);
      if (restartAfter !== null) slot.timer = setTimeout(() => this.#restart(slot), restartAfter);
    });
  }

  #restart(slot: Slot): void {
    clearTimeout(slot.timer);
    slot.child = startNode(slot.node, this.options);
    slot.ended = null;
    this.options.onEvent(`node ${slot.node.name} starts again (process ${slot.child.pid})`);
    this.#watch(slot);
  }
}

function startNode(node: FarmNode, { folder, faults }: FarmOptions): Child {
  const fault = faults.get(node.name);
  const more = fault === undefined ? [] : ['--fault', fault];
  const args = ['node', '--listen', formatEndpoint(node), '--name', node.name, ...more];
  return new Child(args, join(folder, `${node.name}.log`));
}

/** Hands out ports that are free for UDP and TCP, each once. */
class Ports {
  readonly #taken: Set<number>;
  #from = firstPort;

  constructor(taken: readonly number[]) {
    this.#taken = new Set(taken);
  }

  async next(): Promise<number> {
    const port = await freePortFrom(nodeAddress, this.#from, this.#taken);
    if (port === undefined)
      throw new ChorusError('FARM_FAILED', { reason: `no port from ${firstPort} on is free` });
    this.#from = port + 1;
    return port;
  }
}

/** Waits until a node answers; false when another program took its port first, and it may try another. */
async function nodeReady({ node, child }: Slot, signal: AbortSignal, mayTryAgain: boolean): Promise<boolean> {
  const answers = () => child.lastLines(1).some(line => line.startsWith(`node ${node.name} answers`));
  const lostPort = () => mayTryAgain && child.end === `exit code ${exitCodes.unavailable}`;
  await waitFor(`node ${node.name}`, child, () => answers() || lostPort(), signal);
  return !lostPort();
}

function writeConfig(options: FarmOptions, slots: readonly Slot[]): void {
  const { listen, api, configFile } = options;
  try {
    writeFileSync(configFile, farmConfig({ listen, api, nodes: slots.map(({ node }) => node) }));
  } catch (error) {
    throw new ChorusError('USAGE', { reason: `cannot write ${configFile}: ${reasonOf(error)}` });
  }
}

async function waitFor(
  what: string,
  child: Child,
  ready: () => boolean | Promise<boolean>,
  signal: AbortSignal,
): Promise<void> {
  const end = Date.now() + startPatience;
  while (!(await ready())) {
    signal.throwIfAborted();
    if (child.end !== undefined) throw failure(child, `${what} ended at its start (${child.end})`);
    if (Date.now() > end) throw failure(child, `${what} did not start within ${startPatience / 1000} s`);
    await after(lookEvery);
  }
}

function failure(child: Child, reason: string): ChorusError {
  const lines = child.lastLines(shownLines).filter(line => line !== '');
  const said = lines.length === 0 ? '' : `\n${lines.map(line => `  ${line}`).join('\n')}`;
  return new ChorusError('FARM_FAILED', { reason: `${reason}${said}` });
}
