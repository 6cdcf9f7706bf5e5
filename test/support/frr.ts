/** FRR for a test: zebra and bgpd with a socket folder of their own, in this test's network namespace. */
import { chmodSync, chownSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { must, Program, run, temporaryFolder } from './process.ts';
import { searchPath } from './requires.ts';
import { session } from './router.ts';

/** FRR's own configuration: two sessions to the router, and networks of its own that nobody else may touch. */
export function frrConfiguration({
  graceful = false,
  importCheck = false,
  networks = ['198.51.100.0/24', '2001:db8:99::/48'],
}: {
  readonly graceful?: boolean;
  readonly importCheck?: boolean;
  readonly networks?: readonly string[];
} = {}): string {
  const { outer, inner, ourAs } = session;
  const family = (version: 4 | 6) => `
 address-family ipv${version} unicast
  neighbor ${outer.router} activate
  neighbor ${inner.router} activate
  neighbor ${inner.router} next-hop-self
${networks
  .filter(network => network.includes(':') === (version === 6))
  .map(network => `  network ${network}\n`)
  .join('')} exit-address-family`;
  return `frr defaults traditional
hostname node
router bgp ${ourAs}
 bgp router-id ${outer.ours}
 no bgp ebgp-requires-policy
${importCheck ? '' : ' no bgp network import-check\n'}${graceful ? '' : ' bgp graceful-restart-disable\n'} timers bgp 3 9
 neighbor ${outer.router} remote-as ${outer.routerAs}
 neighbor ${outer.router} timers connect 1
 neighbor ${inner.router} remote-as ${inner.routerAs}
 neighbor ${inner.router} update-source ${inner.ours}
 neighbor ${inner.router} timers connect 1
${family(4)}
${family(6)}
`;
}

/** vtysh would put what it is told into the user's history. */
const homeless = { HOME: '/nonexistent' };

export class Frr {
  readonly folder: string;
  #zebra: Program;
  #bgpd: Program;

  private constructor(folder: string, zebra: Program, bgpd: Program) {
    this.folder = folder;
    this.#zebra = zebra;
    this.#bgpd = bgpd;
  }

  static async start(configuration = frrConfiguration()): Promise<Frr> {
    const folder = temporaryFolder('frr');
    // FRR's daemons give up root for a user of their own.
    const uid = Number(await must('id', ['-u', 'frr']));
    const gid = Number(await must('id', ['-g', 'frr']));
    chownSync(folder, uid, gid);
    chmodSync(folder, 0o755);
    for (const [file, text] of [
      ['zebra.conf', 'hostname node\n'],
      ['bgpd.conf', configuration],
    ] as const) {
      writeFileSync(join(folder, file), text);
      chownSync(join(folder, file), uid, gid);
    }
    const zebra = launch('zebra', folder);
    // A bgpd that finds no zebra looks again after 10 s; meanwhile its sessions are up, and nothing is redistributed.
    await zebra.until('its clients’ socket', () => listens(join(folder, 'zserv.api')));
    const frr = new Frr(folder, zebra, launch('bgpd', folder));
    await frr.#answers();
    return frr;
  }

  get log(): string {
    return `${this.#zebra.log}\n${this.#bgpd.log}`;
  }
  get bgpd(): Program {
    return this.#bgpd;
  }

  /** Gives commands to bgpd, as an operator would. */
  async vtysh(...commands: readonly string[]): Promise<string> {
    const args = ['--vty_socket', this.folder, ...commands.flatMap(command => ['-c', command])];
    return await must('vtysh', args, { env: homeless });
  }

  /** Ends bgpd without a word to anyone. */
  async kill(): Promise<void> {
    await this.#bgpd.kill();
  }
  async restart(): Promise<void> {
    this.#bgpd = launch('bgpd', this.folder);
    await this.#answers();
  }
  async stop(): Promise<void> {
    await Promise.all([this.#bgpd.stop(), this.#zebra.stop()]);
  }

  async #answers(): Promise<void> {
    await this.#bgpd.until('an answer', async () => {
      const args = ['-d', 'bgpd', '--vty_socket', this.folder, '-c', 'show running-config'];
      const { code, stdout } = await run('vtysh', args, { env: homeless });
      return code === 0 && /^router bgp/m.test(stdout);
    });
  }
}

function launch(name: 'zebra' | 'bgpd', folder: string): Program {
  const file = (ending: string) => join(folder, `${name}.${ending}`);
  const program = [...searchPath, '/usr/lib/frr', '/usr/libexec/frr', '/usr/local/sbin']
    .map(each => join(each, name))
    .find(isFile);
  return new Program(program ?? name, [
    ...['-u', 'frr', '-g', 'frr', '--vty_socket', folder, '-z', join(folder, 'zserv.api')],
    ...['-f', file('conf'), '-i', file('pid'), '-P', '0', '--log', 'stdout'],
    ...(name === 'bgpd' ? ['-l', session.outer.ours, '-l', session.inner.ours] : []),
  ]);
}

/** Whether a program takes connections at a socket of the file system. */
async function listens(path: string): Promise<boolean> {
  return await new Promise(resolve => {
    const socket = connect(path);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
