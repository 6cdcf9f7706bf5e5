/** The node's part of the configuration: a nameserver on this machine that Chorus starts and watches. */
import type { z } from 'zod';
import {
  choice,
  duration,
  label,
  list,
  mapping,
  offOr,
  option,
  optional,
  required,
  section,
  text,
} from '#kit/option.ts';
import { formatName, parseName } from '#wire/name.ts';
import { typeCode } from '#wire/types.ts';
import { serverKinds } from './kinds.ts';
import { stopSignals } from './states.ts';

/** Most names of a warm-up, from the configuration and from its file together. */
export const mostNames = 10_000;

const word = text('a text of at most 4096 characters', /^[^\0]{0,4096}$/);
const path = text('the path of a file, from the root', /^\/[^\0]{0,4000}$/);

const account = text('the name of a user, or its number in quotes', /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?$/);

/** A name to ask for, and its type: `www.example.net`, `example.net MX`. */
export function parseWarmName(line: string): { readonly name: string; readonly type: number } | undefined {
  const [name = '', type = 'A', ...more] = line.trim().split(/\s+/);
  const code = typeCode(type.toUpperCase());
  if (name === '' || code === undefined || more.length > 0) return undefined;
  try {
    return { name: formatName(parseName(name)), type: code };
  } catch {
    return undefined;
  }
}

const warmName = text(
  'a domain name, and after a space its record type',
  /^\S{1,1024}(\s+\S{1,16})?$/,
).refine(value => parseWarmName(value) !== undefined, 'a domain name, and after a space its record type');

const warmUp = section('a mapping with names, file and within', {
  names: option(list('a list of names', warmName, 0), {
    docs: 'Names to ask for, of the type A or of the type that stands after the name.',
    default: [],
    example: ['www.example.net', 'example.net MX'],
  }),
  file: optional(path, {
    docs: 'A file with a name, and perhaps a type, on each line; empty lines and those that begin with `#` are passed over. It is read anew at each start of the server.',
    optional: 'none',
    example: '/etc/chorus/warm-up.names',
  }),
  within: option(duration('100ms', '10m'), {
    docs: 'Whatever has been answered after so long, the server is warm.',
    default: '10s',
  }),
});

export const serverSection = section('a mapping with kind', {
  kind: required(choice(serverKinds), {
    docs: 'Which nameserver it is: this gives the command that starts it. `other`: any that stays in the foreground; then `command` says how it is started.',
    example: 'bind',
  }),
  config: optional(path, {
    docs: 'Its configuration: the file of BIND, Unbound and Knot Resolver, the folder of PowerDNS Recursor. Used where there is no `command`.',
    optional:
      '`/etc/bind/named.conf`, `/etc/unbound/unbound.conf`, `/etc/powerdns`, `/etc/knot-resolver/kresd.conf`',
    example: '/etc/chorus/node/named.conf',
  }),
  command: optional(list('a list of texts: a program and its words', word), {
    docs: 'The program, and its words one by one; no shell takes them apart. It must stay in the foreground and must not change its user itself: see `user`. Root runs only what nobody else may change.',
    optional: 'that of `kind`',
    example: ['named', '-g', '-c', '/etc/bind/named.conf'],
  }),
  user: optional(account, {
    docs: 'The user that the server runs as, with the right to open ports below 1024 and no other. For a Chorus that root started.',
    optional: 'the user of Chorus',
    example: 'bind',
  }),
  environment: option(
    mapping(
      'a mapping from names to texts',
      text('the name of a variable', /^[A-Za-z_][A-Za-z0-9_]{0,127}$/),
      word,
    ),
    {
      docs: 'Variables of its environment, besides PATH and LC_ALL.',
      default: {},
      example: { MALLOC_CONF: 'narenas:2' },
    },
  ),
  pool: option(label('the name of a pool'), {
    docs: 'The pool whose backends are the unicast addresses of this server; its probes tell whether it answers.',
    default: 'default',
  }),
  'stop-signal': option(choice(stopSignals), {
    docs: 'The signal that asks it to end.',
    default: 'SIGTERM',
  }),
  'stop-timeout': option(duration('100ms', '5m'), {
    docs: 'One that has not ended so long after that is killed.',
    default: '10s',
  }),
  'start-timeout': option(duration('1s', '1h'), {
    docs: 'A server that has not answered so long after its start hangs, and is started anew. Large zones take time to load.',
    default: '2m',
  }),
  'restart-after': option(offOr(duration('1s', '1h')), {
    docs: 'A server that has answered nothing for so long, after it answered before, hangs: it is told to end, then killed, then started anew. One that answers with errors is let be: a new start would cost its cache and mend nothing upstream.',
    default: '15s',
  }),
  output: option(choice(['info', 'debug', 'off']), {
    docs: 'What becomes of the lines that it writes: they stand in the log of Chorus at this level, at most 200 at once and 10 a second, or are left out. The last ones are told in any case when it ends before it answers.',
    default: 'info',
  }),
  'warm-up': option(warmUp, {
    docs: 'Questions that it is asked after each start, before its service addresses are announced, so that its cache is not empty when the clients come.',
    default: {},
  }),
});

/** A server as a file sets it. Times in ms. */
export type ServerOptions = z.output<typeof serverSection>;

/** Top-level options of this folder. */
export const nodeOptions = {
  server: option(offOr(serverSection), {
    docs: 'A nameserver on this machine that Chorus starts, watches, warms up and stops: docs/node.md. When it ends, its service addresses are withdrawn at once and it is started again. `off`: Chorus starts no nameserver; it only judges those of `pools`. A change of any part of it waits for a restart of Chorus.',
    default: 'off',
    example: { kind: 'bind', user: 'bind' },
    applies: 'restart',
  }),
};
