import { costMetrics, type Entry, inTurn, ratioGoal } from '../lib/rounds.ts';
import { chorus, chorusTwo } from '../subjects/chorus.ts';
import { cachedEntry } from './cached.ts';
import type { Case } from './case.ts';
import { forwardedEntry } from './forwarded.ts';

export const workers: Case = {
  name: 'workers',
  title: 'Two workers against one',
  about: 'The loads of "cached" and "forwarded" on Chorus with one packet worker and with two.',
  async run(stage, { rounds, seconds }, say) {
    const named = (entry: Entry, work: string): Entry => ({
      ...entry,
      name: `${entry.subject.name}-${work}`,
      label: `${entry.subject.label}, ${work}`,
    });
    const entries = [chorus, chorusTwo].flatMap(subject => [
      named(cachedEntry(stage, subject, seconds), 'cached'),
      named(forwardedEntry(stage, subject, seconds), 'forwarded'),
    ]);
    const rows = await inTurn(stage, entries, rounds, say);
    return {
      metrics: costMetrics,
      rows,
      goals: ['cached', 'forwarded'].map(work =>
        ratioGoal(rows, 'cpu', `${chorusTwo.name}-${work}`, `${chorus.name}-${work}`, 1.1),
      ),
    };
  },
};
