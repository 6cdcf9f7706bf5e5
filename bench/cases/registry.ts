/** The cases, in the order in which they are run and shown. */
import { burst } from './burst.ts';
import { cached } from './cached.ts';
import type { Case } from './case.ts';
import { faults } from './faults.ts';
import { forwarded } from './forwarded.ts';
import { loop } from './loop.ts';
import { memory } from './memory.ts';
import { openLoopCached, openLoopForwarded } from './open-loop.ts';
import { probes } from './probes.ts';
import { routes } from './routes.ts';
import { soak } from './soak.ts';
import { start } from './start.ts';
import { storm } from './storm.ts';
import { workers } from './workers.ts';

export const cases: readonly Case[] = [
  cached,
  forwarded,
  workers,
  openLoopCached,
  openLoopForwarded,
  burst,
  memory,
  soak,
  loop,
  start,
  faults,
  storm,
  probes,
  routes,
];
