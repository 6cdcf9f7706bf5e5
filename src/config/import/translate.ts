/** From virtual servers to a configuration of Chorus. */
import { apiPort } from '#api/schema.ts';
import { maxBackends } from '#balance/board.ts';
import type { PolicyName } from '#balance/registry.ts';
import { ChorusError } from '#kit/errors.ts';
import { type Endpoint, formatEndpoint, isIpv6, isWildcard } from '#net/address.ts';
import { overlaps } from '../cross.ts';
import { commandLine } from './dig.ts';
import { type Model, type RealServer, type Scheduler, targetText, type VirtualServer } from './model.ts';
import {
  type Asks,
  type ProbeTimers,
  plainProbe,
  probeFor,
  timersFor,
  type Wanted,
  withQuestions,
} from './probes.ts';
import type { Place, Problems } from './problems.ts';
import { alphaRemark, methodRemark, sameTarget } from './read.ts';
import { type Remark, Remarks } from './remarks.ts';
import { newRemoval, type Worst } from './removal.ts';

export type TranslateOptions = {
  /** Virtual servers to take, as the file names them; empty: those that serve DNS. */
  readonly only: readonly string[];
  /** Where to listen; empty: at the addresses of the virtual servers. */
  readonly listen: readonly Endpoint[];
  /** Probes keep the intervals of the file. */
  readonly keepTimers: boolean;
};

/** A probe of the new pool. */
export type NewProbe = { readonly asks: Asks; readonly timers: ProbeTimers };

/** A backend of the new pool. */
export type NewBackend = {
  readonly name: string;
  readonly endpoint: Endpoint;
  readonly weight: number;
  readonly capacity?: number;
  readonly source?: string;
  readonly place: Place;
};

/** Times to removal, for the servers that are checked alike. */
export type Removal = {
  /** `DNS_CHECK`, or the program of a MISC_CHECK. */
  readonly check: string;
  /** A program decides what a failure is. */
  readonly program: boolean;
  readonly servers: number;
  readonly old: Worst;
  readonly new: Worst;
};

export type Translation = {
  readonly listen: readonly Endpoint[];
  /** Set where the default would be a listener too. */
  readonly api?: Endpoint;
  readonly policy: PolicyName;
  readonly backends: readonly NewBackend[];
  /** At least one. */
  readonly probes: readonly NewProbe[];
  readonly remarks: readonly Remark[];
  readonly removal: readonly Removal[];
};

const dnsPort = 53;
const heaviest = 1000;

/** The virtual servers of one address, group or mark: one for UDP, one for TCP. */
type Service = {
  readonly name: string;
  readonly parts: VirtualServer[];
  readonly listen: readonly Endpoint[];
};

/** A real server as both virtual servers see it. */
type Member = {
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  /** One for each virtual server that has it. */
  readonly seen: readonly { readonly server: RealServer; readonly of: VirtualServer }[];
};

/**
 * The configuration for a model. Problems that a file must be mended for are told to `problems`; the translation is of no use then.
 * @throws ChorusError IMPORT_NOTHING or IMPORT_SEVERAL where it cannot be told which virtual servers are meant
 */
export function translate(
  model: Model,
  file: string,
  options: TranslateOptions,
  problems: Problems,
): Translation {
  const remarks = new Remarks();
  const chosen = choose(model, file, options, remarks, problems);
  const parts = chosen.flatMap(service => service.parts);
  const first = parts[0]!;
  for (const part of parts) remarks.take(part.remarks);
  const listen = listeners(chosen, model, options, remarks);
  const members = merge(parts, remarks).filter(member => canServe(member, listen, remarks));
  const policy = policyOf(parts, remarks);
  const checked = members.map(member => ({ member, own: probesOf(member, remarks, problems) }));
  const ask = withQuestions(checked.flatMap(({ own }) => own));
  const wanted = new Map(checked.map(({ member, own }) => [member, own.map(ask)]));
  const probes = probesOfPool(members, wanted, options, remarks, first);
  const backends = backendsOf(members, wanted, policy, first, remarks, problems);
  if (policy === 'first-available') sorryLast(parts, backends, listen, remarks);
  else for (const { sorry } of parts) if (sorry) sorryRemark(remarks, sorry);
  settings(parts, policy, remarks);
  remarks.take(model.remarks);
  const api: Endpoint = { address: '127.0.0.1', port: apiPort };
  const clash = listen.some(listener => overlaps(listener, api));
  return {
    listen,
    ...(clash && { api: { ...api, port: apiPort + 1 } }),
    policy,
    backends,
    probes,
    remarks: remarks.list(),
    removal: removals(members, wanted, probes),
  };
}

function choose(
  model: Model,
  file: string,
  { only, listen }: TranslateOptions,
  remarks: Remarks,
  problems: Problems,
): Service[] {
  const services = servicesOf(model, problems);
  const list = (of: readonly Service[]) => of.map(({ name }) => `  ${name}`).join('\n');
  for (const text of only) {
    if (services.some(({ parts }) => parts.some(({ target }) => sameTarget(target, text)))) continue;
    const reason = `no virtual server is called "${text}"; there are:\n${list(services)}`;
    throw new ChorusError('IMPORT_NOTHING', { file, reason });
  }
  const wanted = services.filter(service =>
    only.length > 0
      ? service.parts.some(({ target }) => only.some(text => sameTarget(target, text)))
      : service.parts.some(servesDns),
  );
  if (wanted.length === 0) {
    const reason =
      services.length === 0
        ? 'it has no virtual server'
        : `none of its virtual servers serves DNS (port 53):\n${list(services)}`;
    throw new ChorusError('IMPORT_NOTHING', { file, reason });
  }
  for (const service of services) {
    if (wanted.includes(service)) continue;
    for (const { place } of service.parts) {
      const why = `keepalived goes on with it: it ${only.length > 0 ? 'was not asked for' : 'does not serve DNS'}`;
      remarks.add('kept', `virtual_server ${service.name}`, place, why, 'leave it in the file of keepalived');
    }
  }
  const farms = Map.groupBy(wanted, ({ parts }) => farmKey(parts));
  if (farms.size > 1) {
    const farm = [...farms.values()].map(each => `  ${each.map(({ name }) => name).join(', ')}`);
    throw new ChorusError('IMPORT_SEVERAL', { file, count: farms.size, farms: farm.join('\n') });
  }
  const unplaced = wanted.find(service => service.listen.length === 0);
  if (unplaced && listen.length === 0) {
    const { name, parts } = unplaced;
    problems.add(parts[0]!.place, `virtual_server ${name}: the file does not say which addresses it serves`, {
      expected: 'them to be named with --listen ADDRESS',
    });
  }
  return wanted;
}

function servicesOf(model: Model, problems: Problems): Service[] {
  const services = new Map<string, Service>();
  for (const server of model.virtualServers) {
    const name = targetText(server.target);
    const known = services.get(name);
    if (known) known.parts.push(server);
    else services.set(name, { name, parts: [server], listen: addressesOf(server, model, problems) });
  }
  return [...services.values()];
}

function addressesOf({ target, place }: VirtualServer, model: Model, problems: Problems): Endpoint[] {
  if (target.kind === 'address')
    return [{ address: plainAddress(target.address), port: target.port ?? dnsPort }];
  if (target.kind === 'fwmark') return [];
  const group = model.groups.findLast(({ name }) => name === target.name);
  if (!group) {
    problems.add(place, `there is no virtual_server_group ${target.name}`, {
      expected:
        model.groups.length === 0 ? undefined : `one of ${model.groups.map(({ name }) => name).join(', ')}`,
    });
    return [];
  }
  return group.members.flatMap(member =>
    member.kind === 'fwmark'
      ? []
      : member.addresses.map(address => ({ address: plainAddress(address), port: member.port ?? dnsPort })),
  );
}

/** An IPv4 address that is written as an IPv6 one in its own form. */
function plainAddress(address: string): string {
  return /^::ffff:\d+\./.test(address) ? address.slice(7) : address;
}

function servesDns(server: VirtualServer): boolean {
  const { target, realServers } = server;
  if (target.kind === 'address' && target.port !== undefined) return target.port === dnsPort;
  return realServers.some(
    ({ port, checks }) =>
      port === dnsPort ||
      checks.some(
        ({ kind, path }) =>
          kind === 'DNS_CHECK' ||
          (kind === 'MISC_CHECK' &&
            commandLine(path?.value ?? '').words.some(word => /(^|\/)dig$/.test(word))),
      ),
  );
}

/** What must be the same for several addresses to be listeners of one Chorus. */
function farmKey(parts: readonly VirtualServer[]): string {
  const servers = parts.flatMap(part =>
    part.realServers.map(server => `${server.address} ${portOf(server, part)} ${weightOf(server, part)}`),
  );
  return JSON.stringify([...new Set(servers)].sort());
}

function portOf({ port }: RealServer, { target }: VirtualServer): number {
  return port ?? (target.kind === 'address' ? target.port : undefined) ?? dnsPort;
}

function weightOf({ weight }: RealServer, of: VirtualServer): number {
  return weight?.value ?? of.weight?.value ?? 1;
}

/** The real servers of all parts, each once, in the order of the file. */
function merge(parts: readonly VirtualServer[], remarks: Remarks): Member[] {
  const found = new Map<string, { member: Member; seen: { server: RealServer; of: VirtualServer }[] }>();
  for (const of of parts) {
    const here = new Set<string>();
    for (const server of of.realServers) {
      const port = portOf(server, of);
      const address = plainAddress(server.address);
      const key = `${address} ${port}`;
      if (here.has(key)) {
        remarks.add('dropped', `real_server ${key}`, server.place, 'its virtual server has it already');
        continue;
      }
      here.add(key);
      const known = found.get(key);
      if (!known) {
        const seen = [{ server, of }];
        found.set(key, { member: { address, port, weight: weightOf(server, of), seen }, seen });
        continue;
      }
      known.seen.push({ server, of });
      if (weightOf(server, of) !== known.member.weight) {
        const why = `a backend has one weight for UDP and TCP: it is ${known.member.weight}, as before`;
        remarks.add(
          'approximated',
          `weight ${weightOf(server, of)}`,
          server.weight?.place ?? server.place,
          why,
        );
      }
    }
  }
  const protocols = new Set(parts.map(({ protocol }) => protocol?.value ?? 'UDP'));
  const everywhere = (seen: Member['seen']) =>
    [...protocols].every(name => seen.some(({ of }) => (of.protocol?.value ?? 'UDP') === name));
  for (const { seen } of found.values()) {
    const { place } = seen[0]!.server;
    if (everywhere(seen))
      remarks.add('kept', 'real_server', place, 'a backend of the pool, asked over UDP and TCP');
    else {
      const name = seen[0]!.of.protocol?.value ?? 'UDP';
      const why = `the file has it for ${name} alone; Chorus asks it over UDP and TCP`;
      remarks.add('approximated', 'real_server', place, why, 'let it answer over both (RFC 7766)');
    }
  }
  return [...found.values()].map(({ member }) => member);
}

function listeners(
  services: readonly Service[],
  model: Model,
  options: TranslateOptions,
  remarks: Remarks,
): Endpoint[] {
  const found = new Map<string, Endpoint>();
  const given = options.listen.length > 0;
  const listen = given ? options.listen : services.flatMap(service => service.listen);
  for (const endpoint of listen) found.set(formatEndpoint(endpoint), endpoint);
  for (const { name, parts } of services) {
    const what = `virtual_server ${name}`;
    const protocols = new Set(parts.map(({ protocol }) => protocol?.value ?? 'UDP'));
    for (const { place, target } of parts) {
      if (given) {
        const why = '`listen` is what --listen says';
        remarks.add('approximated', what, place, why);
      } else if (protocols.has('UDP') && protocols.has('TCP')) {
        remarks.add('kept', what, place, 'a listener for UDP and TCP');
      } else {
        const why = `a listener for UDP and TCP; the file has it for ${[...protocols].join(' and ')} alone, but a nameserver needs both (RFC 7766)`;
        remarks.add('approximated', what, place, why);
      }
      if (target.kind === 'address' && target.port === undefined && !given) {
        const why = 'it serves all ports; Chorus listens on port 53';
        remarks.add('approximated', `${what}: its port`, place, why);
      }
      const moves = services
        .flatMap(service => service.listen)
        .some(({ address }) => model.vrrpAddresses.includes(address));
      if (moves && !given) {
        const why =
          'VRRP moves it between machines; a machine that does not have it cannot listen there as things are';
        const todo = 'set net.ipv4.ip_nonlocal_bind=1 (or net.ipv6.ip_nonlocal_bind=1), or listen on 0.0.0.0';
        remarks.add('approximated', `${what}: its address`, place, why, todo);
      }
      const why =
        'anybody could ask the kernel; Chorus answers private networks only until told otherwise, and others get REFUSED';
      remarks.add(
        'approximated',
        `${what}: its clients`,
        place,
        why,
        'name your clients’ networks in `allow`',
      );
    }
  }
  return [...found.values()];
}

const policies: Readonly<
  Record<Scheduler, { policy: PolicyName; why: string; exact: boolean; weighs: boolean }>
> = {
  rr: { policy: 'round-robin', why: 'each in turn', exact: true, weighs: false },
  wrr: { policy: 'round-robin', why: 'each in turn, as often as its weight says', exact: true, weighs: true },
  lc: {
    policy: 'least-outstanding',
    why: 'the kernel counts flows, which for UDP last minutes; Chorus counts queries that wait for an answer',
    exact: false,
    weighs: false,
  },
  wlc: {
    policy: 'least-outstanding',
    why: 'the kernel counts flows, which for UDP last minutes; Chorus counts queries that wait for an answer',
    exact: false,
    weighs: true,
  },
  sed: {
    policy: 'least-outstanding',
    why: 'both take the lowest (waiting + 1) / weight; Chorus counts queries, not flows',
    exact: false,
    weighs: true,
  },
  nq: {
    policy: 'least-outstanding',
    why: 'an idle backend is taken before a busy one by weight; Chorus counts queries, not flows',
    exact: false,
    weighs: true,
  },
  twos: {
    policy: 'least-outstanding',
    why: 'Chorus compares all backends, not two drawn at random',
    exact: false,
    weighs: true,
  },
  sh: {
    policy: 'client-hash',
    why: 'a client has its backend, but when backends come and go only their own clients move, and no backend is given much more than its share',
    exact: false,
    weighs: true,
  },
  mh: {
    policy: 'client-hash',
    why: 'both hash the client’s address so that few clients move; Chorus also bounds the load of each backend',
    exact: false,
    weighs: true,
  },
  dh: {
    policy: 'consistent-hash',
    why: 'a hash of the virtual address sends all to one server; Chorus hashes the name that is asked for, which serves the caches as it was meant',
    exact: false,
    weighs: true,
  },
  lblc: {
    policy: 'consistent-hash',
    why: 'it keeps destinations together for the sake of caches, of which there is one here; Chorus keeps names together',
    exact: false,
    weighs: true,
  },
  lblcr: {
    policy: 'consistent-hash',
    why: 'it keeps destinations together for the sake of caches, of which there is one here; Chorus keeps names together',
    exact: false,
    weighs: true,
  },
  fo: {
    policy: 'first-available',
    why: 'the backends stand in the order of their weights, and the first that is up is asked',
    exact: true,
    weighs: true,
  },
  ovf: {
    policy: 'first-available',
    why: 'the backends stand in the order of their weights, which become `capacity`: queries that wait in one worker, where the kernel counts flows',
    exact: false,
    weighs: true,
  },
};

const defaultScheduler: Scheduler = 'wlc';

function schedulerOf(parts: readonly VirtualServer[]): Scheduler {
  return parts[0]?.scheduler?.value ?? defaultScheduler;
}

function policyOf(parts: readonly VirtualServer[], remarks: Remarks): PolicyName {
  const scheduler = schedulerOf(parts);
  const { policy, why, exact } = policies[scheduler];
  for (const { scheduler: own, place } of parts) {
    const name = own?.value ?? defaultScheduler;
    const what = own ? `lb_algo ${name}` : `lb_algo ${name}, by default`;
    const where = own?.place ?? place;
    if (name === scheduler)
      remarks.add(exact ? 'kept' : 'approximated', what, where, `policy: ${policy}; ${why}`);
    else {
      const reason = `a pool has one policy for UDP and TCP: ${policy}, after lb_algo ${scheduler}`;
      remarks.add('approximated', what, where, reason);
    }
  }
  const persistent = parts.find(({ persistence }) => persistence !== undefined);
  if (!persistent?.persistence || policy === 'first-available' || policy === 'client-hash') return policy;
  return 'client-hash';
}

/** The probes of one backend, each once. */
function probesOf({ port, seen }: Member, remarks: Remarks, problems: Problems): Wanted[] {
  const found = new Map<string, Wanted>();
  for (const { server, of } of seen) {
    const plain = { ...server, address: plainAddress(server.address) };
    for (const check of server.checks) {
      const wanted = probeFor(check, plain, port, of.timers, remarks, problems);
      if (!wanted) continue;
      const key = JSON.stringify(wanted.asks);
      const known = found.get(key);
      if (known) wanted.remarks.take(known.remarks);
      const quicker = !known || wanted.old.silent < known.old.silent;
      found.set(key, quicker ? wanted : { ...known, remarks: wanted.remarks });
    }
  }
  return [...found.values()];
}

/** Probes that a pool may have. */
const mostProbes = 8;

function probesOfPool(
  members: readonly Member[],
  wanted: ReadonlyMap<Member, readonly Wanted[]>,
  { keepTimers }: TranslateOptions,
  remarks: Remarks,
  first: VirtualServer,
): NewProbe[] {
  const all = members.flatMap(member => (wanted.get(member) ?? []).map(each => ({ member, each })));
  const groups = [...Map.groupBy(all, ({ each }) => JSON.stringify(each.asks)).values()].sort(
    (a, b) => b.length - a.length,
  );
  const [commonest] = groups;
  const probes: NewProbe[] = [];
  for (const group of groups) {
    const { each } = group[0]!;
    if (probes.some(({ asks }) => questionKey(asks) === questionKey(each.asks))) {
      for (const { each: other } of group) remarks.take(other.remarks);
      continue;
    }
    const few = group.length < members.length;
    const what = nameOf(each);
    // A question may be asked of all; a program that was meant for one server may not be run for others.
    if (group.length * 2 < members.length && (group !== commonest || each.asks.kind === 'exec')) {
      const why = `all backends of a pool are probed alike, and ${group.length} of ${members.length} servers have this check`;
      for (const { each: other } of group)
        remarks.add('dropped', what, other.check.place, why, 'put them in a pool of their own if it matters');
      continue;
    }
    if (probes.length >= mostProbes) {
      const why = `a pool has at most ${mostProbes} probes`;
      for (const { each: other } of group) remarks.add('dropped', what, other.check.place, why);
      continue;
    }
    if (few) {
      const why = `all backends of a pool are probed alike, and ${group.length} of ${members.length} servers have this check`;
      for (const { each: other } of group) remarks.add('approximated', what, other.check.place, why);
    }
    for (const { each: other } of group) remarks.take(other.remarks);
    probes.push({ asks: each.asks, timers: timersFor(each, keepTimers) });
    timerRemarks(each, keepTimers, remarks);
  }
  if (probes.length > 0) return probes;
  const why =
    'no check is left; a probe asks each server for the name servers of the root, and takes REFUSED for a sign of life too';
  const todo = '`probe: off` takes all backends for good';
  remarks.add('approximated', 'no check', first.place, why, todo);
  return [plainProbe];
}

/** What tells the probes of a pool apart: two that differ in the rest alone would be one. */
function questionKey(asks: Asks): string {
  return JSON.stringify(asks.kind === 'exec' ? asks.command : [asks.kind, asks.name, asks.type]);
}

function nameOf({ check, asks }: Wanted): string {
  if (check.kind !== 'MISC_CHECK') return check.kind;
  if (asks.kind === 'exec') return `MISC_CHECK ${(asks.command[0] ?? '').split('/').at(-1)}`.slice(0, 60);
  return `MISC_CHECK ${asks.name} ${asks.type} over ${asks.kind === 'dns-tcp' ? 'TCP' : 'UDP'}`.slice(0, 60);
}

function timerRemarks(each: Wanted, keep: boolean, remarks: Remarks): void {
  const timers = timersFor(each, keep);
  const { place } = each.check;
  const { failures, of } = timers.window;
  const window =
    failures === 1 ? 'one failure takes a backend out' : `${failures} failures of ${of} probes take it out`;
  if (each.asks.kind === 'exec' || keep) {
    const why = `interval ${timers.interval / 1000} s, so that what fails is out as soon as before; ${window}`;
    remarks.add('kept', 'timers of the check', place, why);
    return;
  }
  const why = `interval ${timers.interval / 1000} s, since a probe costs next to nothing; ${window}`;
  remarks.add('approximated', 'timers of the check', place, why, '--keep-timers keeps those of the file');
}

/** Whether a real server can be a backend; tells why not. */
function canServe(member: Member, listen: readonly Endpoint[], remarks: Remarks): boolean {
  const { server } = member.seen[0]!;
  const what = `real_server ${formatEndpoint(member)}`;
  const loop = listen.some(listener => overlaps(listener, member));
  if (loop || isWildcard(member.address)) {
    const why = loop ? 'Chorus listens there, so it would ask itself' : 'it is no address of one machine';
    const todo = 'give the nameserver another address or port, and name it in `backends`';
    remarks.add('dropped', what, server.place, why, todo);
    return false;
  }
  if (member.weight === 0) {
    const todo = 'add it when it shall serve; `chorus backend drain NAME` does what weight 0 did';
    remarks.add('dropped', what, server.weight?.place ?? server.place, 'its weight is 0', todo);
    return false;
  }
  return true;
}

function backendsOf(
  members: readonly Member[],
  wanted: ReadonlyMap<Member, readonly Wanted[]>,
  policy: PolicyName,
  first: VirtualServer,
  remarks: Remarks,
  problems: Problems,
): NewBackend[] {
  const scheduler = first.scheduler?.value ?? defaultScheduler;
  const { weighs } = policies[scheduler];
  const heaviestThere = Math.max(0, ...members.map(({ weight }) => weight));
  const scale = heaviestThere > heaviest ? heaviestThere / heaviest : 1;
  const names = new Set<string>();
  const backends: (NewBackend & { readonly rank: number })[] = [];
  for (const member of members) {
    const { server } = member.seen[0]!;
    const { place } = server;
    const endpoint = { address: member.address, port: member.port };
    const source = sourceFor(wanted.get(member) ?? [], remarks);
    backends.push({
      name: backendName(endpoint, server, names),
      endpoint,
      weight: weighs && policy !== 'first-available' ? Math.max(1, Math.round(member.weight / scale)) : 1,
      ...capacityOf(member, policy, scheduler, remarks),
      ...(source !== undefined && { source }),
      place,
      rank: member.weight,
    });
    weightRemark(member, scheduler, scale, remarks);
  }
  if (backends.length === 0) {
    problems.add(first.place, 'no real server is left that could be a backend', {
      expected: 'a real_server with a weight above 0',
    });
  }
  if (backends.length > maxBackends / 2) {
    problems.add(first.place, `there are ${backends.length} real servers`, {
      expected: `at most ${maxBackends / 2}`,
    });
  }
  if (policy === 'first-available' && (scheduler === 'fo' || scheduler === 'ovf'))
    backends.sort((a, b) => b.rank - a.rank);
  return backends.map(({ rank: _, ...backend }) => backend);
}

function weightRemark({ seen, weight }: Member, scheduler: Scheduler, scale: number, remarks: Remarks): void {
  const own = seen[0]!.server.weight ?? seen[0]!.of.weight;
  if (!own) return;
  const { place } = own;
  if (!policies[scheduler].weighs) {
    remarks.add('kept', 'weight', place, `lb_algo ${scheduler} does not look at it, so it is left out`);
  } else if (scheduler === 'fo' || scheduler === 'ovf') {
    remarks.add('kept', 'weight', place, 'it gives the order of the backends');
  } else if (scale > 1) {
    const why = `weights go to ${heaviest}; all are divided alike`;
    remarks.add('approximated', `weight ${weight}`, place, why);
  } else remarks.add('kept', 'weight', place, 'as it is');
}

function capacityOf(
  { weight, seen }: Member,
  policy: PolicyName,
  scheduler: Scheduler,
  remarks: Remarks,
): { capacity?: number } {
  const limit = seen
    .map(({ server }) => server.uthreshold)
    .find(found => found !== undefined && found.value > 0);
  if (policy === 'first-available' && limit) {
    const why = 'it becomes `capacity`: queries that wait in one worker, where the kernel counts flows';
    remarks.add('approximated', 'uthreshold', limit.place, why);
    return { capacity: Math.min(65_535, limit.value) };
  }
  if (limit) {
    const why =
      'the kernel counts flows, which for UDP last minutes; Chorus bounds the queries that wait for a backend by itself';
    remarks.add(
      'dropped',
      'uthreshold',
      limit.place,
      why,
      'lower its `weight` if it is weaker than the others',
    );
  }
  return scheduler === 'ovf' ? { capacity: Math.min(65_535, weight) } : {};
}

/** The address to ask a backend from, where its checks agree on one. */
function sourceFor(wanted: readonly Wanted[], remarks: Remarks): string | undefined {
  const [first, ...others] = wanted.filter(({ source }) => source !== undefined);
  for (const { source, check } of others) {
    if (source === first?.source) continue;
    const why = `a backend has one source address: it is ${first?.source}`;
    remarks.add('dropped', `the source address ${source}`, check.place, why);
  }
  return first?.source;
}

/** A name for a backend: what SNMP called it, or its address. */
function backendName({ address, port }: Endpoint, server: RealServer, names: Set<string>): string {
  const plain = isIpv6(address) ? `v6-${address.replaceAll(/[:%]/g, '-')}` : address;
  const byAddress = port === dnsPort ? plain : `${plain}-${port}`;
  const wished = server.snmpName?.value ?? '';
  const fits = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/.test(wished) && !names.has(wished);
  let name = fits ? wished : byAddress.slice(0, 55);
  for (let i = 2; names.has(name); i++) name = `${byAddress.slice(0, 55)}-${i}`;
  names.add(name);
  return name;
}

function sorryLast(
  parts: readonly VirtualServer[],
  backends: NewBackend[],
  listen: readonly Endpoint[],
  remarks: Remarks,
): void {
  const names = new Set(backends.map(({ name }) => name));
  for (const { sorry, target } of parts) {
    if (!sorry) continue;
    const port = sorry.value.port ?? (target.kind === 'address' ? target.port : undefined) ?? dnsPort;
    const endpoint = { address: plainAddress(sorry.value.address), port };
    const where = formatEndpoint(endpoint);
    const loop = listen.some(listener => overlaps(listener, endpoint));
    if (loop || isWildcard(endpoint.address) || backends.length >= maxBackends / 2) {
      sorryRemark(remarks, sorry);
      continue;
    }
    remarks.add(
      'kept',
      'sorry_server',
      sorry.place,
      'it is the last backend, which is asked when no other can be',
    );
    if (backends.some(each => formatEndpoint(each.endpoint) === where)) continue;
    let name = 'sorry';
    for (let i = 2; names.has(name); i++) name = `sorry-${i}`;
    names.add(name);
    backends.push({ name, endpoint, weight: 1, place: sorry.place });
  }
}

function sorryRemark(remarks: Remarks, { place }: { place: Place }): void {
  const why =
    'when no backend is up Chorus tries those that are down, and gives old answers from its cache meanwhile; it has no server that says sorry';
  remarks.add(
    'dropped',
    'sorry_server',
    place,
    why,
    'name it as a backend with `policy: first-available` if it is a nameserver',
  );
}

/** What is said once for a virtual server. */
function settings(parts: readonly VirtualServer[], policy: PolicyName, remarks: Remarks): void {
  for (const { method, place, persistence, granularity, quorum, alpha, protocol } of parts) {
    methodRemark(
      remarks,
      method ? `lb_kind ${method.value}` : 'lb_kind NAT, by default',
      method ?? { value: 'NAT', place },
    );
    if (alpha?.value) alphaRemark(remarks, alpha);
    if (protocol?.value === 'SCTP') {
      remarks.add('dropped', 'protocol SCTP', protocol.place, 'DNS is not asked over SCTP');
    }
    if (persistence) {
      const why =
        policy === 'client-hash'
          ? 'policy: client-hash keeps a client with its backend as long as that is up, without a table and a timeout'
          : `policy: ${policy} sends all to the same backend anyway`;
      remarks.add(
        'approximated',
        'persistence_timeout',
        persistence.place,
        why,
        'DNS needs none: without it another policy spreads the load better',
      );
    }
    if (granularity) {
      const why = 'client-hash takes the whole address of a client';
      remarks.add('dropped', 'persistence_granularity', granularity.place, why);
    }
    if (quorum && quorum.value > 1) {
      const why = 'Chorus goes on with the backends that are left, however few';
      remarks.add(
        'dropped',
        `quorum ${quorum.value}`,
        quorum.place,
        why,
        'raise an alarm from the metric chorus_backend_serving',
      );
    } else if (quorum) remarks.add('kept', 'quorum 1', quorum.place, 'one backend is enough');
  }
}

function removals(
  members: readonly Member[],
  wanted: ReadonlyMap<Member, readonly Wanted[]>,
  probes: readonly NewProbe[],
): Removal[] {
  const rows = new Map<string, Removal & { servers: number }>();
  for (const member of members) {
    for (const each of wanted.get(member) ?? []) {
      const probe = probes.find(({ asks }) => questionKey(asks) === questionKey(each.asks));
      if (!probe) continue;
      const { interval, timeout, window } = probe.timers;
      const check = nameOf(each);
      const worst = newRemoval({ interval, timeout, failures: window.failures });
      const row = { check, program: each.asks.kind === 'exec', old: each.old, new: worst };
      const key = JSON.stringify(row);
      const known = rows.get(key);
      if (known) known.servers++;
      else rows.set(key, { ...row, servers: 1 });
    }
  }
  return [...rows.values()];
}
