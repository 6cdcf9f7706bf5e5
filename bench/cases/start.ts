import { attempt, worstOf } from '../lib/rounds.ts';
import { bind } from '../subjects/bind.ts';
import { chorus } from '../subjects/chorus.ts';
import { dnsdist } from '../subjects/dnsdist.ts';
import { recursor } from '../subjects/recursor.ts';
import { unbound } from '../subjects/unbound.ts';
import type { Case, Row } from './case.ts';

export const start: Case = {
  name: 'start',
  title: 'From start to first answer',
  about: 'From exec to the first good answer through a backend, asked every 2 ms.',
  async run(stage, { rounds }, say) {
    const subjects = [dnsdist, unbound, recursor, bind, chorus];
    const rows = subjects.map(({ name, label }): Row => ({ name, label, values: {} }));
    for (let round = 0; round < rounds; round++) {
      for (const [index, subject] of subjects.entries()) {
        const row = rows[index]!;
        if (row.failed) continue;
        await attempt(row, say, async () => {
          const server = await stage.launch(subject, { cache: true, pollInterval: 2 });
          row.values.start ??= [];
          row.values.start.push(server.started);
          const asked = performance.now();
          await server.stop();
          row.values.stop ??= [];
          row.values.stop.push(performance.now() - asked);
          say(`  round ${round + 1}  ${row.name.padEnd(14)} ${server.started.toFixed(0)} ms`);
        });
      }
    }
    return {
      metrics: [
        { key: 'start', label: 'to first answer', unit: 'ms', digits: 0 },
        { key: 'stop', label: 'to stop', unit: 'ms', digits: 0 },
      ],
      rows,
      goals: [
        {
          text: 'first answer within 1 s, in every round',
          measured: worstOf(rows, chorus.name, 'start'),
          bound: 1000,
          digits: 0,
          unit: 'ms',
        },
      ],
    };
  },
};
