/**
 * The route drivers by kind. A new one is a folder here: `options.ts` says what it takes from the configuration (light: loaded
 * with every configuration), `driver.ts` makes it (loaded by the daemon alone), and a line here and in load.ts.
 */
import type { z } from 'zod';
import { bgpOptions } from './bgp/options.ts';
import { birdOptions } from './bird/options.ts';
import { exabgpOptions } from './exabgp/options.ts';
import { frrOptions } from './frr/options.ts';
import { leaseOptions } from './lease/options.ts';

/**
 * What a driver takes from the configuration: `route-drivers: { NAME: { KIND: options } }`. Each is
 * `required(section(…), { docs, example })` of #kit/option.ts; scalars made with `parsed` get its `write`, so that
 * `chorus config show` and the diff can show them.
 */
export const driverOptions = {
  bgp: bgpOptions,
  bird: birdOptions,
  exabgp: exabgpOptions,
  frr: frrOptions,
  lease: leaseOptions,
} as const satisfies Record<string, z.ZodType>;

export type DriverKind = keyof typeof driverOptions;

/** What a kind's options are after their check. */
export type DriverOptions<Kind extends DriverKind> = z.output<(typeof driverOptions)[Kind]>;

/** A kind with options of its own. */
export type DriverChoice<Kind extends DriverKind = DriverKind> = {
  [Each in Kind]: { readonly kind: Each; readonly options: DriverOptions<Each> };
}[Kind];
