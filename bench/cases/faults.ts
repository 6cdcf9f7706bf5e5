import { setTimeout as sleep } from 'node:timers/promises';
import type { Backend, Farm, Order } from '../lib/farm.ts';
import { type Pace, pace } from '../lib/load.ts';
import { attempt } from '../lib/rounds.ts';
import type { Server, Stage } from '../lib/stage.ts';
import { type Sighting, Watch } from '../lib/watch.ts';
import { chorus } from '../subjects/chorus.ts';
import { dnsdist, dnsdistRandom } from '../subjects/dnsdist.ts';
import { recursor } from '../subjects/recursor.ts';
import type { Subject } from '../subjects/subject.ts';
import { unbound } from '../subjects/unbound.ts';
import { type Case, type Goal, isWanted, type Metric, type Row } from './case.ts';

const rate = 2000;
const seconds = 10;
const backends = 4;
/** Seconds after which a query without an answer is lost. */
const patience = 5;
/** Unmeasured queries before, in seconds: compilers that learn while running have then seen the work. */
const warm = 1.5;
const warmNames = 1 << 30;
/** A down time and the time from one restart to the next, in ms, when the measurement lasts `seconds`. */
const restartTakes = 700;
const restartEvery = 1500;

type Fault = {
  readonly name: string;
  readonly label: string;
  /** So many backends are ill from the beginning of the fault to the end: those that were asked most until then. */
  readonly sick: number;
  /** It comes to all in turn. */
  readonly everyone?: true;
  /** Begins it; gives when, in ms since the epoch. Times are for a measurement of `seconds`, to be stretched. */
  begin(sick: readonly Backend[], farm: Farm, stretch: number): Promise<number>;
};

function ill(name: string, label: string, order: Order, sick = 1): Fault {
  return {
    name,
    label,
    sick,
    begin: async backends => Math.min(...(await Promise.all(backends.map(backend => backend.order(order))))),
  };
}

async function rollingRestart(_sick: unknown, farm: Farm, stretch: number): Promise<number> {
  const began = Date.now();
  for (const [index, backend] of farm.backends.entries()) {
    await sleep(began + index * restartEvery * stretch - Date.now());
    await backend.kill();
    await sleep(restartTakes * stretch);
    await backend.start();
  }
  return began;
}

const faultList: readonly Fault[] = [
  { name: 'healthy', label: 'none', sick: 0, begin: async () => Date.now() },
  ill('silent', 'silent', { illness: 'silent' }),
  { name: 'killed', label: 'killed', sick: 1, begin: ([one]) => one!.kill() },
  ill('servfail', 'SERVFAIL to all', { illness: 'servfail' }),
  ill('servfail-30', 'SERVFAIL to 30%', { illness: 'servfail', percent: 30 }),
  ill('slow', '800 ms slow', { illness: 'slow', ms: 800 }),
  ill('drops-10', 'drops 10%', { illness: 'silent', percent: 10 }),
  ill('refused', 'REFUSED', { illness: 'refused' }),
  ill('wrong-ids', 'wrong ids', { illness: 'wrongid' }),
  ill('garbage', 'garbage', { illness: 'garbage' }),
  ill('lies-30', 'NXDOMAIN lies to 30%', { illness: 'nxdomain', percent: 30 }),
  ill('two', 'two of four silent', { illness: 'silent' }, 2),
  { name: 'restart', label: 'rolling restart', sick: 0, everyone: true, begin: rollingRestart },
];

const metrics: readonly Metric[] = [
  { key: 'failed', label: 'failed', unit: '', digits: 0 },
  { key: 'p999', label: 'p99.9', unit: 'ms', digits: 1 },
  { key: 'max', label: 'max', unit: 'ms', digits: 1 },
  { key: 'lies', label: 'lies', unit: '', digits: 0 },
  { key: 'slow', label: 'over 1 s', unit: '', digits: 0 },
  { key: 'share', label: 'its share before', unit: '%', digits: 0 },
  { key: 'extra', label: 'extra backend queries', unit: '%', digits: 2 },
  { key: 'out', label: 'out of traffic after', unit: 'ms', digits: 0 },
  { key: 'after', label: 'queries to it later than 200 ms', unit: '', digits: 0 },
  { key: 'found', label: 'evidence against it', unit: '', digits: 0 },
  { key: 'slandered', label: 'against others', unit: '', digits: 0 },
  { key: 'late999', label: 'client late, p99.9', unit: 'ms', digits: 1 },
];

/** Under this fault, in ms: out of new traffic. */
const soon = 200;

/**
 * When a backend is out of traffic, in ms since the fault `began`: after a query that is followed, within a second, by less
 * than 1% of what a second had before. `times` are those of all queries to it, in order.
 */
export function outAfter(began: number, times: readonly number[], loadBegan: number): number {
  const before = times.filter(at => at <= began).length;
  const few = Math.max(1, Math.ceil(((before / (began - loadBegan)) * 1000) / 100));
  const since = [began, ...times.slice(before)];
  const last = since.find((at, index) => (since[index + few] ?? Number.POSITIVE_INFINITY) - at > 1000);
  return (last ?? Number.NaN) - began;
}

function figures(
  load: Pace,
  sick: ReadonlySet<number>,
  began: number,
  seen: readonly Sighting[] | undefined,
): Record<string, number> {
  const { sent, received, codes, wrong, unexpected, slow, p50, p999, max, late999 } = load;
  const [good = 0, , servfail = 0, nxdomain = 0] = codes;
  const values: Record<string, number> = {
    failed: sent - good - nxdomain,
    p999: p999 / 1000,
    max: max / 1000,
    lies: nxdomain + wrong,
    slow,
    late999: late999 / 1000,
    p50: p50 / 1000,
    sent,
    lost: sent - received,
    servfail,
    unexpected,
  };
  const mine = seen?.filter(({ name }) => name < sent);
  if (!mine) return values;
  values.extra = (mine.length / sent - 1) * 100;
  if (sick.size === 0) return values;
  const theirs = mine.filter(({ backend }) => sick.has(backend));
  const later = theirs.filter(({ at }) => at > began);
  values.share = ((theirs.length - later.length) / mine.filter(({ at }) => at <= began).length) * 100;
  const outs = [...sick].map(one => {
    const times = theirs.filter(({ backend }) => backend === one).map(({ at }) => at);
    return outAfter(began, times, mine[0]?.at ?? began);
  });
  values.out = Math.max(...outs);
  values.after = later.filter(({ at }) => at > began + soon).length;
  return values;
}

/** What a server found against its backends, where it tells: the sick ones, and wrongly the others. */
async function findings(
  { findings: read }: Subject,
  server: Server,
  farm: Farm,
  sick: readonly Backend[],
): Promise<Record<string, number>> {
  if (!read) return {};
  const metrics = await server.metrics();
  const values = { found: 0, foundLies: 0, slandered: 0 };
  for (const backend of farm.backends) {
    const kinds = read(metrics, backend.port);
    const all = Object.values(kinds).reduce((sum, count) => sum + count, 0);
    if (!sick.includes(backend)) values.slandered += all;
    else {
      values.found += all;
      values.foundLies += kinds.lies ?? 0;
    }
  }
  return values;
}

async function suffer(
  stage: Stage,
  subject: Subject,
  fault: Fault,
  lasting: number,
): Promise<Record<string, number>> {
  const stretch = lasting / seconds;
  const farm = await stage.farm(backends);
  const watch = await Watch.start(farm.ports, stage.folder(`watch-${subject.name}`));
  try {
    const server = await stage.launch(subject, { cache: false, backends: farm.ports, usualChecks: true });
    try {
      await pace(server.port, { seconds: warm * stretch, rate, first: warmNames, patience: 1 });
      const load = pace(server.port, { seconds: lasting, rate, patience });
      // Waited for below; what goes wrong before must not count as unhandled.
      load.catch(() => {});
      await sleep(3000 * stretch);
      const sick = farm.busiest(fault.sick);
      const began = await fault.begin(sick, farm, stretch);
      const places = new Set(sick.map(backend => farm.backends.indexOf(backend)));
      const values = figures(await load, places, began, await watch.stop());
      return { ...values, ...(await findings(subject, server, farm, fault.everyone ? farm.backends : sick)) };
    } finally {
      await server.stop();
    }
  } finally {
    await watch.stop();
    await farm.stop();
  }
}

/** The highest of a figure under some faults; NaN when one of them was not measured. */
function worst(rows: readonly Row[], faults: readonly string[], key: string): number {
  const values = faults.map(
    fault => rows.find(({ name }) => name === rowName(chorus, fault))?.values[key]?.[0] ?? Number.NaN,
  );
  return Math.max(...values);
}

const rowName = (subject: Subject, fault: string) => `${subject.name}:${fault}`;

function goals(rows: readonly Row[]): Goal[] {
  const all = faultList.map(({ name }) => name);
  const goal = (
    text: string,
    faults: readonly string[],
    key: string,
    bound: number,
    unit: string,
    digits: number,
  ): Goal => ({ text, measured: worst(rows, faults, key), bound, unit, digits });
  const none = (text: string, ...faults: string[]) =>
    goal(`${text}: none of 20,000 queries failed`, faults, 'failed', 0, 'failed', 0);
  const within = (text: string, key: string, label: string, bound: number, ...faults: string[]) =>
    goal(`${text}: ${label} under ${bound} ms`, faults, key, bound, 'ms', 1);
  const sick = ['silent', 'killed', 'servfail', 'servfail-30', 'refused', 'wrong-ids', 'garbage', 'two'];
  return [
    none('silent, or killed', 'silent', 'killed'),
    within('silent, or killed', 'p999', 'p99.9', 25, 'silent', 'killed'),
    within('silent, or killed', 'max', 'max', 250, 'silent', 'killed'),
    none('SERVFAIL to all, or to 30%', 'servfail', 'servfail-30'),
    within('SERVFAIL to all, or to 30%', 'p999', 'p99.9', 10, 'servfail', 'servfail-30'),
    within('800 ms slow', 'p999', 'p99.9', 25, 'slow'),
    none('drops 10%', 'drops-10'),
    none('REFUSED, wrong ids, garbage, NXDOMAIN lies', 'refused', 'wrong-ids', 'garbage', 'lies-30'),
    none('two of four at once; rolling restart of all four', 'two', 'restart'),
    goal(
      'out of new traffic (less than 1% of what it had) within 200 ms: broken for all or 30%',
      sick,
      'out',
      soon,
      'ms',
      0,
    ),
    goal(
      'out of new traffic (less than 1% of what it had) within 200 ms: slow, or drops 10%',
      ['slow', 'drops-10'],
      'out',
      soon,
      'ms',
      0,
    ),
    {
      text: 'NXDOMAIN lies to 30%: evidence of lying against the liar',
      measured: worst(rows, ['lies-30'], 'foundLies'),
      bound: 1,
      unit: '',
      digits: 0,
      atLeast: true,
    },
    goal('evidence against backends that are well', all, 'slandered', 0, '', 0),
    goal('extra backend queries over the whole run, worst fault', all, 'extra', 5, '%', 2),
    goal('extra backend queries in a healthy farm', ['healthy'], 'extra', 1, '%', 2),
  ];
}

export const faults: Case = {
  name: 'faults',
  title: 'One of four backends fails',
  about:
    'Four backends, 2,000 unique names a second in an open loop for 10 s, no cache; at 3 s the backend that was asked most begins to fail, or two are silent, or all ' +
    'four are restarted one after the other, each gone for 0.7 s. Each fault meets a server just started, with health checks as they come. Failed: ' +
    'lost (no answer within 5 s; it counts as 5 s in the percentiles) or answered with SERVFAIL, REFUSED and the like. Lies: NXDOMAIN for a name ' +
    'that exists. Extra backend queries, and when the sick backend was left out (less than 1% of the queries that it had before; it may be tried again later), are ' +
    'seen on the wire. ' +
    'Chorus runs alone, the others side by side.',
  async run(stage, { quick, parts }, say) {
    const lasting = quick ? 2 : seconds;
    const groups = [[chorus], quick ? [dnsdist] : [dnsdist, dnsdistRandom, unbound, recursor]];
    const rows: Row[] = [];
    for (const fault of faultList) {
      for (const group of groups) {
        const subjects = group.filter(subject => isWanted(parts, rowName(subject, fault.name)));
        const measured = subjects.map(async subject => {
          const row: Row = {
            name: rowName(subject, fault.name),
            label: subject.label,
            group: fault.label,
            values: {},
          };
          rows.push(row);
          const values = await attempt(row, say, () => suffer(stage, subject, fault, lasting));
          for (const [key, value] of Object.entries(values ?? {})) row.values[key] = [value];
          const told = metrics.map(({ key, digits }) => `${key} ${values?.[key]?.toFixed(digits) ?? '–'}`);
          say(`  ${row.name.padEnd(28)} ${told.join('  ')}`);
        });
        await Promise.all(measured);
      }
    }
    return { metrics, rows, goals: goals(rows), span: `20,000 queries each, at ${rate} a second` };
  },
};
