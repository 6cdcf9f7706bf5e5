import { costMetrics, inTurn, medianOf } from '../lib/rounds.ts';
import { chorus, chorusLoop } from '../subjects/chorus.ts';
import { dgramEcho } from '../subjects/dgram-echo.ts';
import { echo } from '../subjects/echo.ts';
import { cachedEntry } from './cached.ts';
import type { Case } from './case.ts';

export const loop: Case = {
  name: 'loop',
  title: 'The loop engine',
  about:
    'The load of "cached" on the loop engine. Its floor is Node\'s dgram; what Chorus itself does for a query is what the ' +
    'batch engine costs above the echo in C.',
  async run(stage, { rounds, seconds }, say) {
    const subjects = [echo, chorus, dgramEcho, chorusLoop];
    const rows = await inTurn(
      stage,
      subjects.map(subject => cachedEntry(stage, subject, seconds)),
      rounds,
      say,
    );
    const cost = (name: string) => medianOf(rows, name, 'cpu');
    return {
      metrics: costMetrics,
      rows,
      reference: dgramEcho.name,
      goals: [
        {
          text: 'loop engine ≤ 1.2 × (echo on dgram + what the batch engine costs above the echo in C)',
          measured: cost(chorusLoop.name),
          bound: 1.2 * (cost(dgramEcho.name) + Math.max(0, cost(chorus.name) - cost(echo.name))),
          digits: 2,
          unit: 'µs',
        },
      ],
    };
  },
};
