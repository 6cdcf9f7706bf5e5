import { setTimeout as sleep } from 'node:timers/promises';
import { pace } from '../lib/load.ts';
import { attempt } from '../lib/rounds.ts';
import { median } from '../lib/stats.ts';
import { chorus } from '../subjects/chorus.ts';
import type { Case, Row, Series } from './case.ts';

const mib = 2 ** 20;
export const soak: Case = {
  name: 'soak',
  title: 'Resident size under nothing but misses',
  about:
    'Every query asks a new name, with 200 in flight, at full speed, cache on (64 MiB). Resident size is read each second; ' +
    'growth is the median of the last third of the time over that of the second; in the first, caches fill and compilers learn.',
  async run(stage, { soak: seconds }, say) {
    const row: Row = { name: chorus.name, label: chorus.label, values: {} };
    const points: [number, number][] = [];
    await attempt(row, say, async () => {
      const server = await stage.launch(chorus, { cache: true });
      const begun = performance.now();
      let over = false;
      const load = pace(server.port, { seconds }).finally(() => {
        over = true;
      });
      // Waited for below; a failure while sampling must not count as unhandled.
      load.catch(() => {});
      while (!over) {
        points.push([(performance.now() - begun) / 1000, server.resident() / mib]);
        await sleep(1000);
      }
      const { sent, received, failed } = await load;
      const third = (from: number) =>
        median(
          points.flatMap(([at, size]) =>
            at >= (seconds * from) / 3 && at < (seconds * (from + 1)) / 3 ? [size] : [],
          ),
        );
      const [settled, end] = [third(1), third(2)];
      const growth = (end / settled - 1) * 100;
      row.values.growth = [growth];
      row.values.settled = [settled];
      row.values.end = [end];
      row.values.peak = [Math.max(...points.map(([, size]) => size))];
      row.values.rate = [received / seconds];
      row.values.lost = [sent - received + failed];
      say(`  ${seconds} s: ${settled.toFixed(0)} MiB settled, ${growth.toFixed(1)}% growth`);
    });
    const series: Series[] = points.length > 1 ? [{ label: row.label, unit: 'MiB', points }] : [];
    return {
      metrics: [
        { key: 'growth', label: 'growth', unit: '%', digits: 1 },
        { key: 'settled', label: 'resident, second third', unit: 'MiB', digits: 0 },
        { key: 'end', label: 'last third', unit: 'MiB', digits: 0 },
        { key: 'peak', label: 'peak', unit: 'MiB', digits: 0 },
        { key: 'rate', label: 'queries/s', unit: '', digits: 0 },
        { key: 'lost', label: 'lost or failed', unit: '', digits: 0 },
      ],
      rows: [row],
      series,
      goals: [
        {
          text: `resident size flat over ${seconds} s of misses (at most 2% growth)`,
          measured: row.values.growth?.[0] ?? Number.NaN,
          bound: 2,
          digits: 1,
          unit: '%',
        },
      ],
    };
  },
};
