/**
 * What BIRD answers on its control socket (BIRD 2 and 3, doc/reply_codes): lines with a code of four digits, `-` before all but
 * the last, a space alone before what continues the line above. Pure and bounded.
 */
import type { Attributes } from '../../announcement.ts';
import { sortedCommunities } from '../../community.ts';

/** Most characters of one line, and of one reply. */
export const bounds = { line: 65_536, reply: 8 * 2 ** 20 } as const;

/** One reply: the code of its last line and the texts of all lines. */
export type Reply = { readonly code: number; readonly lines: readonly string[] };

/** Gathers replies from a stream. */
export class ReplyReader {
  #rest = '';
  #lines: string[] = [];
  #size = 0;

  /** Takes what came; gives the replies that are whole now. Undefined when it is no reply of BIRD, or beyond all bounds. */
  feed(text: string): readonly Reply[] | undefined {
    const replies: Reply[] = [];
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > bounds.line) return undefined;
    for (const line of lines) {
      this.#size += line.length + 1;
      if (line.length > bounds.line || this.#size > bounds.reply) return undefined;
      // Lines of BIRD's log, which a session may have asked for.
      if (line.startsWith('+')) continue;
      const [, digits, separator, rest] = /^(\d{4})([ -])(.*)$/.exec(line) ?? [];
      if (digits === undefined) {
        if (!line.startsWith(' ')) return undefined;
        this.#lines.push(line.slice(1));
      } else {
        this.#lines.push(rest ?? '');
        if (separator === ' ') {
          replies.push({ code: Number(digits), lines: this.#lines });
          this.#lines = [];
          this.#size = 0;
        }
      }
    }
    return replies;
  }
}

/** Whether a reply is an error: 8xxx of the run, 9xxx of the grammar. */
export function isError({ code }: Reply): boolean {
  return code >= 8000;
}

/** A route of `show route … all`. */
export type BirdRoute = {
  /** As BIRD writes it: "192.0.2.53/32". */
  readonly prefix: string;
  readonly protocol: string;
  readonly attributes: Attributes;
};

/** Takes `show route … all` apart; lines that it does not know are passed over. */
export function parseRoutes(lines: readonly string[]): readonly BirdRoute[] {
  const routes: BirdRoute[] = [];
  let prefix = '';
  let route: { prefix: string; protocol: string; found: Map<string, string> } | undefined;
  const end = () => {
    if (route)
      routes.push({ prefix: route.prefix, protocol: route.protocol, attributes: attributesOf(route.found) });
    route = undefined;
  };
  for (const line of lines) {
    const [, net, protocol] = /^([0-9a-fA-F.:]+\/\d{1,3})?\s+[a-z]+ \[(\S+)/.exec(line) ?? [];
    if (protocol !== undefined) {
      end();
      prefix = net ?? prefix;
      route = { prefix, protocol, found: new Map() };
      continue;
    }
    const [, name, value] = /^\s+(?:BGP\.|bgp_)([a-z_]+): ?(.*)$/.exec(line) ?? [];
    if (name !== undefined) route?.found.set(name, value ?? '');
  }
  end();
  return routes;
}

/** BIRD 2 writes `BGP.as_path`, BIRD 3 `bgp_path`; the others have one name. */
function attributesOf(found: ReadonlyMap<string, string>): Attributes {
  const number = (name: string) => {
    const text = found.get(name)?.trim();
    return text !== undefined && /^\d{1,10}$/.test(text) ? Number(text) : null;
  };
  const tuples = (name: string) =>
    sortedCommunities(
      [...(found.get(name) ?? '').matchAll(/\(([\d, ]+)\)/g)].map(([, tuple = '']) =>
        tuple.split(/, */).join(':'),
      ),
    );
  const path = found.get('as_path') ?? found.get('path') ?? '';
  return {
    med: number('med'),
    localPreference: number('local_pref'),
    communities: tuples('community'),
    largeCommunities: tuples('large_community'),
    prepend: path.split(' ').filter(word => /^\d+$/.test(word)).length,
  };
}

/** A BGP session of `show protocols all`. */
export type BirdSession = {
  readonly name: string;
  readonly established: boolean;
  readonly localAs: number | null;
  readonly external: boolean;
  /** It keeps our routes for so many seconds when BIRD dies: graceful restart is agreed on (RFC 4724). Null: it does not. */
  readonly keeps: number | null;
};

/** Takes `show protocols all` apart: names of all protocols, and the BGP sessions. */
export function parseProtocols(lines: readonly string[]): {
  readonly names: ReadonlySet<string>;
  readonly sessions: readonly BirdSession[];
} {
  const names = new Set<string>();
  const sessions: BirdSession[] = [];
  let session: { name: string; established: boolean; as: number | null; external: boolean } | undefined;
  let side: 'local' | 'neighbor' | undefined;
  let restart = { ours: false, theirs: false, time: null as number | null, families: false };
  const end = () => {
    if (session) {
      const keeps = restart.ours && restart.theirs && restart.families ? (restart.time ?? 120) : null;
      const { name, established, as, external } = session;
      sessions.push({ name, established, localAs: as, external, keeps });
    }
    session = undefined;
    side = undefined;
    restart = { ours: false, theirs: false, time: null, families: false };
  };
  for (const line of lines) {
    const [, name, kind] = /^(\S+)\s+([A-Z]\w*)\s+\S+\s+(?:up|down|start|stop|flush)\b/.exec(line) ?? [];
    if (name !== undefined) {
      end();
      names.add(name);
      if (kind === 'BGP') session = { name, established: false, as: null, external: false };
      continue;
    }
    if (!session) continue;
    const text = line.trim();
    if (text === 'Local capabilities') side = 'local';
    else if (text === 'Neighbor capabilities') side = 'neighbor';
    else if (text.startsWith('Session:')) {
      side = undefined;
      session.external = text.includes('external');
    } else if (text.startsWith('BGP state:')) session.established = text.endsWith('Established');
    else if (text.startsWith('Local AS:')) session.as = Number(/\d+/.exec(text)?.[0] ?? Number.NaN) || null;
    else if (text === 'Graceful restart') {
      if (side === 'local') restart.ours = true;
      if (side === 'neighbor') restart.theirs = true;
    } else if (side === 'local' && text.startsWith('Restart time:'))
      restart.time = Number(/\d+/.exec(text)?.[0] ?? 120);
    else if (side === 'local' && text.startsWith('AF supported:')) restart.families = /ipv[46]/.test(text);
  }
  end();
  return { names, sessions };
}
