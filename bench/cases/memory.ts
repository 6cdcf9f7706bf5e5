import { dnsperf, nameFile } from '../lib/load.ts';
import { type Entry, inTurn, medianOf } from '../lib/rounds.ts';
import { chorus } from '../subjects/chorus.ts';
import { dnsdistVector } from '../subjects/dnsdist.ts';
import type { Case } from './case.ts';

const answers = 1_000_000;
const sampleEvery = 10;

export const memory: Case = {
  name: 'memory',
  title: 'A million cached answers',
  about:
    `${answers.toLocaleString('en')} names are asked once, then every ${sampleEvery}th of them again: those that no answerer ` +
    'hears of are in the cache. Chorus has a cache of 256 MiB, dnsdist one of a million entries.',
  async run(stage, _options, say) {
    const answerers = await stage.answerers();
    const entries = [chorus, dnsdistVector].map(
      (subject): Entry => ({
        subject,
        launch: { cache: true, entries: answers },
        async measure(server) {
          const empty = server.resident();
          await dnsperf(server.port, await nameFile(0, answers), 'once');
          const full = server.resident();
          const before = answerers.answered();
          const { completed } = await dnsperf(server.port, await nameFile(0, answers, sampleEvery), 'once');
          // Checks of the server's own may add a few; they make the figure worse, not better.
          const kept = 1 - (answerers.answered() - before) / completed;
          const mib = 2 ** 20;
          return {
            kept: kept * answers,
            full: full / mib,
            empty: empty / mib,
            bytes: (full - empty) / (kept * answers),
          };
        },
      }),
    );
    const rows = await inTurn(stage, entries, 1, say);
    return {
      metrics: [
        { key: 'kept', label: 'answers kept', unit: '', digits: 0 },
        { key: 'full', label: 'resident, full', unit: 'MiB', digits: 0 },
        { key: 'empty', label: 'resident, empty', unit: 'MiB', digits: 0 },
        { key: 'bytes', label: 'growth per answer', unit: 'bytes', digits: 0 },
      ],
      rows,
      goals: [
        {
          text: 'answers kept of 1,000,000 in 256 MiB (0.1% for the sampling and for health checks)',
          measured: medianOf(rows, chorus.name, 'kept'),
          bound: answers * 0.999,
          digits: 0,
          unit: '',
          atLeast: true,
        },
      ],
    };
  },
};
