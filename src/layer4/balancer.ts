/**
 * Keeps the kernel's tables as they are wanted: level-triggered, one program at a time, read back after each change and every few
 * seconds. Knows no backends' health: it is told what is wanted.
 */
import { ChorusError } from '#kit/errors.ts';
import { type IpvsTable, ipvsChange, ipvsRemoval, ipvsWanted, parseIpvs } from './ipvs.ts';
import {
  type NftActual,
  type NftWanted,
  nftActual,
  nftAgrees,
  nftChange,
  nftRemoval,
  nftWanted,
  tableName,
} from './nftables.ts';
import type { BackendRole, Layer4Service } from './plan.ts';
import type { Layer4Status } from './report.ts';
import type { Run } from './run.ts';
import type { Layer4Options } from './schema.ts';

export type BalancerWorld = {
  readonly run: Run;
  /** Time of day, ms. */
  readonly wall: () => number;
  readonly wait: (ms: number, then: () => void) => () => void;
  /** Content of a file of /proc; null where it is not there. */
  readonly read: (file: string) => string | null;
  readonly onNotice: (
    level: 'info' | 'warn',
    message: string,
    details?: Readonly<Record<string, string>>,
  ) => void;
};

/** After a failure it is tried again so soon, ms. */
const again = 1_000;
/** Tables that could not be put in force for so long, ms, are not only late. */
const helpless = 5_000;

/** One data plane: brings about what is wanted. Rejects with a ChorusError. */
interface DataPlane {
  readonly table: string;
  /** Gives whether somebody else had changed what was there. `look`: read it first, whatever is known. */
  apply(services: readonly Layer4Service[], look: boolean): Promise<boolean>;
  remove(): Promise<void>;
  /** The share of new flows that a backend has in the kernel; null: not known. */
  share(service: number, address: string, port: number): number | null;
}

export class KernelBalancer {
  readonly #options: Layer4Options;
  readonly #world: BalancerWorld;
  readonly #plane: DataPlane;
  #services: readonly Layer4Service[] | null = null;
  #key = '';
  #dirty = false;
  #look = true;
  #working: Promise<void> | null = null;
  #unwait: (() => void) | null = null;
  #closed = false;
  #state: Layer4Status['state'] = 'applying';
  #since: number;
  #checked: number | null = null;
  #problem: ChorusError | null = null;
  /** What has been warned of in the log. */
  #warned = new Set<string>();

  constructor(options: Layer4Options, world: BalancerWorld) {
    this.#options = options;
    this.#world = world;
    this.#plane =
      options['data-plane'] === 'nftables'
        ? new Nftables(options.name, world.run)
        : new Ipvs(options, world.run);
    this.#since = world.wall();
  }

  /** What is to be balanced from now on. Never throws and never waits; called again and again with the same. */
  want(services: readonly Layer4Service[]): void {
    if (this.#closed) return;
    const key = JSON.stringify(services);
    if (key === this.#key && this.#services !== null) return;
    this.#key = key;
    this.#services = services;
    this.#dirty = true;
    this.#turn();
  }

  /** Whether what was wanted has been in force: before, packets for the services are nobody's. */
  get inForce(): boolean {
    return this.#checked !== null;
  }

  /** Why nothing could ever be put in force; null: it was, or may be in a moment. */
  get helplessness(): string | null {
    if (this.inForce || this.#state !== 'failed') return null;
    return this.#world.wall() - this.#since < helpless ? null : (this.#problem?.message ?? '');
  }

  report(): Layer4Status {
    const problem = this.#problem;
    return {
      dataPlane: this.#options['data-plane'],
      table: this.#plane.table,
      state: this.#state,
      since: this.#since,
      checked: this.#checked,
      problem: problem && { code: problem.code, message: problem.message, remedy: problem.remedy },
      warnings: this.#warnings(),
      services: (this.#services ?? []).map(({ address, port, udp, tcp, backends }, at) => ({
        address,
        port,
        protocols: [...(udp ? (['udp'] as const) : []), ...(tcp ? (['tcp'] as const) : [])],
        backends: backends.map(({ name, address, port, weight, role }) => ({
          name,
          address,
          port,
          weight,
          role,
          wanted: shareOf(backends, weight, role),
          actual: this.#plane.share(at, address, port),
        })),
      })),
    };
  }

  /**
   * Ends, and takes the tables away: at the end of Chorus unless they are to stay, and when a reload has brought a `successor`
   * (null: none) unless that replaces the same table in one step.
   */
  async close(successor?: Layer4Options | null): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#unwait?.();
    await this.#working;
    const stays =
      successor === undefined
        ? this.#options['at-stop'] === 'keep'
        : successor !== null && isOneTable(this.#options, successor);
    if (stays || this.#services === null) return;
    await this.#plane.remove().catch((thrown: unknown) => {
      if (!(thrown instanceof ChorusError)) throw thrown;
      this.#world.onNotice('warn', thrown.message, { code: thrown.code });
    });
  }

  #turn(): void {
    if (this.#working || this.#closed) return;
    this.#unwait?.();
    this.#unwait = null;
    this.#working = this.#work().finally(() => {
      this.#working = null;
      if (this.#closed) return;
      if (this.#dirty) this.#turn();
      else
        this.#unwait = this.#world.wait(this.#problem ? again : this.#options.check, () => this.#lookAgain());
    });
  }

  #lookAgain(): void {
    this.#look = true;
    this.#turn();
  }

  async #work(): Promise<void> {
    this.#dirty = false;
    this.#warn();
    const look = this.#look;
    this.#look = false;
    try {
      const foreign = await this.#plane.apply(this.#services ?? [], look);
      this.#checked = this.#world.wall();
      if (foreign)
        this.#world.onNotice('warn', 'somebody else had changed the kernel’s tables: put right', {
          table: this.#plane.table,
        });
      this.#problem = null;
      this.#enter('agrees');
    } catch (thrown) {
      if (!(thrown instanceof ChorusError)) throw thrown;
      if (thrown.message !== this.#problem?.message)
        this.#world.onNotice('warn', thrown.message, { code: thrown.code, remedy: thrown.remedy });
      this.#problem = thrown;
      this.#look = true;
      this.#enter('failed');
    }
  }

  #enter(state: Layer4Status['state']): void {
    if (state !== this.#state) this.#since = this.#world.wall();
    this.#state = state;
  }

  /** To the log, once for as long as it lasts. */
  #warn(): void {
    const warnings = this.#warnings();
    for (const warning of warnings)
      if (!this.#warned.has(warning)) this.#world.onNotice('warn', warning, { table: this.#plane.table });
    this.#warned = new Set(warnings);
  }

  #warnings(): string[] {
    if (this.#options['data-plane'] === 'ipvs' && this.#options.forwarding !== 'nat') return [];
    const families = [
      ['ipv4', 'net.ipv4.ip_forward', '/proc/sys/net/ipv4/ip_forward', (text: string) => !text.includes(':')],
      [
        'ipv6',
        'net.ipv6.conf.all.forwarding',
        '/proc/sys/net/ipv6/conf/all/forwarding',
        (text: string) => text.includes(':'),
      ],
    ] as const;
    return families.flatMap(([, name, file, has]) => {
      const used = (this.#services ?? []).some(({ address }) => has(address));
      return used && this.#world.read(file)?.trim() === '0'
        ? [`this machine does not pass packets on, so no backend gets any: sysctl ${name}=1`]
        : [];
    });
  }
}

function isOneTable(one: Layer4Options, other: Layer4Options): boolean {
  const both = [one, other].every(options => options['data-plane'] === 'nftables');
  return both && one.name === other.name;
}

/** The share of new flows that a backend is meant to have. */
function shareOf(
  backends: readonly { readonly weight: number; readonly role: BackendRole }[],
  weight: number,
  role: BackendRole,
): number {
  const sum = backends.reduce((all, each) => all + (each.role === 'serves' ? each.weight : 0), 0);
  return role === 'serves' && sum > 0 ? weight / sum : 0;
}

class Nftables implements DataPlane {
  readonly table: string;
  readonly #name: string;
  readonly #run: Run;
  /** As last read back after a change of ours. */
  #actual: NftActual | null = null;
  #frame = '';

  constructor(name: string, run: Run) {
    this.#name = name;
    this.#run = run;
    this.table = `inet ${tableName(name)}`;
  }

  async apply(services: readonly Layer4Service[], look: boolean): Promise<boolean> {
    const wanted = nftWanted(this.#name, services);
    const before = this.#actual;
    const actual = look ? await this.#list() : before;
    const foreign =
      look &&
      before !== null &&
      (actual === null || actual.frame !== before.frame || !sameElements(actual, before));
    const framed =
      actual !== null && before !== null && actual.frame === before.frame && wanted.frame === this.#frame;
    const text = framed ? nftChange(wanted, actual.elements) : wanted.text;
    if (text !== '') {
      this.#actual = null;
      const { code, stderr } = await this.#run('nft', ['-f', '-'], text);
      // A change may meet a table that somebody has just taken away: the whole of it does not.
      if (code !== 0 && framed) await this.#command(wanted.text);
      else if (code !== 0) throw failure('nft', code, stderr);
      // Somebody may change a rule between our change and the look at it: that is never taken for ours.
      if (!(await this.#verify(wanted, framed ? before.frame : null))) {
        await this.#command(wanted.text);
        if (!(await this.#verify(wanted, null)))
          throw new ChorusError('LAYER4_REFUSED', {
            what: this.table,
            reason: 'what was read back is not what was written',
          });
      }
    } else this.#actual = actual;
    return foreign;
  }

  async remove(): Promise<void> {
    this.#actual = null;
    await this.#command(nftRemoval(this.#name));
  }

  share(service: number, address: string, port: number): number | null {
    const elements = this.#actual?.elements;
    const tcp = elements?.get(`s${service}_tcp`);
    const list = tcp ?? elements?.get(`s${service}_address`);
    if (!list) return null;
    const ending = tcp ? ` : ${address} . ${port}` : ` : ${address}`;
    return list.length === 0 ? 0 : list.filter(element => element.endsWith(ending)).length / list.length;
  }

  /** Reads back; gives whether that is what was written. `frame` is the frame that must stand still, where it is known. */
  async #verify(wanted: NftWanted, frame: string | null): Promise<boolean> {
    const actual = await this.#list();
    if (actual === null || !nftAgrees(wanted, actual)) return false;
    if (frame !== null && actual.frame !== frame) return false;
    this.#actual = actual;
    this.#frame = wanted.frame;
    return true;
  }

  async #list(): Promise<NftActual | null> {
    const args = ['-j', 'list', 'table', 'inet', tableName(this.#name)];
    const { code, stdout, stderr } = await this.#run('nft', args, '');
    if (code !== 0) {
      if (code !== null && /No such file or directory/.test(stderr)) return null;
      throw failure('nft', code, stderr);
    }
    const actual = nftActual(stdout);
    if (actual === null)
      throw new ChorusError('LAYER4_REFUSED', {
        what: this.table,
        reason: 'the answer of nft is not understood',
      });
    return actual;
  }

  async #command(text: string): Promise<void> {
    const { code, stderr } = await this.#run('nft', ['-f', '-'], text);
    if (code !== 0) throw failure('nft', code, stderr);
  }
}

class Ipvs implements DataPlane {
  readonly table = 'ipvs';
  readonly #options: Layer4Options;
  readonly #run: Run;
  #ours = new Set<string>();
  #actual: IpvsTable | null = null;
  #keys: readonly (readonly string[])[] = [];

  constructor(options: Layer4Options, run: Run) {
    this.#options = options;
    this.#run = run;
  }

  async apply(services: readonly Layer4Service[], look: boolean): Promise<boolean> {
    const wanted = ipvsWanted(services, this.#options);
    const before = this.#actual;
    const actual = look || before === null ? await this.#list() : before;
    // What stood after our last change stands no more.
    const foreign = look && before !== null && ipvsChange(before, actual, []) !== '';
    const lines = ipvsChange(wanted, actual, this.#ours);
    for (const key of wanted.keys()) this.#ours.add(key);
    if (lines !== '') {
      this.#actual = null;
      const { code, stderr } = await this.#run('ipvsadm', ['--restore'], lines);
      if (code !== 0) throw failure('ipvsadm', code, stderr);
    }
    const after = lines === '' ? actual : await this.#list();
    if (ipvsChange(wanted, after, this.#ours) !== '')
      throw new ChorusError('LAYER4_REFUSED', {
        what: 'ipvs',
        reason: 'what was read back is not what was written',
      });
    this.#ours = new Set(wanted.keys());
    this.#actual = new Map([...after].filter(([key]) => wanted.has(key)));
    const one = new Map(services.map((service, index) => [index, service]));
    this.#keys = [...one.values()].map(service => [...ipvsWanted([service], this.#options).keys()]);
    return foreign;
  }

  async remove(): Promise<void> {
    const lines = ipvsRemoval(this.#ours, await this.#list());
    if (lines === '') return;
    const { code, stderr } = await this.#run('ipvsadm', ['--restore'], lines);
    if (code !== 0) throw failure('ipvsadm', code, stderr);
  }

  share(service: number, address: string, port: number): number | null {
    const servers = this.#actual?.get(this.#keys[service]?.[0] ?? '')?.servers;
    if (!servers) return null;
    const sum = [...servers.values()].reduce((all, { weight }) => all + weight, 0);
    const at = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
    return sum === 0 ? 0 : (servers.get(at)?.weight ?? 0) / sum;
  }

  async #list(): Promise<IpvsTable> {
    const { code, stdout, stderr } = await this.#run('ipvsadm', ['--save', '-n'], '');
    // ipvsadm ends with 0 though the kernel has no IPVS.
    if (code !== 0 || /initialize ipvs/.test(stderr)) throw failure('ipvsadm', code, stderr);
    const table = parseIpvs(stdout);
    if (!table)
      throw new ChorusError('LAYER4_REFUSED', {
        what: 'ipvs',
        reason: 'the answer of ipvsadm is not understood',
      });
    return table;
  }
}

function sameElements(one: NftActual, other: NftActual): boolean {
  const text = ({ elements }: NftActual) =>
    JSON.stringify([...elements].map(([name, list]) => [name, list.toSorted()]).sort());
  return text(one) === text(other);
}

function failure(program: string, code: number | null, stderr: string): ChorusError {
  const lines = stderr.trim().split('\n').slice(0, 3).join(' / ').slice(0, 500);
  if (code === null && /ENOENT/.test(stderr)) return new ChorusError('LAYER4_NO_PROGRAM', { program });
  if (/Operation not permitted|Permission denied|you must be root/i.test(stderr))
    return new ChorusError('LAYER4_PERMISSION', { program, reason: lines });
  if (/initialize ipvs/.test(stderr)) return new ChorusError('LAYER4_NO_MODULE', { reason: lines });
  return new ChorusError('LAYER4_REFUSED', { what: program, reason: lines || `exit ${code}` });
}
