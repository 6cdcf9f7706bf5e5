/** The scenarios that have a name: the lines of the table of goals, and incidents worth keeping. */
import type { PolicyName } from '#balance/registry.ts';
import type { Fault, FaultKind } from './backends.ts';
import { type Change, calm, defaultHedge, type Scenario, type Storm, scenario } from './scenario.ts';

/** When a fault begins. */
export const faultAt = 3000;
const forEver = 1e9;

/** Faults by the name of their scenario. */
const faults = {
  silent: { kind: 'silent' },
  killed: { kind: 'killed' },
  'killed-quietly': { kind: 'killed-quietly' },
  stalled: { kind: 'stalled', until: 6000 },
  servfail: { kind: 'servfail' },
  'servfail-30%': { kind: 'servfail', share: 0.3 },
  slow: { kind: 'slow', ms: 800 },
  'drops-10%': { kind: 'drops', share: 0.1 },
  refused: { kind: 'refused' },
  'refused-30%': { kind: 'refused', share: 0.3 },
  'wrong-id': { kind: 'wrong-id' },
  'wrong-question': { kind: 'wrong-question' },
  garbage: { kind: 'garbage' },
  cut: { kind: 'cut' },
  'formerr-edns': { kind: 'formerr-edns' },
  'lies-30%': { kind: 'lies', share: 0.3 },
  truncates: { kind: 'truncates' },
  doubles: { kind: 'doubles' },
} as const satisfies Record<string, Partial<Fault> & { kind: FaultKind }>;

export type FaultName = keyof typeof faults;

function faultOf(name: FaultName, backend: number): Fault {
  return { from: faultAt, until: forEver, ...faults[name], backend };
}

/** 2,000 unique names/s at four backends, one or two of which have a fault from 3 s on, under this policy. */
export function farmWith(policy: PolicyName, ...names: readonly FaultName[]): Scenario {
  return scenario({
    name: [...names, ...(policy === calm.pool.policy ? [] : [policy])].join(' '),
    pool: { policy, hedge: defaultHedge },
    faults: names.map((name, index) => faultOf(name, index + 1)),
  });
}

/** Resolvers that have to look for a fifth of the names, 25 ms in the middle, 90 ms and more for one in twenty. */
export const searching: Change = { backend: { known: 0.8, search: 25, searchSpread: 0.8 } };

/** Each backend is killed for 2 s, one after the other. */
const rollingRestart = scenario({
  name: 'rolling-restart',
  duration: 16_000,
  faults: [0, 1, 2, 3].map((backend): Fault => {
    const from = 2000 + backend * 3000;
    return { kind: 'killed', backend, from, until: from + 2000 };
  }),
});

/** Nobody reaches the Internet for 5 s; what resolvers know by heart they still say. */
const uplink = scenario(
  {
    name: 'uplink',
    faults: [{ kind: 'uplink', backend: 'all', from: faultAt, until: faultAt + 5000 }],
    duration: 15_000,
    clients: { names: 20_000, exponent: 0.9 },
    cache: {},
  },
  scenario(searching),
);

/** A packet worker stands still four times, for up to 700 ms. */
const pauses = scenario({
  name: 'pauses',
  workers: 2,
  actions: [100, 300, 700, 200].map((ms, i) => ({ at: 2000 * (i + 1), do: 'pause', worker: i % 2, ms })),
});

/** What a healthy farm meets in a day: lost packets, slow and dead authoritative servers, bogus names. */
export function noise(name: string, policy: PolicyName, hours: number, rate: number): Scenario {
  return scenario({
    name,
    duration: hours * 3_600_000,
    pool: { policy, hedge: defaultHedge },
    clients: { rate, cd: 0.01 },
    mix: {
      nxdomain: 0.2,
      nodata: 0.05,
      bogus: 0.005,
      bogusTold: 0.005,
      slow: 0.03,
      dead: 0.002,
      large: 0.01,
    },
    network: { loss: 0.001, doubled: 0.0005, held: 0.001, late: 300 },
    backend: { known: 0.7, search: 25, searchSpread: 1 },
  });
}

/** 4,500 queries/s of every day, and from 2 s on 45,500 of the clients of a zone of which every name fails after `ms`. */
export function storm(name: string, names: Storm['names'], ms: number, on = true): Scenario {
  const zone = 7;
  const from = 2000;
  return scenario({
    name,
    duration: 6000,
    cache: {},
    clients: { rate: 4500, names: 10_000, exponent: 0.9, count: 5000 },
    backend: { known: 0.9, search: 25, searchSpread: 0.8 },
    storm: on ? { zone, from, until: forEver, rate: 45_500, names } : null,
    faults: on ? [{ kind: 'zone-fails', backend: 'all', from, until: forEver, zone, ms }] : [],
  });
}

const list: readonly Scenario[] = [
  calm,
  scenario({ name: 'searching' }, scenario(searching)),
  ...Object.keys(faults)
    .filter(isFaultName)
    .map(name => farmWith('least-outstanding', name)),
  farmWith('least-outstanding', 'silent', 'servfail'),
  rollingRestart,
  uplink,
  pauses,
  noise('noise-day', 'least-outstanding', 24, 10),
  noise('noise-hour', 'round-robin', 1, 200),
  storm('storm', 200, 20),
  storm('storm-slow', 200, 1500),
  storm('storm-random', 'random', 20),
  storm('storm-random-slow', 'random', 1500),
  storm('storm-none', 200, 20, false),
];

function isFaultName(name: string): name is FaultName {
  return Object.hasOwn(faults, name);
}

/** All of them, by name. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map(list.map(each => [each.name, each]));
