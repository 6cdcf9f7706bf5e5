/** Short scenarios at random: anything may happen that the simulator knows of. */
import { backendStates } from '#balance/board.ts';
import { policyNames } from '#balance/registry.ts';
import type { PlanHedge } from '#front/plan.ts';
import { forcings } from '#health/judge.ts';
import { type Fault, type FaultKind, faultKinds } from './backends.ts';
import { Chance } from './chance.ts';
import type { NameMix } from './names.ts';
import {
  type Action,
  type Change,
  calm,
  defaultHedge,
  defaultProbe,
  type Scenario,
  scenario,
} from './scenario.ts';

/** Questions of a run, about. */
const questions = 500;
/** Faults of a network or of the Internet: no backend is to blame. */
const everybodys: readonly FaultKind[] = ['uplink', 'zone-fails'];

/** Faults of one backend that others can make good. */
const ownFaults = faultKinds.filter(kind => !everybodys.includes(kind) && kind !== 'lies');

/** The random scenario of this seed. */
export function randomScenario(seed: number): Scenario {
  const chance = new Chance(seed, 0);
  const rate = chance.one([50, 200, 500, 1000, 2000]);
  const duration = Math.min(3000, Math.max(300, (questions / rate) * 1000));
  const backends = 1 + chance.below(6);
  const workers = chance.one([1, 1, 2]);
  const rare = (most: number) => (chance.happens(0.6) ? 0 : chance.between(0, most));
  const change: Change = {
    name: 'random',
    duration,
    workers,
    backends,
    pool: {
      policy: chance.one(policyNames),
      timeout: chance.one([200, 500, 2000]),
      tries: 1 + chance.below(6),
      hedge: hedgeOf(chance),
    },
    cache: chance.happens(0.5) ? {} : null,
    limits: {
      ...calm.limits,
      zones: chance.happens(0.8),
      ...(chance.happens(0.1) && { perClient: rate * chance.between(0.1, 2), slip: chance.below(3) }),
    },
    clients: {
      rate,
      count: chance.one([1, 20, 5000]),
      names: chance.happens(0.4) ? 'unique' : chance.one([5, 100, 10_000]),
      exponent: chance.between(0.5, 1.2),
      edns: chance.unit(),
      dnssecOk: chance.unit(),
      cd: rare(0.2),
      tcp: rare(0.3),
      mixed: chance.unit(),
      updates: rare(0.1),
      // Short, so that all that a stub does comes up in a short run.
      timeout: chance.one([300, 1000, 5000]),
      attempts: 1 + chance.below(4),
      servers: 1 + chance.below(2),
      loss: rare(0.1),
      doubled: rare(0.1),
    },
    mix: mixOf(chance),
    backend: {
      way: chance.one([0.05, 0.3, 2, 20]),
      waySpread: chance.between(0, 1),
      known: chance.one([1, 0.9, 0.3]),
      slow: chance.between(20, 1500),
      dead: chance.between(100, 3000),
      capacity: chance.happens(0.8) ? 0 : rate * chance.between(0.1, 2),
    },
    network: {
      loss: rare(0.1),
      doubled: rare(0.1),
      held: rare(0.2),
      late: chance.between(1, 800),
    },
    faults: Array.from({ length: chance.below(4) }, () => faultOf(chance, duration, backends)),
    actions: Array.from({ length: chance.happens(0.5) ? 0 : chance.below(6) }, () =>
      actionOf(chance, duration, backends, workers),
    ),
    health: chance.happens(0.2)
      ? null
      : {
          probes: ['dns-udp', 'dns-tcp']
            .filter(() => chance.happens(0.6))
            .map(kind => ({ ...defaultProbe, kind, interval: 200, timeout: 100 })),
          live: chance.happens(0.8),
        },
    storm: chance.happens(0.85)
      ? null
      : {
          zone: chance.below(64),
          from: chance.between(0, duration),
          until: duration,
          rate: rate * chance.between(1, 5),
          names: chance.happens(0.5) ? 'random' : 50,
        },
  };
  return scenario(change, calm);
}

/** A farm at random in which one backend has one fault after the other and all else is well, with the rules that are the default. */
export function oneIsFaulty(seed: number): Scenario {
  const chance = new Chance(seed, 0);
  const rate = chance.one([20, 200, 1000, 3000]);
  const duration = Math.min(6000, Math.max(1000, (2 * questions * 1000) / rate));
  const backends = 2 + chance.below(5);
  const sick = chance.below(backends);
  const rare = (most: number) => (chance.happens(0.5) ? 0 : chance.between(0, most));
  // Without a cache nothing remembers that a name is bogus: a popular one is asked so often that its zone counts as failing.
  const cached = chance.happens(0.5);
  const faults: Fault[] = [];
  for (let i = 0, from = chance.between(0, duration / 2); i < 3 && from < duration; i++) {
    const kind = chance.one(ownFaults);
    const until = chance.happens(0.4) ? duration * 10 : from + chance.between(50, duration);
    const share = chance.happens(0.5) ? 1 : chance.between(0.05, 1);
    faults.push({ kind, backend: sick, from, until, share, ms: chance.between(1, 3000) });
    from = until + chance.between(0, 500);
  }
  return scenario({
    name: 'one-is-faulty',
    duration,
    workers: chance.one([1, 1, 2]),
    backends,
    pool: { policy: chance.one(policyNames), hedge: defaultHedge },
    cache: cached ? {} : null,
    clients: {
      rate,
      names: chance.happens(0.6) ? 'unique' : 1000,
      cd: chance.happens(0.5) ? 0 : 0.05,
      tcp: chance.happens(0.5) ? 0 : 0.1,
    },
    mix: {
      nxdomain: rare(0.1),
      nodata: rare(0.05),
      large: rare(0.05),
      ...(cached && { bogus: rare(0.01), bogusTold: rare(0.01) }),
    },
    backend: {
      way: chance.one([0.05, 0.3, 2, 20]),
      known: chance.one([1, 0.9, 0.5]),
    },
    network: { loss: 0, doubled: chance.happens(0.5) ? 0 : 0.01, held: 0, late: 0 },
    faults,
  });
}

/** A farm at random in which nothing is wrong but what is always so: packets get lost, names are bogus, slow, or dead. */
export function healthy(seed: number): Scenario {
  const chance = new Chance(seed, 0);
  const rate = chance.one([5, 50, 500, 2000]);
  const rare = (most: number) => (chance.happens(0.3) ? 0 : chance.between(0, most));
  const cached = chance.happens(0.5);
  return scenario({
    name: 'healthy',
    duration: Math.min(600_000, (4 * questions * 1000) / rate),
    workers: chance.one([1, 2, 4]),
    backends: 2 + chance.below(7),
    pool: { policy: chance.one(policyNames), hedge: defaultHedge },
    cache: cached ? {} : null,
    clients: {
      rate,
      count: chance.one([3, 50, 5000]),
      names: chance.happens(0.4) ? 'unique' : chance.one([50, 1000, 50_000]),
      exponent: chance.between(0.6, 1.2),
      cd: rare(0.05),
      tcp: rare(0.2),
      updates: rare(0.01),
    },
    mix: {
      nxdomain: rare(0.4),
      nodata: rare(0.2),
      bogus: rare(0.03),
      bogusTold: rare(0.03),
      slow: rare(0.05),
      dead: rare(0.01),
      large: rare(0.05),
    },
    backend: {
      way: chance.one([0.05, 0.3, 2, 20]),
      known: chance.one([1, 0.9, 0.5]),
      search: chance.between(5, 100),
      searchSpread: chance.between(0.3, 1.3),
      slow: chance.between(100, 3000),
      dead: chance.between(500, 5000),
    },
    network: { loss: rare(0.001), doubled: rare(0.01), held: rare(0.02), late: chance.between(1, 300) },
  });
}

function hedgeOf(chance: Chance): PlanHedge | null {
  if (chance.happens(0.2)) return null;
  if (chance.happens(0.5)) return defaultHedge;
  return {
    least: 1 + chance.below(20),
    most: 20 + chance.below(500),
    unknown: 1 + chance.below(100),
    budget: chance.between(0, 0.2),
    burst: chance.below(500),
  };
}

function mixOf(chance: Chance): NameMix {
  const mix: Record<string, number> = {};
  for (const kind of ['nxdomain', 'nodata', 'bogus', 'bogusTold', 'slow', 'dead', 'large'] as const) {
    if (chance.happens(0.3)) mix[kind] = chance.between(0, 0.12);
  }
  return mix;
}

function faultOf(chance: Chance, duration: number, backends: number): Fault {
  const kind = chance.one(faultKinds);
  const from = chance.between(-50, duration);
  return {
    kind,
    backend: everybodys.includes(kind) || chance.happens(0.15) ? 'all' : chance.below(backends),
    from,
    until: chance.happens(0.5) ? duration + 10_000 : from + chance.between(10, duration),
    share: chance.happens(0.5) ? 1 : chance.between(0.05, 1),
    ms: chance.between(1, 1500),
    zone: chance.below(64),
  };
}

function actionOf(chance: Chance, duration: number, backends: number, workers: number): Action {
  const at = chance.between(0, duration);
  const backend = chance.below(backends);
  switch (chance.below(5)) {
    case 0:
      return { at, do: 'force', backend, forcing: chance.one(forcings) };
    case 1:
      return { at, do: 'state', backend, state: chance.one(backendStates) };
    case 2: {
      const kept = Array.from({ length: backends }, (_, slot) => slot).filter(() => chance.happens(0.7));
      return { at, do: 'apply', backends: kept.length > 0 ? kept : [backend] };
    }
    case 3:
      return { at, do: 'pause', worker: chance.below(workers), ms: chance.between(1, 700) };
    default:
      return { at, do: 'sockets', datagrams: chance.happens(0.7), streams: chance.happens(0.7) };
  }
}
