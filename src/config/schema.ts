/** The whole configuration, gathered from the folders that own its parts, with the daemon's own options. */
import type { z } from 'zod';
import { apiOptions } from '#api/schema.ts';
import { balanceOptions } from '#balance/schema.ts';
import { cacheOptions } from '#cache/schema.ts';
import { frontOptions } from '#front/schema.ts';
import { healthOptions } from '#health/schema.ts';
import { logLevels } from '#kit/log.ts';
import {
  autoOr,
  choice,
  duration,
  label,
  mapping,
  option,
  optional,
  required,
  section,
  text,
  whole,
} from '#kit/option.ts';
import { layer4Options } from '#layer4/schema.ts';
import { netOptions } from '#net/schema.ts';
import { nodeOptions } from '#node/schema.ts';
import { routeOptions } from '#route/schema.ts';

/** Most threads that move packets. */
export const maxWorkers = 64;
/** Forms of the log. */
export const logFormats = ['text', 'json'] as const;

const account = (what: string) =>
  text(`the name of a ${what}, or its number in quotes`, /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,31}\$?$/);

const daemonOptions = {
  workers: option(autoOr(whole(1, maxWorkers)), {
    docs: 'Threads that move packets. `auto`: one for each processor core.',
    default: 'auto',
    applies: 'restart',
  }),
  user: optional(account('user'), {
    docs: 'The user that Chorus becomes after it has opened its listeners, when it is started as root.',
    optional: 'the user that started it',
    example: 'chorus',
    applies: 'restart',
  }),
  group: optional(account('group'), {
    docs: 'The group that Chorus becomes with `user`.',
    optional: 'the group of `user`',
    example: 'chorus',
    applies: 'restart',
  }),
  'drain-timeout': option(duration('0s', '10m'), {
    docs: 'At a stop, what is in flight gets so long to be answered.',
    default: '5s',
  }),
  log: option(
    section('a mapping with level and format', {
      level: option(choice(logLevels), { docs: 'Lowest level of what is logged.', default: 'info' }),
      format: option(choice(logFormats), {
        docs: 'Form of the log on standard error: lines for people, or one JSON object a line.',
        default: 'text',
      }),
    }),
    { docs: 'The log.', default: {} },
  ),
};

const pool = section('a mapping with backends', { ...balanceOptions, ...healthOptions });

const pools = required(
  mapping('a mapping of pools, such as { default: { backends: […] } }', label('the name of a pool'), pool),
  {
    docs: 'Groups of backends by name. Queries go to the pool `default` unless `domains` sends them to another.',
    example: { default: { backends: [{ name: 'kai', address: '192.0.2.1:53' }] } },
  },
);

/** The schema of a configuration file, in the order in which the reference shows it. */
export const configSchema = section('a mapping of options', {
  listen: netOptions.listen,
  allow: frontOptions.allow,
  pools,
  domains: frontOptions.domains,
  cache: cacheOptions.cache,
  api: apiOptions.api,
  workers: daemonOptions.workers,
  engine: netOptions.engine,
  user: daemonOptions.user,
  group: daemonOptions.group,
  limits: frontOptions.limits,
  identity: frontOptions.identity,
  'udp-size': frontOptions['udp-size'],
  'receive-buffer': netOptions['receive-buffer'],
  'ports-per-backend': netOptions['ports-per-backend'],
  coalesce: netOptions.coalesce,
  realtime: netOptions.realtime,
  tcp: netOptions.tcp,
  'route-drivers': routeOptions['route-drivers'],
  'service-addresses': routeOptions['service-addresses'],
  drain: routeOptions.drain,
  'withdrawal-budget': routeOptions['withdrawal-budget'],
  state: routeOptions.state,
  server: nodeOptions.server,
  layer4: layer4Options.layer4,
  'drain-timeout': daemonOptions['drain-timeout'],
  log: daemonOptions.log,
});

/** A configuration file with units resolved and defaults filled in, under the names of the file. */
export type Config = z.output<typeof configSchema>;
