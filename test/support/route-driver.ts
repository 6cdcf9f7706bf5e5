/**
 * Route drivers made from options as they stand in YAML, in a world of real time. As a program, a driver in a process of its
 * own, which a test may kill or stop: `route-driver.ts DRIVERS ANNOUNCEMENTS`, as JSON; DRIVERS are pairs of kind and options.
 */
import type { z } from 'zod';
import { now } from '#net/clock.ts';
import type { Announcement } from '#route/announcement.ts';
import type { DriverWorld, RouteDriver } from '#route/driver.ts';
import { makeDriver } from '#route/drivers/load.ts';
import { type DriverChoice, type DriverKind, driverOptions } from '#route/drivers/registry.ts';
import { Program } from './process.ts';

/** A world in real time whose notices and changes are kept. */
export class TestWorld implements DriverWorld {
  readonly name = 'tested';
  readonly notices: string[] = [];
  readonly #timers = new Set<NodeJS.Timeout>();
  changes = 0;

  readonly now = now;
  readonly random = (bound: number) => Math.floor(Math.random() * bound);
  readonly wait = (ms: number, then: () => void) => {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      then();
    }, ms);
    this.#timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.#timers.delete(timer);
    };
  };
  readonly onNotice: DriverWorld['onNotice'] = (level, message) =>
    void this.notices.push(`${level}: ${message}`);
  readonly onChange = () => void this.changes++;

  /** Waits that were neither over nor called off. */
  get waiting(): number {
    return this.#timers.size;
  }
}

/** Checks options and makes a driver of them. */
export async function driverFrom(kind: DriverKind, raw: unknown, world: DriverWorld): Promise<RouteDriver> {
  const schemas: Readonly<Record<string, z.ZodType>> = driverOptions;
  // The schema of the kind has given these options.
  return await makeDriver({ kind, options: schemas[kind]?.parse(raw) } as DriverChoice, world);
}

/** Starts a driver in a process of its own, which wants `announcements` until it is ended. */
export function startDriver(kind: DriverKind, raw: unknown, announcements: readonly Announcement[]): Program {
  return startDrivers([[kind, raw]], announcements);
}

/** Starts several in one process. */
export function startDrivers(
  drivers: readonly (readonly [DriverKind, unknown])[],
  announcements: readonly Announcement[],
): Program {
  const args = [import.meta.filename, JSON.stringify(drivers), JSON.stringify(announcements)];
  return new Program(process.execPath, args);
}

if (import.meta.main) {
  const [drivers = '', announcements = ''] = process.argv.slice(2);
  const wanted = JSON.parse(announcements) as Announcement[];
  for (const [kind, raw] of JSON.parse(drivers) as [DriverKind, unknown][]) {
    const driver = await driverFrom(kind, raw, new TestWorld());
    driver.want(wanted);
    setInterval(() => driver.beat(), 100);
  }
}
