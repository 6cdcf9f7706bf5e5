/**
 * The events of a replay as lines of JSON: what an operator writes to try a configuration, and what a running Chorus takes down
 * (docs/announcing.md is the reference). Pure.
 *
 *     {"at": "12.5s", "backend": "default/kai", "state": "down"}
 */
import { type BackendState, backendStates } from '#balance/board.ts';
import { ChorusError } from '#kit/errors.ts';
import { nearest } from '#kit/suggest.ts';
import { parseDuration } from '#kit/units.ts';
import { parseAddress } from '#net/address.ts';
import type { BudgetView, ListenerView } from './evidence.ts';
import type { AddressPlan, DrainPlan } from './plan.ts';

/** What a replay needs of a configuration. */
export type ReplayPlan = {
  readonly addresses: readonly AddressPlan[];
  readonly drain: DrainPlan;
  readonly pools: readonly {
    readonly pool: string;
    readonly backends: readonly {
      readonly name: string;
      readonly family: 'ipv4' | 'ipv6';
      readonly weight: number;
    }[];
  }[];
};

/** A drain as an event orders it. `lasts`: ms until it ends by itself; null: it does not. */
export type DrainFact = {
  readonly who: string;
  readonly reason: string;
  readonly stop: boolean;
  readonly lasts: number | null;
};

/** What an event says is so from then on. */
export type Fact =
  /** The first line of what was taken down: nothing is known before it. `day`: its time of day, ms since 1970. */
  | { readonly kind: 'begin'; readonly day: number | null }
  | { readonly kind: 'backend'; readonly pool: string; readonly name: string; readonly state: BackendState }
  | { readonly kind: 'everybody'; readonly pool: string; readonly everybody: boolean }
  | { readonly kind: 'load'; readonly pool: string; readonly load: number | null }
  | { readonly kind: 'traffic'; readonly traffic: number | null }
  | { readonly kind: 'listener'; readonly view: ListenerView }
  | { readonly kind: 'warm'; readonly warm: boolean }
  | { readonly kind: 'drain'; readonly drain: DrainFact | null }
  /** Of one service address; null: of all. */
  | { readonly kind: 'budget'; readonly address: string | null; readonly view: BudgetView }
  | { readonly kind: 'forbidden'; readonly forbidden: string | null };

/** A fact and when it began, in ms. */
export type RouteEvent = { readonly at: number; readonly fact: Fact };

/** Most lines, and characters of one. */
const mostLines = 200_000;
const longestLine = 65_536;
/** Problems told at most. */
const mostProblems = 50;
/** The last moment of a replay, ms: a year and a day. */
const latest = 366 * 86_400_000;
/** Characters of a text that is shown. */
const longestText = 200;
/** Queries/s. */
const fastest = 1e9;

const verdicts = ['free', 'asking', 'granted', 'denied', 'away', 'everybody'] as const;
const judgements = ['good', 'bad', 'unknown'] as const;
/** What an event may be about, and the words that go with it. */
const words: Readonly<Record<string, readonly string[]>> = {
  begin: [],
  backend: ['state'],
  everybody: ['pool'],
  load: ['pool'],
  traffic: [],
  listener: ['udp', 'tcp', 'detail'],
  warm: [],
  drain: [],
  undrain: [],
  budget: ['address', 'detail'],
  forbidden: [],
};

/** What is wrong with a line. */
class Slip extends Error {}

/**
 * The events of a file, in its order. Empty lines and those that begin with `#` are passed over.
 * @throws ChorusError EVENTS_INVALID with every problem, by line.
 */
export function parseEvents(text: string, file: string, plan: ReplayPlan): RouteEvent[] {
  const events: RouteEvent[] = [];
  const problems: string[] = [];
  let last = -Infinity;
  let begun = false;
  let number = 0;
  for (const line of text.replace(/^\ufeff/, '').split('\n')) {
    number++;
    if (problems.length > mostProblems) break;
    const trimmed = line.trim();
    if (trimmed === '' || trimmed.startsWith('#')) continue;
    try {
      if (number > mostLines) throw new Slip(`there are more than ${mostLines} lines`);
      const { at, facts } = parseLine(trimmed, plan);
      if (at < last) throw new Slip(`it is before the line above it (${seconds(last)})`);
      if (begun && facts.some(({ kind }) => kind === 'begin'))
        throw new Slip('`begin` stands in the first line only');
      last = at;
      begun = true;
      for (const fact of facts) events.push({ at, fact });
    } catch (error) {
      if (!(error instanceof Slip)) throw error;
      problems.push(`${file}:${number}: ${error.message}`);
      if (number > mostLines) break;
    }
  }
  if (events.length === 0 && problems.length === 0) problems.push(`${file}: there is no event in it`);
  if (problems.length === 0) return events;
  const shown = problems.slice(0, mostProblems);
  if (problems.length > mostProblems) shown.push('… and more');
  throw new ChorusError('EVENTS_INVALID', { file, count: shown.length, problems: shown.join('\n') });
}

/** `12.5s` */
export function seconds(ms: number): string {
  return `${Math.round(ms) / 1000}s`;
}

type Mapping = Readonly<Record<string, unknown>>;

function parseLine(line: string, plan: ReplayPlan): { at: number; facts: Fact[] } {
  if (line.length > longestLine) throw new Slip(`it has more than ${longestLine} characters`);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    throw new Slip('it is not JSON');
  }
  if (!isMapping(value)) throw new Slip('it is no object, such as {"at": "5s", "warm": true}');
  const about = Object.keys(value).filter(key => Object.hasOwn(words, key));
  // A listener, a drain and a budget are named by words that go with others too.
  const [subject, second] = about;
  if (subject === undefined) {
    const meant = Object.keys(value).flatMap(key => nearest(key, Object.keys(words)) ?? [])[0];
    throw new Slip(
      `it does not say what happened: ${meant ? `did you mean "${meant}"?` : `one of ${Object.keys(words).join(', ')}`}`,
    );
  }
  if (second !== undefined) throw new Slip(`it is about both "${subject}" and "${second}": write two lines`);
  const known = ['at', subject, ...(words[subject] ?? [])];
  const stranger = Object.keys(value).find(key => !known.includes(key));
  if (stranger !== undefined) {
    const meant = nearest(stranger, known);
    throw new Slip(
      `"${subject}" does not go with "${shorten(stranger)}"${meant ? `; did you mean "${meant}"?` : ''}`,
    );
  }
  return { at: timeOf(value.at), facts: factsOf(subject, value, plan) };
}

function factsOf(subject: string, value: Mapping, plan: ReplayPlan): Fact[] {
  switch (subject) {
    case 'begin':
      return [{ kind: 'begin', day: dayOf(value.begin) }];
    case 'backend': {
      const state = oneOf(value.state, backendStates, 'state');
      return backendsOf(value.backend, plan).map(backend => ({ kind: 'backend', ...backend, state }));
    }
    case 'everybody':
      return [
        { kind: 'everybody', pool: poolOf(value.pool, plan), everybody: flagOf(value.everybody, subject) },
      ];
    case 'load':
      return [{ kind: 'load', pool: poolOf(value.pool, plan), load: rateOf(value.load, subject) }];
    case 'traffic':
      return [{ kind: 'traffic', traffic: rateOf(value.traffic, subject) }];
    case 'listener':
      return [{ kind: 'listener', view: listenerOf(value, plan) }];
    case 'warm':
      return [{ kind: 'warm', warm: flagOf(value.warm, subject) }];
    case 'drain':
      return [{ kind: 'drain', drain: drainOf(value.drain) }];
    case 'undrain':
      if (value.undrain !== true) throw new Slip('"undrain" is true or not there');
      return [{ kind: 'drain', drain: null }];
    case 'budget': {
      const address = value.address === undefined ? null : addressOf(value.address, plan);
      const verdict = oneOf(value.budget, verdicts, 'budget');
      return [{ kind: 'budget', address, view: { verdict, detail: textOf(value.detail ?? '', 'detail') } }];
    }
    default:
      return [
        {
          kind: 'forbidden',
          forbidden: value.forbidden === null ? null : textOf(value.forbidden, 'forbidden'),
        },
      ];
  }
}

function timeOf(at: unknown): number {
  const ms = typeof at === 'string' ? parseDuration(at) : at;
  if (typeof ms === 'number' && Number.isFinite(ms) && ms >= 0 && ms <= latest) return ms;
  throw new Slip(
    at === undefined
      ? '"at" is missing: when it happened, such as "12.5s", or in ms'
      : `"at" is not a time from 0s to 366d, such as "12.5s", or in ms: ${shown(at)}`,
  );
}

function dayOf(begin: unknown): number | null {
  if (begin === true) return null;
  const day = typeof begin === 'string' && /^\d{4}-/.test(begin) ? Date.parse(begin) : Number.NaN;
  if (Number.isNaN(day))
    throw new Slip(`"begin" is true, or a time such as "2026-01-31T12:00:00Z", not ${shown(begin)}`);
  return day;
}

/** `POOL/NAME`, `NAME` where only one pool has it, `POOL/*` or `*`. */
function backendsOf(value: unknown, { pools }: ReplayPlan): { pool: string; name: string }[] {
  const text = typeof value === 'string' ? value : '';
  const all = pools.flatMap(({ pool, backends }) => backends.map(({ name }) => ({ pool, name })));
  const found = all.filter(
    ({ pool, name }) => text === '*' || text === `${pool}/*` || text === `${pool}/${name}` || text === name,
  );
  const whole = text === '*' || text.endsWith('/*');
  if (found.length === 1 || (whole && found.length > 0)) return found;
  const names = all.map(({ pool, name }) => `${pool}/${name}`);
  if (found.length > 1)
    throw new Slip(
      `${shown(value)} are several backends: ${found.map(each => `${each.pool}/${each.name}`).join(', ')}`,
    );
  throw new Slip(`there is no backend ${shown(value)}${hint(text, names)}`);
}

function poolOf(value: unknown, { pools }: ReplayPlan): string {
  const wanted = value ?? 'default';
  const found = pools.find(({ pool }) => pool === wanted);
  if (found) return found.pool;
  const names = pools.map(({ pool }) => pool);
  throw new Slip(`there is no pool ${shown(wanted)}${hint(String(wanted), names)}`);
}

function addressOf(value: unknown, { addresses }: ReplayPlan): string {
  const address = typeof value === 'string' ? parseAddress(value) : undefined;
  const found = addresses.find(plan => plan.address === address);
  if (found) return found.address;
  const known = addresses.map(plan => plan.address);
  throw new Slip(`${shown(value)} is no service address${hint(String(value), known)}`);
}

function listenerOf(value: Mapping, plan: ReplayPlan): ListenerView {
  return {
    address: addressOf(value.listener, plan),
    udp: oneOf(value.udp ?? 'good', judgements, 'udp'),
    tcp: oneOf(value.tcp ?? 'good', judgements, 'tcp'),
    detail: textOf(value.detail ?? '', 'detail'),
  };
}

function drainOf(value: unknown): DrainFact {
  if (value === true) return { who: 'an operator', reason: '', stop: false, lasts: null };
  if (!isMapping(value)) throw new Slip('"drain" is true, or an object such as {"who": "ada", "for": "30m"}');
  const stranger = Object.keys(value).find(key => !['who', 'reason', 'for', 'stop'].includes(key));
  if (stranger !== undefined)
    throw new Slip(`"drain" has no "${shorten(stranger)}"; it has who, reason, for, stop`);
  return {
    who: textOf(value.who ?? 'an operator', 'who'),
    reason: textOf(value.reason ?? '', 'reason'),
    stop: flagOf(value.stop ?? false, 'stop'),
    lasts: value.for === undefined || value.for === null ? null : timeOf(value.for),
  };
}

function oneOf<const Name extends string>(value: unknown, names: readonly Name[], what: string): Name {
  const found = names.find(name => name === value);
  if (found !== undefined) return found;
  const given = value === undefined ? 'is missing' : `cannot be ${shown(value)}`;
  throw new Slip(`"${what}" ${given}${hint(typeof value === 'string' ? value : '', names)}`);
}

function flagOf(value: unknown, what: string): boolean {
  if (typeof value === 'boolean') return value;
  throw new Slip(`"${what}" is true or false, not ${shown(value)}`);
}

function rateOf(value: unknown, what: string): number | null {
  if (value === null) return null;
  if (typeof value === 'number' && value >= 0 && value <= fastest) return value;
  throw new Slip(`"${what}" is a number of queries per second, or null, not ${shown(value)}`);
}

/** A text for a terminal: without control characters, of bounded length. */
function textOf(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new Slip(`"${what}" is a text, not ${shown(value)}`);
  return value
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, longestText);
}

function hint(text: string, names: readonly string[]): string {
  const meant = nearest(text, names);
  if (meant !== undefined) return `; did you mean "${meant}"?`;
  const some = names.slice(0, 8).join(', ');
  return names.length === 0 ? '' : `; one of ${some}${names.length > 8 ? ', …' : ''}`;
}

function shown(value: unknown): string {
  return shorten(JSON.stringify(value) ?? 'nothing');
}

function shorten(text: string): string {
  const plain = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ');
  return plain.length > 60 ? `${plain.slice(0, 57)}…` : plain;
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
