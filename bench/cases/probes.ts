import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { rootDir } from '../lib/build.ts';
import { attempt, medianOf } from '../lib/rounds.ts';
import type { Subject } from '../subjects/subject.ts';
import type { Case, Row } from './case.ts';

const backends = 1000;
/** Seconds until the threads are started, all backends have been probed and the code has been compiled for good. */
const settling = 15;
/** Seconds until what the metrics of a thousand backends left behind has been collected. */
const collecting = 4;

/** Chorus with a thousand backends: one answerer, asked from a thousand addresses of the loopback. */
function farm(name: string, label: string, engine: 'batch' | 'loop', probe: string): Subject {
  const program = join(rootDir, 'bin/chorus');
  const source = (index: number) => `127.77.${index >> 8}.${index & 255}`;
  return {
    name,
    label,
    needs: program,
    command: ({ port, apiPort, folder, backends: [asked] }) => ({
      command: program,
      args: ['serve', '--config', `${folder}/chorus.yaml`],
      files: {
        'chorus.yaml': `listen: ["127.0.0.1:${port}"]
api: 127.0.0.1:${apiPort}
engine: ${engine}
workers: 1
ports-per-backend: 1
cache: off
pools:
  default:
    probe: ${probe}
    backends:
${Array.from({ length: backends }, (_, i) => `      - { name: n${i}, address: "127.0.0.1:${asked}", source: "${source(i)}" }`).join('\n')}
`,
      },
    }),
  };
}

const often = '{ name: check.bench.test, type: A, interval: 1s }';
const subjects = [
  farm('probes', 'Chorus', 'batch', often),
  farm('no-probes', 'Chorus, not probing', 'batch', 'off'),
  farm('probes-loop', 'Chorus, loop engine', 'loop', often),
];

export const probes: Case = {
  name: 'probes',
  title: 'A thousand backends probed once a second',
  about:
    `${backends.toLocaleString('en')} backends, each asked once a second over UDP, from a socket that is changed after 8 to 24 probes. No client asks: ` +
    'processor time of the whole process, with the look at live traffic every 50 ms; the second row is what is left without probes.',
  async run(stage, { rounds, seconds }, say) {
    const rows = subjects.map(({ name, label }): Row => ({ name, label, values: {} }));
    for (let round = 0; round < rounds; round++) {
      for (const [index, subject] of subjects.entries()) {
        const row = rows[index]!;
        if (row.failed) continue;
        await attempt(row, say, async () => {
          const server = await stage.launch(subject, { cache: false, usualChecks: true });
          await sleep(settling * 1000);
          const runsBefore = runs(await server.metrics());
          const counted = performance.now();
          await sleep(collecting * 1000);
          const before = server.cpu();
          const begun = performance.now();
          await sleep(seconds * 1000);
          const after = server.cpu();
          const took = (performance.now() - begun) / 1000;
          const runsAfter = runs(await server.metrics());
          const rate = (runsAfter - runsBefore) / ((performance.now() - counted) / 1000);
          const core = (after.user + after.system - before.user - before.system) / took / 1e4;
          for (const [key, value] of Object.entries({ core, rate })) {
            row.values[key] ??= [];
            row.values[key].push(value);
          }
          say(
            `  round ${round + 1}  ${row.name.padEnd(14)} ${core.toFixed(1)}%, ${rate.toFixed(0)} probes/s`,
          );
          await server.stop();
        });
      }
    }
    return {
      metrics: [
        { key: 'core', label: 'of one core', unit: '%', digits: 1 },
        { key: 'rate', label: 'probes a second', unit: '', digits: 0 },
      ],
      rows,
      goals: [
        {
          text: '1,000 backends probed once a second: under 5% of one core',
          measured: medianOf(rows, 'probes', 'core'),
          bound: 5,
          digits: 1,
          unit: '%',
        },
      ],
    };
  },
};

function runs(metrics: string): number {
  let sum = 0;
  for (const [, count] of metrics.matchAll(/^chorus_probe_runs_total\{.*\} (\d+)/gm)) sum += Number(count);
  return sum;
}
