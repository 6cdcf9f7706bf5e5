import { setTimeout as sleep } from 'node:timers/promises';
import type { Farm } from '../lib/farm.ts';
import { type Pace, pace } from '../lib/load.ts';
import { attempt } from '../lib/rounds.ts';
import type { Server, Stage } from '../lib/stage.ts';
import { median } from '../lib/stats.ts';
import { chorus } from '../subjects/chorus.ts';
import { dnsdist } from '../subjects/dnsdist.ts';
import type { Subject } from '../subjects/subject.ts';
import { type Case, type Goal, isWanted, type Metric, type Row } from './case.ts';

const backends = 4;
/** Queries a second for other names, and of them each so-many-th for a name that no cache has. */
const otherRate = 10_000;
const freshEvery = 50;
const otherNames = 10_000;
/** Queries a second for the zone, before and in the storm. */
const zoneRate = 4000;
const stormRate = 40_000;
const zoneNames = 1000;
const randomNames = 100_000;
const patience = 5;
const mib = 2 ** 20;

type Storm = { readonly name: string; readonly label: string; readonly random: boolean };

const storms: readonly Storm[] = [
  { name: 'zone', label: '1,000 names of a zone', random: false },
  { name: 'random', label: '100,000 random names', random: true },
];

const metrics: readonly Metric[] = [
  { key: 'share', label: 'reached the backends', unit: '%', digits: 2 },
  { key: 'during', label: 'other names’ p99', unit: 'ms', digits: 1 },
  { key: 'before', label: 'before the storm', unit: 'ms', digits: 1 },
  { key: 'growth', label: 'resident growth', unit: '%', digits: 1 },
  { key: 'unanswered', label: 'unanswered', unit: '', digits: 0 },
  { key: 'failed', label: 'other names failed', unit: '', digits: 0 },
  { key: 'stale', label: 'zone answered NOERROR', unit: '%', digits: 1 },
  { key: 'extra', label: 'extra queries for other names', unit: '%', digits: 1 },
  { key: 'cpu', label: 'CPU per query', unit: 'µs', digits: 1 },
  { key: 'late99', label: 'client late, p99', unit: 'ms', digits: 1 },
];

type Phase = {
  readonly other: Pace;
  readonly zone: Pace;
  /** Resident sizes while it lasted, in bytes. */
  readonly resident: readonly number[];
};

/** Both kinds of clients for so many seconds. New names are numbered from `fresh` on. */
async function ask(
  server: Server,
  seconds: number,
  fresh: number,
  zone: { readonly rate: number; readonly names: number; readonly scrambled?: true },
): Promise<Phase> {
  const clients = Promise.all([
    pace(server.port, {
      seconds,
      rate: otherRate,
      names: otherNames,
      fresh: { every: freshEvery, from: fresh },
      patience,
    }),
    // A crowd that is heard from every half millisecond leaves the processors to the others.
    pace(server.port, { seconds, ...zone, zone: 'storm', interval: 0.5, patience }),
  ]);
  const resident: number[] = [];
  let over = false;
  const sampling = (async () => {
    for (; !over; await sleep(100)) resident.push(server.resident());
  })();
  try {
    const [other, answers] = await clients;
    return { other, zone: answers, resident };
  } finally {
    over = true;
    await sampling;
  }
}

/** The middle of the second half. */
const settled = (values: readonly number[]) => median(values.slice(values.length >> 1));

async function weather(
  stage: Stage,
  subject: Subject,
  storm: Storm,
  quick: boolean,
): Promise<Record<string, number>> {
  const farm: Farm = await stage.farm(backends);
  try {
    const server = await stage.launch(subject, {
      cache: true,
      // Chorus makes room in a cache that is full; dnsdist takes in nothing more.
      ...(subject === chorus ? {} : { entries: 1_000_000 }),
      backends: farm.ports,
      usualChecks: true,
    });
    try {
      // The cache is full before, so that memory taken later is not memory that was promised.
      await pace(server.port, { seconds: quick ? 0.5 : 4, first: 1 << 28 });
      await pace(server.port, { seconds: 1, rate: 2 * otherNames, names: otherNames });
      const calm = await ask(server, quick ? 1 : 4, 1 << 29, { rate: zoneRate, names: zoneNames });
      const heardBefore = farm.heard;
      const cpuBefore = server.cpu();
      await Promise.all(
        farm.backends.map(backend => backend.order({ illness: 'servfail', stormOnly: true })),
      );
      const crowd = storm.random ? { names: randomNames, scrambled: true as const } : { names: zoneNames };
      const { other, zone, resident } = await ask(server, quick ? 2 : 8, 1 << 30, {
        rate: stormRate,
        ...crowd,
      });
      const cpuAfter = server.cpu();
      const heard = farm.heard;
      const sent = other.sent + zone.sent;
      const misses = Math.ceil(other.sent / freshEvery);
      const forOthers = heard.bench - heardBefore.bench;
      const forZone = heard.storm - heardBefore.storm;
      const cpu = cpuAfter.user + cpuAfter.system - cpuBefore.user - cpuBefore.system;
      return {
        share: ((forZone + forOthers - misses) / sent) * 100,
        during: other.p99 / 1000,
        before: calm.other.p99 / 1000,
        growth: (settled(resident) / settled(calm.resident) - 1) * 100,
        unanswered: sent - other.received - zone.received,
        failed: other.failed + other.wrong,
        stale: ((zone.codes[0] ?? 0) / zone.sent) * 100,
        extra: (forOthers / misses - 1) * 100,
        cpu: cpu / (other.received + zone.received),
        late99: other.late99 / 1000,
        zoneQueries: forZone,
        residentBefore: settled(calm.resident) / mib,
        residentMost: Math.max(...resident) / mib,
        zoneP99: zone.p99 / 1000,
      };
    } finally {
      await server.stop();
    }
  } finally {
    await farm.stop();
  }
}

const rowName = (subject: Subject, storm: Storm) => `${subject.name}:${storm.name}`;

function goals(rows: readonly Row[]): Goal[] {
  return storms.flatMap(storm => {
    const values = rows.find(({ name }) => name === rowName(chorus, storm))?.values ?? {};
    const of = (key: string) => values[key]?.[0] ?? Number.NaN;
    const goal = (text: string, measured: number, bound: number, unit: string, digits: number): Goal => ({
      text: `${storm.label}: ${text}`,
      measured,
      bound,
      unit,
      digits,
    });
    return [
      goal('of all queries, what the backends hear of the storm', of('share'), 1, '%', 2),
      goal('p99 of other names, more than before', of('during') - of('before'), 2, 'ms', 1),
      goal('growth of resident memory', of('growth'), 2, '%', 1),
      goal('all answered, other names well', of('unanswered') + of('failed'), 0, 'not', 0),
    ];
  });
}

export const storm: Case = {
  name: 'storm',
  title: 'A zone fails while its clients ask ten times as much',
  about:
    'Four backends, cache on and filled (dnsdist has room left, because it makes none). 10,000 queries a second for other names, each 50th for one that no cache has; 4,000 for 1,000 names of a zone ' +
    'with a TTL of 2 s. Then all backends answer SERVFAIL for every name of the zone, and its clients ask 40,000 times a second for 8 s: the same ' +
    'names, or 100,000 others under the zone. Reached the backends: all that they hear in the storm, but for the new ones among the other names (each once) and ' +
    'health checks, of all queries asked. Growth: the middle of the second half of the storm over that of the calm before it.',
  async run(stage, { quick = false, parts }, say) {
    const rows: Row[] = [];
    for (const storm of storms) {
      const subjects = [chorus, dnsdist];
      for (const subject of subjects.filter(subject => isWanted(parts, rowName(subject, storm)))) {
        const row: Row = {
          name: rowName(subject, storm),
          label: subject.label,
          group: storm.label,
          values: {},
        };
        rows.push(row);
        const values = await attempt(row, say, () => weather(stage, subject, storm, quick));
        for (const [key, value] of Object.entries(values ?? {})) row.values[key] = [value];
        const told = Object.entries(values ?? {}).map(
          ([key, value]) => `${key} ${Number(value.toPrecision(4))}`,
        );
        say(`  ${row.name.padEnd(20)} ${told.join('  ')}`);
      }
    }
    return { metrics, rows, goals: goals(rows), span: '4 s of calm, 8 s of storm, 50,000 queries/s' };
  },
};
