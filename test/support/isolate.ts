/**
 * Network namespaces: the tests run without a way out of the machine, on addresses and ports of their own.
 * Namespaces here have no name in the file system; each ends with the last process in it.
 */
import { readlinkSync } from 'node:fs';
import koffi from 'koffi';
import { poll } from './poll.ts';
import { must, Program, run } from './process.ts';

const cloneNewNet = 0x40000000;
let isolated = false;

/**
 * Moves this test process, and every program it starts from now on, to a network namespace that has only a loopback
 * interface with `addresses` beside 127.0.0.0/8 and ::1. Needs root (`requires('root')`). Call it before the first socket
 * is made. Works because sockets and processes are made on the main thread, the only one that moves.
 */
export async function isolate(addresses: readonly string[] = []): Promise<void> {
  if (!isolated) {
    const unshare = koffi.load(null).func('int unshare(int flags)');
    if (unshare(cloneNewNet) !== 0) throw new Error(`unshare: errno ${koffi.errno()}`);
    isolated = true;
    await must('ip', ['link', 'set', 'lo', 'up']);
  }
  for (const address of addresses) await addAddress('lo', address);
}

/** Adds an address (with or without prefix length) to an interface; IPv6 is usable at once. */
export async function addAddress(link: string, address: string, namespace?: number): Promise<void> {
  const v6 = address.includes(':');
  const full = address.includes('/') ? address : `${address}/${v6 ? 128 : 32}`;
  const at = namespace === undefined ? {} : { namespace };
  await must('ip', ['address', 'add', full, 'dev', link, ...(v6 ? ['nodad'] : [])], at);
}

/** A further network namespace, held open by a sleeping process. */
export class Namespace {
  readonly #holder: Program;

  private constructor(holder: Program) {
    this.#holder = holder;
  }

  /** Makes one with its loopback up. It is isolated like the first: no route leads out. */
  static async make(): Promise<Namespace> {
    const holder = new Program('unshare', ['--net', 'sleep', 'infinity']);
    const ours = readlinkSync('/proc/self/ns/net');
    await holder.until('a namespace', () => readlinkSync(`/proc/${holder.pid}/ns/net`) !== ours);
    await must('ip', ['link', 'set', 'lo', 'up'], { namespace: holder.pid });
    return new Namespace(holder);
  }

  /** For `StartOptions.namespace`. */
  get pid(): number {
    return this.#holder.pid;
  }

  /** Lays a cable between an interface `near` of this test's namespace and `far` of this one, both up. */
  async cable(near: string, far: string): Promise<void> {
    // One to a namespace that has ended goes a moment later: its name may still be taken.
    await run('ip', ['link', 'delete', near]);
    await must('ip', ['link', 'add', near, 'type', 'veth', 'peer', 'name', far, 'netns', String(this.pid)]);
    await must('ip', ['link', 'set', near, 'up']);
    await must('ip', ['link', 'set', far, 'up'], { namespace: this.pid });
    await poll('the cable', async () => (await must('ip', ['link', 'show', near])).includes('LOWER_UP'));
  }

  async stop(): Promise<void> {
    await this.#holder.stop();
  }
}
