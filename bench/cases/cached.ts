import { dnsperf, nameFile } from '../lib/load.ts';
import { costMetrics, costOf, type Entry, inTurn, ratioGoal } from '../lib/rounds.ts';
import type { Stage } from '../lib/stage.ts';
import { chorus } from '../subjects/chorus.ts';
import { dgramEcho } from '../subjects/dgram-echo.ts';
import { dnsdist, dnsdistVector } from '../subjects/dnsdist.ts';
import { echo } from '../subjects/echo.ts';
import { recursor } from '../subjects/recursor.ts';
import type { Subject } from '../subjects/subject.ts';
import { unbound } from '../subjects/unbound.ts';
import type { Case } from './case.ts';

/** Names in the cache of every case that asks for cached answers. */
export const cachedNames = 10_000;

/** A server that has all names in its cache and is asked for nothing else. */
export function cachedEntry(stage: Stage, subject: Subject, seconds: number): Entry {
  return {
    subject,
    launch: { cache: true },
    async prepare(server) {
      const file = await nameFile(0, cachedNames);
      await dnsperf(server.port, file, 'once');
      // Warms more than the cache: compilers that learn while running have then seen the work.
      await dnsperf(server.port, file, { seconds: Math.min(2, seconds) });
    },
    measure: async server =>
      costOf(stage, server, 'cached', async () =>
        dnsperf(server.port, await nameFile(0, cachedNames), { seconds }),
      ),
  };
}

export const cached: Case = {
  name: 'cached',
  title: 'Cache hits, one worker',
  about: `dnsperf asks ${cachedNames.toLocaleString('en')} cached names with 200 queries in flight. CPU per query is the server's.`,
  async run(stage, { rounds, seconds }, say) {
    const subjects = [echo, dgramEcho, dnsdist, dnsdistVector, unbound, recursor, chorus];
    const entries = subjects.map(subject => cachedEntry(stage, subject, seconds));
    const rows = await inTurn(stage, entries, rounds, say);
    return {
      metrics: costMetrics,
      rows,
      reference: dnsdistVector.name,
      goals: [
        ratioGoal(rows, 'cpu', chorus.name, dnsdistVector.name, 1),
        ratioGoal(rows, 'cpu', chorus.name, echo.name, 1.1),
      ],
    };
  },
};
