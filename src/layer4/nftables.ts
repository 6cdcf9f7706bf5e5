/**
 * The text for `nft -f -` and what is read back with `nft -j`. Pure.
 *
 * UDP is without state: the destination of a query is set by a hash of its source to a slot, and the source of an answer is set back.
 * No flow is remembered, so none sticks to a backend. TCP is translated by conntrack. One transaction changes all slots; only the
 * table `inet chorus_NAME` is touched.
 */
import { z } from 'zod';
import { isIpv6 } from '#net/address.ts';
import type { Layer4Service } from './plan.ts';
import { slotCount, slotTable } from './slots.ts';

/** Fixed, so that all expressions of a rule and all balancers agree; the kernel would choose one at random for each. */
const seed = 0x43686f72;

/** Elements of each set and map, by name, in the form of `canonical`. */
export type Elements = ReadonlyMap<string, readonly string[]>;
/** The kinds of what holds them, by name. */
type Kinds = ReadonlyMap<string, 'map' | 'set'>;

/** What is wanted of the kernel. */
export type NftWanted = {
  readonly table: string;
  /** The whole table: replaces what is there in one transaction. */
  readonly text: string;
  /** Everything but the slots: while it stays, `change` is enough. */
  readonly frame: string;
  readonly elements: Elements;
  readonly kinds: Kinds;
  /** How many rules there are in all chains. */
  readonly rules: number;
};

/** The table's name, from that of the configuration. */
export function tableName(name: string): string {
  return `chorus_${name}`;
}

/** What is wanted for these services. The same services give the same text. */
export function nftWanted(name: string, services: readonly Layer4Service[]): NftWanted {
  const table = tableName(name);
  const parts = services.map((service, index) => partOf(service, `s${index}`));
  const elements = new Map(parts.flatMap(part => part.holders.map(({ name, elements }) => [name, elements])));
  const kinds = new Map(parts.flatMap(part => part.holders.map(({ name, kind }) => [name, kind] as const)));
  const body = (filled: boolean) => {
    const holders = parts.flatMap(part =>
      part.holders.map(({ kind, name, type, elements }) => {
        const list = filled && elements.length > 0 ? `\n    elements = { ${elements.join(', ')} }` : '';
        return `  ${kind} ${name} {\n    ${type}${list}\n  }\n`;
      }),
    );
    const chain = (chainName: string, hook: string, rules: readonly string[]) =>
      `  chain ${chainName} {\n    type ${hook}; policy accept;\n${rules.map(rule => `    ${rule}\n`).join('')}  }\n`;
    return [
      ...holders,
      chain(
        'queries',
        'filter hook prerouting priority -300',
        parts.flatMap(({ queries }) => queries),
      ),
      chain(
        'answers',
        'filter hook forward priority -300',
        parts.flatMap(({ answers }) => answers),
      ),
      chain(
        'connections',
        'nat hook prerouting priority -100',
        parts.flatMap(({ connections }) => connections),
      ),
      chain(
        'ends',
        'filter hook forward priority 0',
        parts.flatMap(({ ends }) => ends),
      ),
    ].join('');
  };
  const text = (filled: boolean) =>
    // The first line makes the table, so that the second cannot fail.
    `table inet ${table}\ndelete table inet ${table}\ntable inet ${table} {\n${body(filled)}}\n`;
  const rules = parts.reduce(
    (sum, { queries, answers, connections, ends }) =>
      sum + queries.length + answers.length + connections.length + ends.length,
    0,
  );
  return { table, text: text(true), frame: text(false), elements, kinds, rules };
}

/** The text that takes our table away; does nothing where there is none. */
export function nftRemoval(name: string): string {
  const table = tableName(name);
  return `table inet ${table}\ndelete table inet ${table}\n`;
}

/** The text that makes `wanted` of a table with the same frame and `actual` elements; empty when they are the same. */
export function nftChange({ table, elements, kinds }: NftWanted, actual: Elements): string {
  const lines: string[] = [];
  for (const [name, list] of elements) {
    if (same(list, actual.get(name) ?? [])) continue;
    lines.push(`flush ${kinds.get(name)} inet ${table} ${name}`);
    if (list.length > 0) lines.push(`add element inet ${table} ${name} { ${list.join(', ')} }`);
  }
  return lines.map(line => `${line}\n`).join('');
}

/** Whether what was read back is what is wanted. */
export function nftAgrees({ elements, rules }: NftWanted, actual: NftActual): boolean {
  return (
    rules === actual.rules &&
    elements.size === actual.elements.size &&
    [...elements].every(([name, list]) => same(list, actual.elements.get(name) ?? []))
  );
}

function same(one: readonly string[], other: readonly string[]): boolean {
  return one.length === other.length && one.toSorted().join() === other.toSorted().join();
}

type Holder = {
  readonly kind: 'map' | 'set';
  readonly name: string;
  readonly type: string;
  readonly elements: readonly string[];
};
type Part = {
  readonly holders: readonly Holder[];
  readonly queries: readonly string[];
  readonly answers: readonly string[];
  readonly connections: readonly string[];
  readonly ends: readonly string[];
};

function partOf({ address, port, udp, tcp, backends }: Layer4Service, at: string): Part {
  const ip = isIpv6(address) ? 'ip6' : 'ip';
  const type = isIpv6(address) ? 'ipv6_addr' : 'ipv4_addr';
  const members = backends.map(({ name, weight, role }) => ({ name, weight, serves: role === 'serves' }));
  const count = slotCount(members);
  const slots = [...slotTable(members, count).entries()].flatMap(([slot, owner]) =>
    owner < 0 ? [] : [{ slot, to: backends[owner]! }],
  );
  const map = (name: string, data: string, value: (to: (typeof backends)[number]) => string): Holder => ({
    kind: 'map',
    name: `${at}_${name}`,
    // The number of `numgen` has the type of that of `jhash`, of which nft 1.0.6 cannot print `typeof`.
    type: `typeof numgen inc mod ${count} : ${data}`,
    elements: slots.map(({ slot, to }) => `${slot} : ${value(to)}`),
  });
  const set = (name: string, list: typeof backends): Holder => ({
    kind: 'set',
    name: `${at}_${name}`,
    type: `type ${type} . inet_service`,
    elements: [...new Set(list.map(each => `${each.address} . ${each.port}`))],
  });
  const hash = (protocol: 'udp' | 'tcp') =>
    `jhash ${ip} saddr . ${protocol} sport mod ${count} seed 0x${seed.toString(16)}`;
  const ported = backends.some(backend => backend.port !== port);
  const holders: Holder[] = [];
  const queries: string[] = [];
  const answers: string[] = [];
  const connections: string[] = [];
  const ends: string[] = [];
  if (udp) {
    holders.push(map('address', `${ip} daddr`, to => to.address));
    if (ported) holders.push(map('port', 'udp dport', to => String(to.port)));
    holders.push(set('backends', backends));
    const rewrite = `${ip} daddr set ${hash('udp')} map @${at}_address`;
    const reported = ported ? ` udp dport set ${hash('udp')} map @${at}_port` : '';
    queries.push(`${ip} daddr ${address} udp dport ${port} notrack ${rewrite}${reported}`);
    // Answers to our own probes stay tracked: a firewall of this machine lets them in by that.
    queries.push(`${ip} saddr . udp sport @${at}_backends fib daddr type != local notrack`);
    const back = ported ? `udp sport set ${port} ` : '';
    answers.push(`${ip} saddr . udp sport @${at}_backends ${back}${ip} saddr set ${address}`);
  }
  if (tcp) {
    holders.push(map('tcp', `${ip} daddr . tcp dport`, to => `${to.address} . ${to.port}`));
    holders.push(
      set(
        'gone',
        backends.filter(({ role }) => role === 'gone'),
      ),
    );
    connections.push(`${ip} daddr ${address} tcp dport ${port} dnat ${ip} to ${hash('tcp')} map @${at}_tcp`);
    ends.push(`ct status dnat ${ip} daddr . tcp dport @${at}_gone reject with tcp reset`);
  }
  return { holders, queries, answers, connections, ends };
}

/** A scalar or a concatenation, as `nft -j` writes it. */
const atom = z.union([z.string().max(200), z.number()]);
const value = z.union([atom, z.object({ concat: z.array(atom).max(8) })]);
const element = z.union([z.tuple([value, value]), value]);
const holder = z.object({ name: z.string().max(200), elem: z.array(element).max(200_000).optional() });
const listing = z.object({ nftables: z.array(z.record(z.string(), z.unknown())).max(10_000) });

/** What stands in the kernel. */
export type NftActual = {
  readonly elements: Elements;
  /** All but the elements, without handles: changes when anybody changes a rule. */
  readonly frame: string;
  /** How many rules there are in all chains. */
  readonly rules: number;
};

/** Takes the answer of `nft -j list table inet …` apart; null when it is none. */
export function nftActual(text: string): NftActual | null {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return null;
  }
  const list = listing.safeParse(parsed);
  if (!list.success) return null;
  const elements = new Map<string, readonly string[]>();
  const frame: unknown[] = [];
  let rules = 0;
  for (const entry of list.data.nftables) {
    const [kind = ''] = Object.keys(entry);
    if (kind === 'metainfo') continue;
    if (kind === 'rule') rules++;
    const body = entry[kind];
    if (kind === 'map' || kind === 'set') {
      const found = holder.safeParse(body);
      if (!found.success) return null;
      elements.set(found.data.name, (found.data.elem ?? []).map(canonical));
    }
    frame.push([kind, stripped(body)]);
  }
  return { elements, frame: JSON.stringify(frame), rules };
}

/** An element as it stands in our text. */
function canonical(each: z.output<typeof element>): string {
  const word = (one: z.output<typeof value>) =>
    typeof one === 'object' ? one.concat.join(' . ') : String(one);
  return Array.isArray(each) ? each.map(word).join(' : ') : word(each);
}

/** Without what changes though nobody changes a rule. */
function stripped(body: unknown): unknown {
  if (typeof body !== 'object' || body === null) return body;
  return Object.fromEntries(Object.entries(body).filter(([key]) => key !== 'handle' && key !== 'elem'));
}
