import { dnsperf, nameFile, type Pace, pace } from '../lib/load.ts';
import { type Entry, inTurn, ratioGoal } from '../lib/rounds.ts';
import type { Server } from '../lib/stage.ts';
import { chorus, chorusRealtime } from '../subjects/chorus.ts';
import { dnsdist, dnsdistVector } from '../subjects/dnsdist.ts';
import { echo } from '../subjects/echo.ts';
import { recursor } from '../subjects/recursor.ts';
import type { Subject } from '../subjects/subject.ts';
import { unbound } from '../subjects/unbound.ts';
import { cachedNames } from './cached.ts';
import type { Case, Metric } from './case.ts';

const rate = 20_000;
const namesPerRound = 1 << 24;

const metrics: readonly Metric[] = [
  { key: 'p999', label: 'p99.9', unit: 'µs', digits: 0 },
  { key: 'p99', label: 'p99', unit: 'µs', digits: 0 },
  { key: 'p50', label: 'p50', unit: 'µs', digits: 0 },
  { key: 'max', label: 'max', unit: 'µs', digits: 0 },
  { key: 'lost', label: 'lost or failed', unit: '', digits: 0 },
  { key: 'cpu', label: 'CPU per query', unit: 'µs', digits: 1 },
  { key: 'service999', label: 'p99.9 from sent', unit: 'µs', digits: 0 },
  { key: 'late999', label: 'client late, p99.9', unit: 'µs', digits: 0 },
];

async function figures(server: Server, load: () => Promise<Pace>): Promise<Record<string, number>> {
  const before = server.cpu();
  const { sent, received, failed, p50, p99, p999, max, late999, service999 } = await load();
  const after = server.cpu();
  const cpu = (after.user + after.system - before.user - before.system) / received;
  return { p999, p99, p50, max, lost: sent - received + failed, cpu, service999, late999 };
}

function openLoop(name: string, title: string, subjects: readonly Subject[], useCache: boolean): Case {
  return {
    name,
    title,
    about:
      `Queries leave on a schedule of ${rate.toLocaleString('en')} a second, whatever comes back, and each latency counts from when its query was ` +
      'due. "Client late" is how late the client itself sent: that much of a latency is not the server\'s. "From sent" leaves it ' +
      "out, and so tells the server's own tail from the client's, at the price of seeing less of a stall that holds up both.",
    async run(stage, { rounds, seconds }, say) {
      const entries = subjects.map(
        (subject): Entry => ({
          subject,
          launch: { cache: useCache },
          async prepare(server) {
            if (useCache) await dnsperf(server.port, await nameFile(0, cachedNames), 'once');
            await pace(server.port, {
              seconds: 1,
              rate,
              ...(useCache ? { names: cachedNames } : { first: namesPerRound * 200 }),
            });
          },
          measure: (server, round) =>
            figures(server, () =>
              pace(server.port, {
                seconds,
                rate,
                ...(useCache ? { names: cachedNames } : { first: namesPerRound * (round + 1) }),
              }),
            ),
        }),
      );
      const rows = await inTurn(stage, entries, rounds, say);
      return {
        metrics,
        rows,
        reference: dnsdist.name,
        goals: [dnsdist, dnsdistVector].map(rival => ratioGoal(rows, 'p999', chorus.name, rival.name, 1)),
      };
    },
  };
}

export const openLoopCached = openLoop(
  'open-loop-cached',
  'Latency at 20,000 queries/s, cached',
  [echo, dnsdist, dnsdistVector, unbound, recursor, chorus, chorusRealtime],
  true,
);
export const openLoopForwarded = openLoop(
  'open-loop-forwarded',
  'Latency at 20,000 queries/s, forwarded',
  [dnsdist, dnsdistVector, unbound, recursor, chorus, chorusRealtime],
  false,
);
