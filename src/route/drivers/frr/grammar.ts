/**
 * What is said to FRR and what it answers: commands of vtysh, the running configuration, and `show bgp … json`. FRR 8 to 10.
 * Pure; what does not have the right form is left out or gives null, never an exception.
 */
import { z } from 'zod';
import { type Announcement, type Attributes, formatPrefix } from '../../announcement.ts';
import { sortedCommunities } from '../../community.ts';

/** Communities that FRR shows by a name, without `-` and in small letters (bgpd/bgp_community.c). */
const named: Readonly<Record<string, string>> = {
  internet: '0:0',
  gracefulshutdown: '65535:0',
  acceptown: '65535:1',
  routefiltertranslatedv4: '65535:2',
  routefilterv4: '65535:3',
  routefiltertranslatedv6: '65535:4',
  routefilterv6: '65535:5',
  llgrstale: '65535:6',
  nollgr: '65535:7',
  acceptownnexthop: '65535:8',
  blackhole: '65535:666',
  noexport: '65535:65281',
  noadvertise: '65535:65282',
  localas: '65535:65283',
  nopeer: '65535:65284',
};

function communityOf(word: string): string {
  return named[word.toLowerCase().replaceAll('-', '')] ?? word;
}

/** The instance of BGP that is meant. */
export type Instance = { readonly as: number; readonly vrf: string | null };

/** What of the running configuration matters. */
export type RunningConfig = {
  /** As FRR writes it: "8.4.4"; null where it does not. */
  readonly version: string | null;
  /** The BGP instances that there are: "65001", "65001 vrf dns". */
  readonly instances: readonly string[];
  /** Whether the instance that is meant is there. */
  readonly found: boolean;
  /** Whether a `network` needs a route in the table to be announced (`bgp network import-check`; on by default since FRR 7.4). */
  readonly importCheck: boolean;
  /** `network` statements of the instance: prefix to route map, or to null where there is none. */
  readonly networks: ReadonlyMap<string, string | null>;
  /** Route maps: name to their `set` lines in one form, or to null where there is more in them than one entry of ours has. */
  readonly routeMaps: ReadonlyMap<string, string | null>;
};

/** Takes `show running-config` apart. Null where it does not end as one does. */
export function parseRunningConfig(text: string, instance: Instance): RunningConfig | null {
  let version: string | null = null;
  let importCheck = true;
  let found = false;
  const instances: string[] = [];
  const networks = new Map<string, string | null>();
  const routeMaps = new Map<string, string | null>();
  let at: 'top' | 'bgp' | 'unicast' | 'map' | 'other' = 'top';
  let map = '';
  for (const line of text.split('\n')) {
    const words = line.trim().split(/\s+/);
    const [first, second, third, fourth] = words;
    if (first === '' || first === undefined || first.startsWith('!')) continue;
    if (line.startsWith('frr version ') && third !== undefined) version = third;
    if (line === 'end') return { version, instances, found, importCheck, networks, routeMaps };
    if (!line.startsWith(' ')) {
      at = 'top';
      if (first === 'router' && second === 'bgp' && third !== undefined) {
        const vrf = fourth === 'vrf' || fourth === 'view' ? (words[4] ?? null) : null;
        instances.push(vrf === null ? third : `${third} ${fourth} ${vrf}`);
        const ours = asNumber(third) === instance.as && vrf === instance.vrf && fourth !== 'view';
        if (ours) found = true;
        at = ours ? 'bgp' : 'other';
      } else if (first === 'route-map' && /^[\x21-\x7e]{1,255}$/.test(second ?? '')) {
        map = second ?? '';
        at = 'map';
        routeMaps.set(map, routeMaps.has(map) || third !== 'permit' || fourth !== '10' ? null : '');
      }
      continue;
    }
    if (at === 'map') {
      const before = routeMaps.get(map);
      if (first === 'set' && before !== null && before !== undefined)
        routeMaps.set(map, joined([...before.split('\n'), oneForm(words)]));
      else if (first !== 'exit') routeMaps.set(map, null);
    } else if (at === 'bgp' || at === 'unicast') {
      if (first === 'address-family')
        at = (second === 'ipv4' || second === 'ipv6') && third === 'unicast' ? 'unicast' : 'bgp';
      else if (first === 'exit-address-family') at = 'bgp';
      else if (line.trim() === 'no bgp network import-check') importCheck = false;
      else if (first === 'network' && /^[0-9a-fA-F.:]+\/\d{1,3}$/.test(second ?? '') && at === 'unicast')
        networks.set(second ?? '', third === 'route-map' ? (fourth ?? null) : null);
    }
  }
  return null;
}

/** `65001`, or `1.10` as RFC 5396 writes it. */
function asNumber(text: string): number {
  const [high = '', low] = text.split('.');
  return low === undefined ? Number(high) : Number(high) * 65_536 + Number(low);
}

/** A `set` line with communities as numbers in order. */
function oneForm(words: readonly string[]): string {
  const [set, what, ...rest] = words;
  if (what === 'community' || what === 'large-community')
    return [set, what, ...sortedCommunities(rest.map(communityOf))].join(' ');
  return words.join(' ');
}

function joined(lines: readonly string[]): string {
  return lines
    .filter(line => line !== '')
    .toSorted()
    .join('\n');
}

/** The `set` lines for attributes, as FRR shows them too. */
export function setLines(attributes: Attributes, as: number): readonly string[] {
  const { med, localPreference, communities, largeCommunities, prepend } = attributes;
  return [
    ...(prepend === 0 ? [] : [`set as-path prepend ${Array(prepend).fill(as).join(' ')}`]),
    ...(communities.length === 0 ? [] : [`set community ${sortedCommunities(communities).join(' ')}`]),
    ...(largeCommunities.length === 0
      ? []
      : [`set large-community ${sortedCommunities(largeCommunities).join(' ')}`]),
    ...(localPreference === null ? [] : [`set local-preference ${localPreference}`]),
    ...(med === null ? [] : [`set metric ${med}`]),
  ];
}

/** What is to be done, and what cannot be. */
export type Change = {
  /** For vtysh, in order; empty when all is as it should be. */
  readonly commands: readonly string[];
  /** Wanted, but there by the hand of another: prefix and what stands there. */
  readonly foreign: readonly { readonly prefix: string; readonly what: string }[];
};

/**
 * The commands that make a running configuration be as wanted. `owner` is the beginning of the names of our route maps:
 * whatever has another name is never touched. A route map is never changed: FRR would take its time to look at it again
 * (`bgp route-map delay-timer`, 5 s). Other attributes get a map of another name, and `network` is given that one, which
 * replaces the route at once and without an absence.
 */
export function changeOf(
  config: RunningConfig,
  wanted: readonly Announcement[],
  instance: Instance,
  owner: string,
): Change {
  const foreign: { prefix: string; what: string }[] = [];
  const maps = new Map<string, readonly string[]>();
  const networks = new Map<string, string>();
  for (const { prefix, attributes } of wanted) {
    const written = formatPrefix(prefix);
    const there = config.networks.get(written);
    if (there !== undefined && !(there?.startsWith(owner) ?? false)) {
      foreign.push({
        prefix: written,
        what: `network ${written}${there === null ? '' : ` route-map ${there}`}`,
      });
      continue;
    }
    const lines = setLines(attributes, instance.as);
    networks.set(written, mapFor(lines, owner, config, maps));
  }
  const add: string[] = [];
  for (const [name, lines] of maps)
    if (!config.routeMaps.has(name)) add.push(`route-map ${name} permit 10`, ...lines, 'exit');
  const statements: Record<'ipv4' | 'ipv6', string[]> = { ipv4: [], ipv6: [] };
  for (const [prefix, map] of config.networks)
    if (map?.startsWith(owner) && !networks.has(prefix))
      statements[familyOf(prefix)].push(`no network ${prefix}`);
  for (const [prefix, map] of networks)
    if (config.networks.get(prefix) !== map)
      statements[familyOf(prefix)].push(`network ${prefix} route-map ${map}`);
  const used = new Set(networks.values());
  const drop = [...config.routeMaps.keys()].filter(name => name.startsWith(owner) && !used.has(name));
  const changed = (['ipv4', 'ipv6'] as const).flatMap(family =>
    statements[family].length === 0
      ? []
      : [`address-family ${family} unicast`, ...statements[family], 'exit-address-family'],
  );
  const { as, vrf } = instance;
  const commands = [
    ...add,
    ...(changed.length === 0
      ? []
      : [`router bgp ${as}${vrf === null ? '' : ` vrf ${vrf}`}`, ...changed, 'exit']),
    ...drop.map(name => `no route-map ${name}`),
  ];
  return { commands: commands.length === 0 ? [] : ['configure terminal', ...commands], foreign };
}

/** The name of a map with these lines: one that is there, or a new one, whose lines are put down in `maps`. */
function mapFor(
  lines: readonly string[],
  owner: string,
  config: RunningConfig,
  maps: Map<string, readonly string[]>,
): string {
  const content = joined(lines);
  // Somebody may have changed a map of ours: it is left, and replaced by one of another name.
  for (let tries = 1; ; tries++) {
    const name = `${owner}${digest(content)}${tries === 1 ? '' : `-${tries}`}`;
    const there = config.routeMaps.get(name);
    const planned = maps.get(name);
    if (
      (there === undefined || there === content) &&
      (planned === undefined || joined(planned) === content)
    ) {
      maps.set(name, lines);
      return name;
    }
  }
}

function familyOf(prefix: string): 'ipv4' | 'ipv6' {
  return prefix.includes(':') ? 'ipv6' : 'ipv4';
}

/** FNV-1a: for names that are short and tell contents apart; that they do is checked against the contents. */
function digest(text: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193) >>> 0;
  return hash.toString(16).padStart(8, '0');
}

/** JSON documents that stand one behind the other; what stands between them is left out. */
export function jsonDocuments(text: string): readonly unknown[] {
  const documents: unknown[] = [];
  let depth = 0;
  let begin = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (quoted) {
      if (letter === '\\') i++;
      else if (letter === '"') quoted = false;
    } else if (letter === '"' && depth > 0) quoted = true;
    else if (letter === '{' && depth++ === 0) begin = i;
    else if (letter === '}' && depth > 0 && --depth === 0) {
      try {
        documents.push(JSON.parse(text.slice(begin, i + 1)));
      } catch {
        documents.push(null);
      }
    }
  }
  return documents;
}

const pathSchema = z.looseObject({
  prefix: z.string(),
  paths: z.array(
    z.looseObject({
      valid: z.boolean().optional(),
      sourced: z.boolean().optional(),
      metric: z.number().optional(),
      locPrf: z.number().optional(),
      aspath: z.looseObject({ string: z.string().optional() }).optional(),
      community: z.looseObject({ list: z.array(z.string()).optional() }).optional(),
      largeCommunity: z.looseObject({ list: z.array(z.string()).optional() }).optional(),
    }),
  ),
});

/** The route that we have put into BGP, of `show bgp ipv4 unicast PREFIX json`; null when there is none or it is not valid. */
export function parsePath(
  document: unknown,
): { readonly prefix: string; readonly attributes: Attributes } | null {
  const { success, data } = pathSchema.safeParse(document);
  const path = success ? data.paths.find(({ sourced, valid }) => sourced && valid) : undefined;
  if (!data || !path) return null;
  const as = (path.aspath?.string ?? '').split(' ').filter(word => /^\d+(\.\d+)?$/.test(word));
  return {
    prefix: data.prefix,
    attributes: {
      med: path.metric ?? null,
      localPreference: path.locPrf ?? null,
      communities: sortedCommunities((path.community?.list ?? []).map(communityOf)),
      largeCommunities: sortedCommunities(path.largeCommunity?.list ?? []),
      prepend: as.length,
    },
  };
}

const neighborSchema = z.looseObject({
  bgpState: z.string(),
  neighborCapabilities: z.looseObject({ gracefulRestart: z.string().optional() }).optional(),
  gracefulRestartInfo: z
    .looseObject({ timers: z.looseObject({ configuredRestartTimer: z.number().optional() }).optional() })
    .optional(),
});

export type Neighbor = {
  readonly address: string;
  readonly established: boolean;
  /** It keeps our routes for so many seconds when bgpd dies: graceful restart is agreed on (RFC 4724). Null: it does not. */
  readonly keeps: number | null;
};

/** Takes `show bgp neighbors json` apart. Null where it has another form. */
export function parseNeighbors(document: unknown): readonly Neighbor[] | null {
  if (typeof document !== 'object' || document === null) return null;
  return Object.entries(document).flatMap(([address, value]) => {
    const { success, data } = neighborSchema.safeParse(value);
    if (!success) return [];
    const both = data.neighborCapabilities?.gracefulRestart === 'advertisedAndReceived';
    const seconds = data.gracefulRestartInfo?.timers?.configuredRestartTimer ?? 120;
    return [
      { address, established: data.bgpState === 'Established', keeps: both && seconds > 0 ? seconds : null },
    ];
  });
}
