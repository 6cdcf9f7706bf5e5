/**
 * The route drivers by kind. A new one is a folder here: `options.ts` says what it takes from the configuration (light: loaded
 * with every configuration), `driver.ts` makes it (loaded by the daemon alone), and a line in both tables.
 */
import type { z } from 'zod';
import type { DriverWorld, RouteDriver } from '../driver.ts';
import { frrOptions } from './frr/options.ts';

/**
 * What a driver takes from the configuration: `route-drivers: { NAME: { KIND: options } }`. Each is
 * `required(section(…), { docs, example })` of #kit/option.ts; scalars made with `parsed` get its `write`, so that
 * `chorus config show` and the diff can show them.
 */
export const driverOptions = { frr: frrOptions } as const satisfies Record<string, z.ZodType>;

export type DriverKind = keyof typeof driverOptions;

/** What a kind's options are after their check. */
export type DriverOptions<Kind extends DriverKind> = z.output<(typeof driverOptions)[Kind]>;

/** A kind with options of its own. */
export type DriverChoice<Kind extends DriverKind = DriverKind> = {
  [Each in Kind]: { readonly kind: Each; readonly options: DriverOptions<Each> };
}[Kind];

/** Makes a driver; nothing is begun before the first `want`. Throws a ChorusError where it can never work as configured. */
export type MakeDriver<Options> = (options: Options, world: DriverWorld) => RouteDriver;

/** Loads what makes a driver: none of it is loaded for a configuration without drivers. */
export const driverLoaders: {
  readonly [Kind in DriverKind]: () => Promise<MakeDriver<DriverOptions<Kind>>>;
} = {
  frr: async () => (await import('./frr/driver.ts')).frr,
};

/** Loads and makes a driver. Rejects as its maker throws. */
export async function makeDriver<Kind extends DriverKind>(
  { kind, options }: DriverChoice<Kind>,
  world: DriverWorld,
): Promise<RouteDriver> {
  return (await driverLoaders[kind]())(options, world);
}
