import { setTimeout as sleep } from 'node:timers/promises';
import { FarmNet, service } from '#test/support/farm-net.ts';
import { Flow, type FlowAccount } from '#test/support/flow.ts';
import { type Way, ways } from '#test/support/ways.ts';
import { type Figures, frontEvents } from '../lib/front-events.ts';
import { Fronts } from '../lib/fronts.ts';
import { attempt } from '../lib/rounds.ts';
import { back, gone, Site, settled, watched, zone } from '../lib/sites.ts';
import { type Announcer, type Announcing, announcers, lacks } from '../subjects/announcers.ts';
import { type Case, type Goal, isWanted, type Metric, type Row } from './case.ts';

const rate = 2000;

const metrics: readonly Metric[] = [
  { key: 'gone', label: 'route gone at BIRD after', unit: 'ms', digits: 0 },
  { key: 'goneFrr', label: 'at FRR', unit: 'ms', digits: 0 },
  { key: 'back', label: 'back at BIRD after', unit: 'ms', digits: 0 },
  { key: 'backFrr', label: 'at FRR', unit: 'ms', digits: 0 },
  { key: 'lost', label: 'queries lost', unit: '', digits: 0 },
  { key: 'broken', label: 'TCP sessions of the other front broken', unit: '', digits: 0 },
];

/** Two nodes that announce by themselves, and what is measured of them. */
type Scene = {
  readonly farm: FarmNet;
  readonly sites: readonly Site[];
  readonly announcing: readonly Announcing[];
};

type Event = {
  readonly name: string;
  readonly label: string;
  /** Does it to the first node; gives when, in ms since 1970. */
  begin(scene: Scene): Promise<number>;
  /** Undoes it; gives when it was well again. Null: nothing is to be undone that the route could come back for. */
  end(scene: Scene, restart: () => Promise<void>): Promise<number>;
};

const nameserver = (how: 'killed' | 'stopped' | 'servfail', label: string): Event => ({
  name: `named-${how}`,
  label,
  begin: ({ sites }) => sites[0]!.fail(how),
  end: ({ sites }) => sites[0]!.recover(how),
});

const judge = (signal: 'SIGKILL' | 'SIGSTOP', label: string): Event => ({
  name: `judge-${signal.toLowerCase()}`,
  label,
  async begin({ announcing }) {
    const began = Date.now();
    announcing[0]!.hurt(signal);
    return began;
  },
  async end({ announcing }, restart) {
    if (signal === 'SIGSTOP') announcing[0]!.hurt('SIGCONT');
    else await restart();
    return Date.now();
  },
});

/** The judge has died or hangs unnoticed; 3 s later the nameserver dies. */
const blind = (signal: 'SIGKILL' | 'SIGSTOP', label: string): Event => ({
  name: `blind-${signal.toLowerCase()}`,
  label,
  async begin({ announcing, sites }) {
    announcing[0]!.hurt(signal);
    await sleep(3000);
    return await sites[0]!.fail('killed');
  },
  async end({ sites }, restart) {
    await sites[0]!.recover('killed');
    await restart();
    return Date.now();
  },
});

const events: readonly Event[] = [
  nameserver('killed', 'kill -9 of named'),
  nameserver('stopped', 'SIGSTOP of named'),
  nameserver('servfail', 'SERVFAIL of named'),
  judge('SIGKILL', 'kill -9 of the judge'),
  judge('SIGSTOP', 'SIGSTOP of the judge'),
  blind('SIGKILL', 'kill -9 of the judge, 3 s later of named'),
  blind('SIGSTOP', 'SIGSTOP of the judge, 3 s later kill -9 of named'),
];

/** Queries lost from some time on. */
const lostSince = ({ lost, failed }: FlowAccount, since: number) =>
  [...lost, ...failed].filter(at => at >= since - 50).length;

async function round(
  scene: Scene,
  event: Event,
  restart: () => Promise<void>,
  limit: number,
): Promise<Record<string, number>> {
  const { farm, sites } = scene;
  const [site] = sites;
  await settled(farm, sites);
  const flow = await Flow.start(farm.client, { to: service.ipv4, rate, zone });
  await sleep(500);
  const asked = Date.now();
  const began = await event.begin(scene);
  // What went before the last blow went in time.
  const after = (await gone(farm, site!, asked, limit)).map(ms => Math.max(0, ms - (began - asked)));
  const [bird = 0, frr = 0] = after;
  const went = after.every(Number.isFinite);
  if (went) await sleep(300);
  const account = await flow.end();
  const recovered = await event.end(scene, restart);
  const values: Record<string, number> = { lost: lostSince(account, asked) };
  if (!went) return values;
  const [backBird = 0, backFrr = 0] = await back(farm, site!, recovered);
  return { ...values, gone: bird, goneFrr: frr, back: backBird, backFrr };
}

async function measure(
  announcer: Announcer,
  rows: readonly Row[],
  options: { rounds: number; quick: boolean },
  say: (text: string) => void,
): Promise<void> {
  const farm = await FarmNet.make({ routers: ['bird', 'frr'], fronts: 2, nodes: 0 });
  const sites = farm.fronts.map((host, i) => new Site(i + 1, host));
  const announcing: Announcing[] = [];
  try {
    await Promise.all(sites.map(site => site.prepare()));
    for (const site of sites) announcing.push(await announcer.start(site));
    const scene: Scene = { farm, sites, announcing };
    const limit = options.quick ? 8000 : watched;
    const restart = async () => {
      await announcing[0]!.stop();
      announcing[0] = await announcer.start(sites[0]!);
    };
    for (let turn = 0; turn < options.rounds; turn++) {
      for (const event of events) {
        const row = rows.find(({ name }) => name === `${announcer.name}:${event.name}`);
        if (!row || row.failed) continue;
        const values = await attempt(row, say, () => round(scene, event, restart, limit));
        if (!values) return;
        if (values.gone === undefined) row.failed = `still announced after ${limit / 1000} s`;
        take(row, values, turn, say);
      }
    }
  } finally {
    await Promise.all(announcing.map(one => one.stop()));
    await Promise.all(sites.map(site => site.stop()));
    await farm.stop();
  }
}

/** What lacks something, or breaks, is told of in its rows; the others are measured. */
async function stopAtNothing(
  rows: readonly Row[],
  lacking: string | null,
  measuring: () => Promise<void>,
): Promise<void> {
  try {
    if (lacking !== null) throw new Error(lacking);
    await measuring();
  } catch (error) {
    for (const row of rows) row.failed ??= error instanceof Error ? error.message : String(error);
  }
}

/** All events of the fronts with one way of announcing. */
async function measureFronts(
  way: Way,
  rows: readonly Row[],
  rounds: number,
  say: (text: string) => void,
): Promise<void> {
  const scene = await Fronts.start(way);
  try {
    for (let turn = 0; turn < rounds; turn++) {
      for (const event of frontEvents) {
        const row = rows.find(({ name }) => name === rowName(way, event));
        if (!row || row.failed || event.suits?.(scene) === false) continue;
        const figures = await attempt(row, say, async () => {
          await scene.settled();
          return await event.run(scene);
        });
        // What an event left behind is not known: the rest is not measured.
        if (!figures) return;
        take(row, figures, turn, say);
      }
    }
  } finally {
    await scene.stop();
  }
}

const rowName = ({ name }: { readonly name: string }, event: { readonly name: string }) =>
  `${name}:${event.name}`;

function take(row: Row, figures: Figures, turn: number, say: (text: string) => void): void {
  for (const [key, value] of Object.entries(figures)) {
    row.values[key] ??= [];
    row.values[key].push(value);
  }
  const told = metrics.map(({ key, digits }) => `${key} ${figures[key]?.toFixed(digits) ?? '–'}`);
  say(`  round ${turn + 1}  ${row.name.padEnd(28)} ${told.join('  ')}`);
}

/** The highest of figures in all rounds of some rows; NaN when one of them is missing. */
function highest(rows: readonly Row[], names: readonly string[], keys: readonly string[]): number {
  const all = names.flatMap(name =>
    keys.map(key => Math.max(...(rows.find(one => one.name === name)?.values[key] ?? [Number.NaN]))),
  );
  return Math.max(...all);
}

function goalsOf(rows: readonly Row[]): Goal[] {
  const within = (text: string, bound: number, keys: readonly string[], ...names: string[]): Goal => ({
    text,
    measured: highest(rows, names, keys),
    bound,
    unit: 'ms',
    digits: 0,
  });
  const none = (text: string, key: string, ...names: string[]): Goal => ({
    text,
    measured: highest(rows, names, [key]),
    bound: 0,
    unit: '',
    digits: 0,
  });
  const every = (event: string) =>
    [ways.speaker, ways.leaseBird, ways.leaseFrr].map(({ name }) => `${name}:${event}`);
  const nodes = ['killed', 'stopped', 'servfail'].flatMap(how => [
    `node-lease:named-${how}`,
    `node-speaker:named-${how}`,
  ]);
  const there = ['back', 'backFrr'];
  return [
    within(
      'verdict → gone at BIRD, in every round: lease with BIRD, or speaker',
      50,
      ['gone'],
      'speaker:verdict',
      'lease-bird:verdict',
    ),
    within('healthy → there at both routers, after the decision', 150, there, ...every('verdict')),
    within('kill -9: gone at BIRD, speaker', 50, ['gone'], 'speaker:front-killed'),
    within(
      'kill -9 or SIGSTOP: gone at both routers, lease',
      2500,
      ['gone', 'goneFrr'],
      'lease-bird:front-killed',
      'lease-frr:front-killed',
      'lease-bird:front-stopped',
      'lease-frr:front-stopped',
    ),
    within(
      'SIGSTOP: gone at both routers, speaker with hold time 3 s',
      3500,
      ['gone', 'goneFrr'],
      'speaker:front-stopped',
    ),
    within(
      'reconciled after a session reset, or the return of a router, speaker',
      1000,
      there.slice(0, 1),
      'speaker:reset',
      'speaker:router',
    ),
    within('reconciled after the return of BIRD beside it', 1000, there.slice(0, 1), 'lease-bird:daemon'),
    within(
      'reconciled after the return of FRR beside it (FRR calls the routers again only after seconds)',
      1000,
      there.slice(0, 1),
      'lease-frr:daemon',
    ),
    none('planned drain: queries lost', 'lost', ...every('drain')),
    none('a front is killed: connections of the other that break', 'broken', ...every('front-killed')),
    within(
      'node without balancer: named killed, stopped, SERVFAIL: gone at both routers',
      1500,
      ['gone', 'goneFrr'],
      ...nodes,
    ),
  ];
}

export const routes: Case = {
  name: 'routes',
  title: 'When a route comes and goes',
  about:
    'Two fronts of Chorus, and then two nodes without a balancer, behind two routers (BIRD and FRR) with equal-cost multipath, 2,000 queries a second through them. Something happens to one ' +
    'of the two: to Chorus, to its backends, to its routing daemon; on the node to named, or to what judges it. Seen in the kernel of each router, to the millisecond: when it lost its way there, and when it has it ' +
    'again after the recovery (for named: since it answers). FRR as a router takes 60 ms longer, which is its own wait. Lost: no answer within two seconds, or SERVFAIL. Who runs a check beside Chorus runs the same dig once a ' +
    'second and counts to three.',
  async run(_stage, { rounds, quick = false, parts }, say) {
    const allWays: readonly Way[] = Object.values(ways);
    const row = (subject: { name: string; label: string }, event: { name: string; label: string }): Row[] =>
      isWanted(parts, rowName(subject, event))
        ? [{ name: rowName(subject, event), label: subject.label, group: event.label, values: {} }]
        : [];
    const rows = [
      ...frontEvents.flatMap(event => allWays.flatMap(way => row(way, event))),
      ...events.flatMap(event => announcers.flatMap(announcer => row(announcer, event))),
    ];
    const of = ({ name }: { name: string }) => rows.filter(one => one.name.startsWith(`${name}:`));
    for (const way of allWays) {
      if (of(way).length > 0)
        await stopAtNothing(of(way), lacks(way), () => measureFronts(way, of(way), rounds, say));
    }
    for (const announcer of announcers) {
      const mine = of(announcer);
      if (mine.length > 0)
        await stopAtNothing(mine, lacks(announcer), () => measure(announcer, mine, { rounds, quick }, say));
    }
    return { metrics, rows, goals: goalsOf(rows), span: `${rounds} rounds` };
  },
};
