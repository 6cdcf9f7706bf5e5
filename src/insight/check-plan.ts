/**
 * What `chorus check` is asked to do, from the words of its command line. Three ways of writing it are understood: options;
 * the words of dig (`@192.0.2.1 www.example.net A +time=1 +tries=5`); and the nine words in a row of the script that
 * operators of keepalived put around dig: source, class, type, name, server, time, tries, error match, transport.
 */
import { ChorusError } from '#kit/errors.ts';
import { parseDuration } from '#kit/units.ts';
import { type Endpoint, parseAddress, parseEndpoint } from '#net/address.ts';
import { formatName, parseName } from '#wire/name.ts';
import { classCode, classes, rcodeCode, rcodes, typeCode, types } from '#wire/types.ts';
import type { Transport } from './ask.ts';

/** Options of the command line, as they were written; all may be left out. */
export type CheckOptions = {
  readonly server?: string;
  readonly port?: number;
  readonly name?: string;
  readonly type?: string;
  readonly class?: string;
  readonly source?: string;
  readonly time?: string;
  readonly tries?: number;
  readonly tcp?: boolean;
  readonly random?: boolean;
  readonly edns?: boolean;
  readonly expectRcode?: string;
  readonly expectData?: readonly string[];
  readonly failOn?: string;
  readonly warning?: string;
  readonly critical?: string;
  readonly miscCheck?: boolean;
  readonly dynamic?: boolean;
  readonly weight?: number;
};

/** One check. Times in ms. */
export type CheckPlan = {
  readonly server: Endpoint;
  readonly source: string | null;
  /** Presentation format; with `random` a random label comes before it. */
  readonly name: string;
  readonly random: boolean;
  readonly type: number;
  readonly class: number;
  readonly rd: boolean;
  readonly edns: boolean;
  readonly transport: Transport;
  /** For each try. */
  readonly time: number;
  readonly tries: number;
  /** Response codes that are good. */
  readonly good: readonly number[];
  /** Data of which each must be in the answer, in presentation format. */
  readonly data: readonly string[];
  /** What must not be found: at the beginning of the response code, or anywhere in the answer. */
  readonly failOn: { readonly pattern: RegExp; readonly where: 'status' | 'answer' } | null;
  readonly warning: number | null;
  readonly critical: number | null;
  /** Whose exit codes: those of monitoring plug-ins, or those of keepalived's MISC_CHECK without and with `misc_dynamic`. */
  readonly codes: 'plugin' | 'misc' | 'dynamic';
  /** Weight of a server that answers fast, 1 … 253; for `dynamic`. */
  readonly weight: number;
};

export const checkLimits = { time: 60_000, tries: 20, weight: 253 } as const;

/** Words of dig that only change what dig prints, or that say what is done anyway. */
const idleWords = new Set(['fail', 'short', 'noall', 'answer', 'nocomments', 'noquestion', 'nostats']);

type Draft = { -readonly [K in keyof CheckOptions]: CheckOptions[K] } & {
  rd?: boolean;
  status?: RegExp;
};

/** The plan. @throws ChorusError USAGE with what is wrong. */
export function planCheck(words: readonly string[], options: CheckOptions): CheckPlan {
  const draft: Draft = { ...(nineWords(words) ?? digWords(words)), ...given(options) };
  const source = draft.source === undefined ? null : addressOf(draft.source, 'the source');
  const server = serverOf(draft);
  const { name, type } = questionOf(draft);
  const klass = draft.class === undefined ? classes.IN : classOf(draft.class);
  const time = draft.time === undefined ? 1000 : timeOf(draft.time, '--time');
  if (time < 1 || time > checkLimits.time) fail(`--time ${draft.time}: expected 1ms to 60s`);
  const tries = draft.tries ?? 3;
  if (tries < 1 || tries > checkLimits.tries) fail(`tries ${tries}: expected 1 to ${checkLimits.tries}`);
  const codes = draft.dynamic ? 'dynamic' : draft.miscCheck ? 'misc' : 'plugin';
  const warning = draft.warning === undefined ? null : timeOf(draft.warning, '--warning');
  const critical = draft.critical === undefined ? null : timeOf(draft.critical, '--critical');
  if (warning !== null && critical !== null && warning > critical)
    fail('--warning is longer than --critical');
  if ((source ?? server.address).includes(':') !== server.address.includes(':'))
    fail(`the source ${source} and the server ${server.address} are of two families`);
  return {
    server,
    source,
    name,
    random: draft.random ?? false,
    type,
    class: klass,
    rd: draft.rd ?? true,
    edns: draft.edns ?? true,
    transport: draft.tcp ? 'tcp' : 'udp',
    time,
    tries,
    good: draft.expectRcode === undefined ? [rcodes.NOERROR, rcodes.NXDOMAIN] : rcodesOf(draft.expectRcode),
    data: draft.expectData ?? [],
    failOn: failOnOf(draft),
    warning,
    critical,
    codes,
    weight: draft.weight ?? 100,
  };
}

/** The words of the script in report order; null where these are other words. */
function nineWords(words: readonly string[]): Draft | null {
  const [
    source = '',
    klass = '',
    type = '',
    name = '',
    server = '',
    time,
    tries = '',
    match = '',
    transport,
  ] = words;
  const addresses =
    parseAddress(source) !== undefined && parseAddress(server.replace(/^@/, '')) !== undefined;
  if (!addresses || words.length < 8 || words.length > 9) return null;
  if (!/^\d{1,2}$/.test(tries)) fail(`tries "${tries}": expected a whole number`);
  if (transport !== undefined && !/^(udp|tcp)$/i.test(transport)) {
    fail(`transport "${transport}": expected udp or tcp`);
  }
  return {
    source,
    class: klass,
    type,
    name,
    server: server.replace(/^@/, ''),
    ...(time !== undefined && { time }),
    tries: Number(tries),
    tcp: transport?.toLowerCase() === 'tcp',
    status: patternOf(`^(?:${match})`, match),
    miscCheck: true,
  };
}

/** Words as dig takes them. The first that is no type or class is the name. */
function digWords(words: readonly string[]): Draft {
  const draft: Draft = {};
  for (const word of words) {
    if (word.startsWith('@')) draft.server = word.slice(1);
    else if (word.startsWith('+')) plusWord(word.slice(1), draft);
    else if (draft.type === undefined && typeCode(word) !== undefined) draft.type = word;
    else if (draft.class === undefined && /^(IN|CH|CHAOS|HS|CLASS\d+)$/i.test(word)) draft.class = word;
    else if (draft.name === undefined) draft.name = word;
    else fail(`"${word}": the name is already ${draft.name}`);
  }
  return draft;
}

function plusWord(word: string, draft: Draft): void {
  const [, key = '', value] = /^([a-z]+)(?:=(.*))?$/i.exec(word) ?? [];
  const number = value !== undefined && /^\d{1,3}$/.test(value) ? Number(value) : undefined;
  switch (key.toLowerCase()) {
    case 'time':
    case 'timeout':
      if (value === undefined) break;
      draft.time = value;
      return;
    case 'tries':
      if (number === undefined) break;
      // dig takes 0 for 1.
      draft.tries = Math.max(1, number);
      return;
    case 'retry':
      if (number === undefined) break;
      draft.tries = number + 1;
      return;
    case 'tcp':
    case 'vc':
      draft.tcp = true;
      return;
    case 'notcp':
    case 'novc':
      draft.tcp = false;
      return;
    case 'edns':
      draft.edns = true;
      return;
    case 'noedns':
      draft.edns = false;
      return;
    case 'rec':
    case 'recurse':
      draft.rd = true;
      return;
    case 'norec':
    case 'norecurse':
      draft.rd = false;
      return;
  }
  if (!idleWords.has(key.toLowerCase()) || value !== undefined) fail(`"+${word}" is not understood`);
}

function given(options: CheckOptions): Draft {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

function serverOf({ server, port = 53 }: Draft): Endpoint {
  if (server === undefined || server === '') return fail('which server? Write @ADDRESS or --server ADDRESS');
  return (
    parseEndpoint(server, port) ??
    fail(
      `server "${server}": expected an address such as 192.0.2.1, with a port 192.0.2.1:53 or [2001:db8::1]:53`,
    )
  );
}

function addressOf(text: string, what: string): string {
  return parseAddress(text) ?? fail(`${what} "${text}": expected an address such as 192.0.2.1`);
}

/** As with dig: without a name the root's NS, with a name its A. */
function questionOf(draft: Draft): { name: string; type: number } {
  const text = draft.name ?? '.';
  let name: string;
  try {
    name = formatName(parseName(text));
  } catch {
    return fail(`"${text}" is no domain name`);
  }
  if (draft.type === undefined) return { name, type: draft.name === undefined ? types.NS : types.A };
  const type = typeCode(draft.type);
  if (type === undefined || type === 0 || type === types.OPT || (type >= 249 && type < 255))
    return fail(`"${draft.type}" is no type to ask for`);
  return { name, type };
}

function classOf(text: string): number {
  const name = text.toUpperCase() === 'CHAOS' ? 'CH' : text;
  return classCode(name) ?? fail(`class "${text}": expected IN, CH or HS`);
}

/** Seconds where no unit is named, as with dig and monitoring plug-ins. */
function timeOf(text: string, where: string): number {
  const plain = /^\d{1,5}(\.\d{1,6})?$/.test(text);
  const ms = plain ? Number(text) * 1000 : parseDuration(text);
  return ms ?? fail(`${where} ${text}: expected a time such as 1s, 50ms, or 0.05 in seconds`);
}

function rcodesOf(list: string): number[] {
  return list
    .split(',')
    .map(text => rcodeCode(text.trim()) ?? fail(`"${text}" is no response code such as NOERROR or NXDOMAIN`));
}

function failOnOf({ status, failOn }: Draft): CheckPlan['failOn'] {
  if (failOn !== undefined) return { pattern: patternOf(failOn, failOn), where: 'answer' };
  return status === undefined ? null : { pattern: status, where: 'status' };
}

function patternOf(source: string, shown: string): RegExp {
  try {
    return new RegExp(source);
  } catch {
    return fail(`"${shown}" is no regular expression`);
  }
}

function fail(reason: string): never {
  throw new ChorusError('USAGE', { reason });
}
