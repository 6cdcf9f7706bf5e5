/** What the front of the farm says of itself: the part of GET /api/v1/status that `up` shows. */
import { z } from 'zod';
import { type Endpoint, formatEndpoint } from '#net/address.ts';

const backend = z.object({
  name: z.string(),
  state: z.string(),
  reason: z.string(),
  queries: z.number(),
  failures: z.record(z.string(), z.number()),
  queriesPerSecond: z.number(),
  latencyMs: z.object({ p50: z.number().nullable(), p99: z.number().nullable() }),
});

const status = z.object({
  workers: z.number(),
  listeners: z.array(z.object({ protocol: z.string(), engine: z.string() })),
  clients: z.object({
    queries: z.number(),
    queriesPerSecond: z.number(),
    byRcode: z.record(z.string(), z.number()),
  }),
  cache: z.object({ hitRatio: z.number().nullable(), entries: z.number() }).nullable(),
  pools: z.array(z.object({ name: z.string(), failOpen: z.boolean(), backends: z.array(backend) })),
});

export type FarmStatus = z.output<typeof status>;
export type FarmBackend = z.output<typeof backend>;

/** Time that the front may take to tell, in ms. */
const patience = 2000;

/** Asks the front. Rejects with an Error when it does not answer, or says something else. */
export async function askStatus(api: Endpoint): Promise<FarmStatus> {
  const answered = await fetch(`http://${formatEndpoint(api)}/api/v1/status`, {
    signal: AbortSignal.timeout(patience),
  });
  if (!answered.ok) throw new Error(`the API answers ${answered.status}`);
  return status.parse(await answered.json());
}
