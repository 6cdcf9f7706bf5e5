/** What makes each kind of route driver: loaded when a configuration has one, and not before. */
import type { DriverWorld, RouteDriver } from '../driver.ts';
import type { DriverChoice, DriverKind, DriverOptions } from './registry.ts';

/** Makes a driver; nothing is begun before the first `want`. Throws a ChorusError where it can never work as configured. */
export type MakeDriver<Options> = (options: Options, world: DriverWorld) => RouteDriver;

/** Loads what makes a driver: none of it is loaded for a configuration without drivers. */
export const driverLoaders: {
  readonly [Kind in DriverKind]: () => Promise<MakeDriver<DriverOptions<Kind>>>;
} = {
  bgp: async () => (await import('./bgp/driver.ts')).makeBgpDriver,
  bird: async () => (await import('./bird/driver.ts')).bird,
  exabgp: async () => (await import('./exabgp/driver.ts')).exabgp,
  frr: async () => (await import('./frr/driver.ts')).frr,
  lease: async () => (await import('./lease/driver.ts')).makeLease,
};

/** Loads and makes a driver. Rejects as its maker throws. */
export async function makeDriver<Kind extends DriverKind>(
  { kind, options }: DriverChoice<Kind>,
  world: DriverWorld,
): Promise<RouteDriver> {
  return (await driverLoaders[kind]())(options, world);
}
