import { setTimeout as sleep } from 'node:timers/promises';
import { dnsperf, nameFile, burst as sendBurst } from '../lib/load.ts';
import { type Entry, inTurn, worstOf } from '../lib/rounds.ts';
import { bind } from '../subjects/bind.ts';
import { chorus } from '../subjects/chorus.ts';
import { dnsdist, dnsdistVector } from '../subjects/dnsdist.ts';
import { echo } from '../subjects/echo.ts';
import { recursor } from '../subjects/recursor.ts';
import { unbound } from '../subjects/unbound.ts';
import { cachedNames } from './cached.ts';
import type { Case } from './case.ts';

const sizes = [50_000, 10_000, 2_000, 1_000, 500, 200];
const mostRounds = 3;

export const burst: Case = {
  name: 'burst',
  title: 'Bursts: queries lost',
  about:
    'So many queries at once from 64 sockets, for cached names, then up to 1.5 s to gather the answers. Each server has ' +
    'the receive buffer that it asks for by itself.',
  async run(stage, { rounds }, say) {
    const entries = [echo, bind, unbound, recursor, dnsdist, dnsdistVector, chorus].map(
      (subject): Entry => ({
        subject,
        launch: { cache: true },
        prepare: async server => dnsperf(server.port, await nameFile(0, cachedNames), 'once'),
        async measure(server) {
          const lost: Record<string, number> = {};
          for (const size of sizes) {
            const { sent, answered } = await sendBurst(server.port, size);
            lost[`lost${size}`] = sent - answered;
            // What is still queued in the server belongs to this burst, not to the next.
            if (answered < sent) await sleep(200);
          }
          return lost;
        },
      }),
    );
    const rows = await inTurn(stage, entries, Math.min(rounds, mostRounds), say);
    const largest = `lost${sizes[0]}`;
    return {
      metrics: sizes.map(size => ({
        key: `lost${size}`,
        label: `lost of ${size.toLocaleString('en')}`,
        unit: '',
        digits: 0,
      })),
      rows,
      goals: [
        {
          text: `nothing lost of ${sizes[0]!.toLocaleString('en')}, in any round`,
          measured: worstOf(rows, chorus.name, largest),
          bound: 0,
          digits: 0,
          unit: 'lost',
        },
      ],
    };
  },
};
