/**
 * What routing daemons answer: any text gives nothing or values in their bounds, however it is cut, and what Chorus would command
 * FRR on the ground of it touches nothing but its own.
 */

import assert from 'node:assert/strict';
import type { Attributes } from '#route/announcement.ts';
import { parseProtocols, parseRoutes, ReplyReader } from '#route/drivers/bird/replies.ts';
import { AnswerReader, parseAdjRib } from '#route/drivers/exabgp/answers.ts';
import {
  changeOf,
  jsonDocuments,
  parseNeighbors,
  parsePath,
  parseRunningConfig,
} from '#route/drivers/frr/grammar.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

const utf8 = new TextDecoder();
const octets = (text: string) => new TextEncoder().encode(text);
const instance = { as: 65001, vrf: null };
const wanted = [
  {
    prefix: { address: '192.0.2.53', bits: 32 },
    address: '192.0.2.53',
    attributes: { med: 0, localPreference: null, communities: ['65535:0'], largeCommunities: [], prepend: 1 },
    grade: 'primary',
  },
] as const;

function judge(input: Uint8Array): boolean {
  const text = utf8.decode(input);
  const cut = (input[0] ?? 0) % 50;
  return [bird(text, cut), exabgp(text, cut), frr(text)].some(Boolean);
}

function bird(text: string, cut: number): boolean {
  const whole = new ReplyReader().feed(text);
  const reader = new ReplyReader();
  const first = reader.feed(text.slice(0, cut));
  const second = first && reader.feed(text.slice(cut));
  if (whole) assert.deepEqual(first && second && [...first, ...second], whole);
  const lines = (whole ?? []).flatMap(reply => reply.lines);
  const routes = parseRoutes(lines);
  for (const { attributes } of routes) sound(attributes);
  return routes.length + parseProtocols(lines).names.size > 0;
}

function exabgp(text: string, cut: number): boolean {
  const whole = new AnswerReader().feed(text);
  const reader = new AnswerReader();
  const first = reader.feed(text.slice(0, cut));
  const second = first && reader.feed(text.slice(cut));
  if (whole) assert.deepEqual(first && second && [...first, ...second], whole);
  const routes = (whole ?? []).flatMap(said => (said.kind === 'answer' ? parseAdjRib(said.lines) : []));
  for (const { attributes } of routes) sound(attributes);
  return routes.length > 0;
}

function frr(text: string): boolean {
  for (const document of jsonDocuments(text)) {
    parseNeighbors(document);
    const path = parsePath(document);
    if (path) sound(path.attributes);
  }
  const config = parseRunningConfig(text, instance);
  if (!config) return false;
  const { commands } = changeOf(config, wanted, instance, 'CHORUS-x-');
  for (const command of commands) {
    assert.match(command, /^[\x21-\x7e\xa0-\uffff]+( [\x21-\x7e\xa0-\uffff]+)*$/);
    const [, map] = /route-map (\S+)/.exec(command) ?? [];
    assert.ok(map === undefined || map.startsWith('CHORUS-x-'), command);
  }
  return config.found;
}

function sound({ med, localPreference, prepend, communities, largeCommunities }: Attributes): void {
  for (const number of [med, localPreference])
    assert.ok(number === null || (Number.isFinite(number) && number >= 0), String(number));
  assert.ok(prepend >= 0);
  for (const community of [...communities, ...largeCommunities]) assert.equal(typeof community, 'string');
}

export const routing: Target = {
  name: 'routing',
  seeds: () => [],
  words: [
    '\n',
    ' ',
    '0000 \n',
    '1007-',
    '1012-\tBGP.med: 4294967296\n',
    '\tbgp_community: (1,2) (3,4,5)\n',
    '+',
    'done\n',
    'error\n',
    '{',
    '}',
    '"',
    '\\',
    '{"type":"state","neighbor":{"address":{"peer":"x"},"state":"up"}}\n',
    'router bgp 65001\n',
    ' address-family ipv4 unicast\n',
    '  network 192.0.2.53/32 route-map CHORUS-x-y\n',
    '  network 192.0.2.99/32 route-map CHORUS-x-y; reboot\n',
    'route-map CHORUS-x-y permit 10\n',
    ' set metric -1\n',
    'end\n',
    ' as-path [ ',
    ' community [ ',
    ']',
    '/999 ',
    '\u0000',
  ].map(octets),
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(routing, options);
}
