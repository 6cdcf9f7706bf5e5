/**
 * What ExaBGP 4 says to its helper: answers to commands as lines of text that end with `done` or `error`, and events as JSON, a
 * line each, wherever they come. And what is said to it. Pure and bounded.
 */
import { z } from 'zod';
import { type Attributes, formatPrefix, type Prefix } from '../../announcement.ts';
import { parseCommunity, parseLargeCommunity, sortedCommunities } from '../../community.ts';

/** Most characters of one line, and of one answer. */
export const bounds = { line: 65_536, answer: 4 * 2 ** 20 } as const;

/** An answer to a command, or an event. */
export type Said =
  | { readonly kind: 'answer'; readonly good: boolean; readonly lines: readonly string[] }
  | { readonly kind: 'state'; readonly peer: string; readonly up: boolean };

const stateSchema = z.looseObject({
  type: z.literal('state'),
  neighbor: z.looseObject({ address: z.looseObject({ peer: z.string() }), state: z.string() }),
});

/** Gathers what is said from a stream. */
export class AnswerReader {
  #rest = '';
  #lines: string[] = [];
  #size = 0;

  /** Takes what came; gives what is whole now. Undefined when it is beyond all bounds. */
  feed(text: string): readonly Said[] | undefined {
    const said: Said[] = [];
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > bounds.line) return undefined;
    for (const line of lines) {
      if (line.length > bounds.line) return undefined;
      if (line.startsWith('{')) {
        const state = stateOf(line);
        if (state) said.push(state);
      } else if (line === 'done' || line === 'error') {
        said.push({ kind: 'answer', good: line === 'done', lines: this.#lines });
        this.#lines = [];
        this.#size = 0;
      } else if (line.trim() !== '') {
        this.#size += line.length;
        if (this.#size > bounds.answer) return undefined;
        this.#lines.push(line);
      }
    }
    return said;
  }
}

function stateOf(line: string): Said | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  const { success, data } = stateSchema.safeParse(value);
  if (!success) return undefined;
  return { kind: 'state', peer: data.neighbor.address.peer, up: data.neighbor.state === 'up' };
}

/** A route to one neighbour. */
export type NeighborRoute = {
  readonly neighbor: string;
  readonly prefix: Prefix;
  readonly attributes: Attributes;
};

/**
 * Takes `show adj-rib out extensive` apart. The path of an external session has our AS once where nothing is prepended; an
 * internal one has none. Lines that are no routes are passed over.
 */
export function parseAdjRib(lines: readonly string[]): readonly NeighborRoute[] {
  return lines.flatMap(line => {
    const [, neighbor, address, bits, rest] =
      /^neighbor (\S+) .* ipv[46] unicast ([0-9a-fA-F.:]+)\/(\d{1,3}) (.*)$/.exec(line) ?? [];
    if (neighbor === undefined || address === undefined || rest === undefined) return [];
    const of = (name: string) =>
      new RegExp(`(?:^| )${name} (?:\\[ ?([^\\]]*?) ?\\]|(\\S+))`).exec(rest)?.slice(1).find(Boolean) ?? '';
    const numbers = (name: string) =>
      of(name)
        .split(/\s+/)
        .filter(word => /^\d+$/.test(word))
        .map(Number);
    // ExaBGP has names for the well-known ones.
    const communities = (name: string, parse: (text: string) => string | undefined) =>
      sortedCommunities(
        of(name)
          .split(/\s+/)
          .flatMap(word => parse(word) ?? []),
      );
    return [
      {
        neighbor,
        prefix: { address, bits: Number(bits) },
        attributes: {
          med: numbers('med')[0] ?? null,
          localPreference: numbers('local-preference')[0] ?? null,
          communities: communities('community', parseCommunity),
          largeCommunities: communities('large-community', parseLargeCommunity),
          prepend: Math.max(0, numbers('as-path').length - 1),
        },
      },
    ];
  });
}

/** The command that announces a route to one neighbour, or changes it. `external`: the neighbour is of another AS. */
export function announceCommand(
  { neighbor, prefix, attributes }: NeighborRoute,
  { nextHop, as, external }: { readonly nextHop: string; readonly as: number; readonly external: boolean },
): string {
  const { med, localPreference, communities, largeCommunities, prepend } = attributes;
  return [
    `neighbor ${neighbor} announce route ${formatPrefix(prefix)} next-hop ${nextHop}`,
    // Without a path ExaBGP makes the right one: our AS for an external neighbour. One in an internal session would be a loop.
    ...(prepend > 0 && external
      ? [
          `as-path [ ${Array(prepend + 1)
            .fill(as)
            .join(' ')} ]`,
        ]
      : []),
    ...(med === null ? [] : [`med ${med}`]),
    ...(localPreference === null ? [] : [`local-preference ${localPreference}`]),
    ...(communities.length === 0 ? [] : [`community [ ${communities.join(' ')} ]`]),
    ...(largeCommunities.length === 0 ? [] : [`large-community [ ${largeCommunities.join(' ')} ]`]),
  ].join(' ');
}

/** The command that takes a route back from one neighbour. */
export function withdrawCommand(neighbor: string, prefix: Prefix): string {
  return `neighbor ${neighbor} withdraw route ${formatPrefix(prefix)}`;
}

/** What stands in the file that ExaBGP is started with. */
export type ChildConfiguration = {
  readonly neighbors: readonly { readonly address: string; readonly as: number; readonly local: string }[];
  readonly as: number;
  readonly routerId: string;
  /** s */
  readonly holdTime: number;
  /** Words of the command that ExaBGP starts as its helper. */
  readonly helper: readonly string[];
};

/** The configuration of ExaBGP: sessions without graceful restart, and the helper that speaks for Chorus. */
export function childConfiguration({
  neighbors,
  as,
  routerId,
  holdTime,
  helper,
}: ChildConfiguration): string {
  return `process chorus {
  run ${helper.join(' ')};
  encoder json;
}
${neighbors
  .map(
    ({ address, as: peerAs, local }) => `neighbor ${address} {
  router-id ${routerId};
  local-address ${local};
  local-as ${as};
  peer-as ${peerAs};
  hold-time ${holdTime};
  family { ipv4 unicast; ipv6 unicast; }
  api { processes [ chorus ]; neighbor-changes; }
}
`,
  )
  .join('')}`;
}
