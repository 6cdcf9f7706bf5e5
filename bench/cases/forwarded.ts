import { dnsperf, nameFile } from '../lib/load.ts';
import { costMetrics, costOf, type Entry, inTurn, ratioGoal } from '../lib/rounds.ts';
import type { Stage } from '../lib/stage.ts';
import { chorus } from '../subjects/chorus.ts';
import { dnsdist, dnsdistVector } from '../subjects/dnsdist.ts';
import { recursor } from '../subjects/recursor.ts';
import type { Subject } from '../subjects/subject.ts';
import { unbound } from '../subjects/unbound.ts';
import type { Case } from './case.ts';

const mostPerSecond = 140_000;
const namesPerRound = 1 << 24;

/** A server without a cache where that can be, asked for names that are new in each round. */
export function forwardedEntry(stage: Stage, subject: Subject, seconds: number): Entry {
  const names = (round: number) => nameFile(namesPerRound * (round + 1), seconds * mostPerSecond);
  return {
    subject,
    launch: { cache: false },
    prepare: async server =>
      dnsperf(server.port, await nameFile(namesPerRound * 200, 400_000), { seconds: 2 }),
    async measure(server, round) {
      const file = await names(round);
      return costOf(stage, server, 'forwarded', () => dnsperf(server.port, file, { seconds }));
    },
  };
}

export const forwarded: Case = {
  name: 'forwarded',
  title: 'Forwarded, cache off, one worker',
  about:
    'dnsperf asks names that are all new, with 200 in flight; two answerers in C stand behind each server. ' +
    'Unbound and PowerDNS Recursor cannot turn their caches off and also store each answer.',
  async run(stage, { rounds, seconds }, say) {
    const subjects = [dnsdist, dnsdistVector, unbound, recursor, chorus];
    const rows = await inTurn(
      stage,
      subjects.map(subject => forwardedEntry(stage, subject, seconds)),
      rounds,
      say,
    );
    return {
      metrics: costMetrics,
      rows,
      reference: dnsdistVector.name,
      goals: [ratioGoal(rows, 'cpu', chorus.name, dnsdistVector.name, 0.95)],
    };
  },
};
