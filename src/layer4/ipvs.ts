/**
 * Lines for `ipvsadm --restore`, and what `ipvsadm --save -n` gives, by the grammar of ipvsadm(8). Pure. Only the virtual services
 * that are wanted are touched, never the whole table.
 */
import { isIpv6 } from '#net/address.ts';
import type { Layer4Service } from './plan.ts';

export const schedulers = ['mh', 'wrr', 'wlc', 'sh'] as const;
export const forwardings = ['nat', 'direct', 'tunnel'] as const;
export type IpvsOptions = {
  readonly scheduler: (typeof schedulers)[number];
  readonly forwarding: (typeof forwardings)[number];
};

const forwardingFlags = { nat: '-m', direct: '-g', tunnel: '-i' } as const;
const flagForwardings = { '-m': 'nat', '-g': 'direct', '-i': 'tunnel' } as const;

/** A real server. */
export type IpvsServer = { readonly weight: number; readonly forwarding: IpvsOptions['forwarding'] };

/** A virtual service: its real servers by `ADDRESS:PORT`. */
export type IpvsService = {
  readonly scheduler: string;
  readonly flags: string;
  /** One packet each: no entry that a flow could stick to. For UDP alone. */
  readonly onePacket: boolean;
  readonly servers: ReadonlyMap<string, IpvsServer>;
};

/** Virtual services by `-u ADDRESS:PORT` or `-t ADDRESS:PORT`. */
export type IpvsTable = ReadonlyMap<string, IpvsService>;

/** Highest weight that ipvsadm takes. */
const mostWeight = 65_535;

/** What is wanted of the kernel. A backend that drains has weight 0, one that is gone is not there. */
export function ipvsWanted(services: readonly Layer4Service[], options: IpvsOptions): IpvsTable {
  const table = new Map<string, IpvsService>();
  for (const { address, port, udp, tcp, backends } of services) {
    const servers = new Map<string, IpvsServer>();
    // Fractions need more than whole numbers from 1 on.
    const scale = backends.every(({ weight }) => Number.isInteger(weight)) ? 1 : 100;
    for (const { address, port, weight, role } of backends) {
      if (role === 'gone') continue;
      const whole = Math.min(mostWeight, Math.round(weight * scale));
      const least = weight > 0 ? Math.max(1, whole) : 0;
      servers.set(place(address, port), {
        weight: role === 'serves' ? least : 0,
        forwarding: options.forwarding,
      });
    }
    const flags =
      options.scheduler === 'mh' ? 'mh-fallback,mh-port' : options.scheduler === 'sh' ? 'sh-port' : '';
    const common = { scheduler: options.scheduler, flags, servers };
    if (udp) table.set(`-u ${place(address, port)}`, { ...common, onePacket: true });
    if (tcp) table.set(`-t ${place(address, port)}`, { ...common, onePacket: false });
  }
  return table;
}

/** Lines that make `wanted` of `actual`. Services that neither we want nor `ours` names are left alone. */
export function ipvsChange(wanted: IpvsTable, actual: IpvsTable, ours: Iterable<string> = []): string {
  const lines: string[] = [];
  for (const service of new Set(ours))
    if (!wanted.has(service) && actual.has(service)) lines.push(`-D ${service}`);
  for (const [service, want] of wanted) {
    const have = actual.get(service);
    const ops = want.onePacket ? ' -o' : '';
    const flags = want.flags === '' ? '' : ` -b ${want.flags}`;
    const head = `${service} -s ${want.scheduler}${flags}${ops}`;
    if (!have) lines.push(`-A ${head}`);
    else if (
      have.scheduler !== want.scheduler ||
      have.flags !== want.flags ||
      have.onePacket !== want.onePacket
    )
      lines.push(`-E ${head}`);
    // Those that go first: nothing more is sent to them.
    for (const server of have?.servers.keys() ?? [])
      if (!want.servers.has(server)) lines.push(`-d ${service} -r ${server}`);
    for (const [server, { weight, forwarding }] of want.servers) {
      const there = have?.servers.get(server);
      if (there?.weight === weight && there.forwarding === forwarding) continue;
      lines.push(
        `${there ? '-e' : '-a'} ${service} -r ${server} ${forwardingFlags[forwarding]} -w ${weight}`,
      );
    }
  }
  return lines.map(line => `${line}\n`).join('');
}

/** Lines that take our services away. */
export function ipvsRemoval(ours: Iterable<string>, actual: IpvsTable): string {
  return ipvsChange(new Map(), actual, ours);
}

/** Most lines and octets of a line that are read. */
const mostLines = 100_000;
const longest = 512;

/** Takes the lines of `ipvsadm --save -n` apart; null where one is not understood. Services by firewall mark or SCTP are left out. */
export function parseIpvs(text: string): IpvsTable | null {
  const table = new Map<
    string,
    { service: Omit<IpvsService, 'servers'>; servers: Map<string, IpvsServer> }
  >();
  const lines = text.split('\n', mostLines);
  for (const line of lines) {
    const words = line
      .trim()
      .replace(/^ipvsadm\s+/, '')
      .split(/\s+/);
    if (words[0] === '') continue;
    if (line.length > longest) return null;
    const [command, protocol = '', at = ''] = words;
    if (command !== '-A' && command !== '-a') return null;
    if (protocol === '-f' || protocol === '--sctp-service') continue;
    if ((protocol !== '-u' && protocol !== '-t') || !isPlace(at)) return null;
    const options = optionsOf(words.slice(3), command === '-A' ? serviceOptions : serverOptions);
    if (!options) return null;
    const key = `${protocol} ${at}`;
    if (command === '-A') {
      if (table.has(key)) return null;
      const flags = (options.get('-b') ?? '').split(',').sort().join(',');
      table.set(key, {
        service: { scheduler: options.get('-s') ?? 'wlc', flags, onePacket: options.has('-o') },
        servers: new Map(),
      });
      continue;
    }
    const server = options.get('-r') ?? '';
    const weight = Number(options.get('-w') ?? '1');
    const methods = (['-m', '-g', '-i'] as const).filter(flag => options.has(flag));
    const entry = table.get(key);
    if (!entry || !isPlace(server) || !(weight <= mostWeight) || methods.length > 1) return null;
    entry.servers.set(server, { weight, forwarding: flagForwardings[methods[0] ?? '-g'] });
  }
  return new Map([...table].map(([key, { service, servers }]) => [key, { ...service, servers }]));
}

/** Options by their letter, and what their value looks like; null: they have none. */
type Grammar = Readonly<Record<string, RegExp | null>>;
const serviceOptions: Grammar = {
  '-s': /^[a-z]{1,16}$/,
  '-p': /^\d{1,9}$/,
  '-M': /^[0-9.]{1,15}$|^\d{1,3}$/,
  '-b': /^[a-z0-9-]+(,[a-z0-9-]+)*$/,
  '-o': null,
  '--pe': /^[a-z]{1,16}$/,
};
const serverOptions: Grammar = {
  '-r': /^\S+$/,
  '-w': /^\d{1,5}$/,
  '-x': /^\d{1,9}$/,
  '-y': /^\d{1,9}$/,
  '-m': null,
  '-g': null,
  '-i': null,
  '--tun-type': /^[a-z]+$/,
};

function optionsOf(words: readonly string[], grammar: Grammar): Map<string, string> | null {
  const found = new Map<string, string>();
  for (let at = 0; at < words.length; at++) {
    const word = words[at] === '--ops' ? '-o' : words[at]!;
    const form = Object.hasOwn(grammar, word) ? grammar[word] : undefined;
    if (form === undefined || found.has(word)) return null;
    if (form === null) found.set(word, '');
    else {
      const given = words[++at] ?? '';
      if (!form.test(given)) return null;
      found.set(word, given);
    }
  }
  return found;
}

/** `192.0.2.53:53`, `[2001:db8::53]:53`. */
function place(address: string, port: number): string {
  return isIpv6(address) ? `[${address}]:${port}` : `${address}:${port}`;
}

function isPlace(text: string): boolean {
  return /^(\d{1,3}(\.\d{1,3}){3}|\[[0-9a-f:.]{2,45}\]):\d{1,5}$/.test(text);
}
