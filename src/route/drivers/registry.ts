/**
 * The route drivers by kind. A new one is a folder here: `options.ts` says what it takes from the configuration (light: loaded
 * with every configuration), `driver.ts` makes it (loaded by the daemon alone), and a line in both tables.
 */
import type { z } from 'zod';
import type { DriverWorld, RouteDriver } from '../driver.ts';

/** What a driver takes from the configuration: `route-drivers: { NAME: { KIND: options } }`. */
export const driverOptions = {} as const satisfies Record<string, z.ZodType>;

export type DriverKind = keyof typeof driverOptions;

/** Makes a driver; nothing is begun before the first `want`. Throws a ChorusError where it can never work as configured. */
export type MakeDriver<Options> = (options: Options, world: DriverWorld) => RouteDriver;
