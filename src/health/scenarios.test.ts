/** Incidents in virtual time, one for each rule: probes and live traffic together, from the fault to full weight again. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BackendState } from '#balance/board.ts';
import { rcodes, types } from '#wire/types.ts';
import { VirtualClock } from './clock.ts';
import { Health, type HealthEvent, type HealthNotice } from './health.ts';
import { serves } from './judge.ts';
import { answerTo, type Server, VirtualNetwork } from './network.ts';
import { everybodyFails } from './pool.ts';
import { defaultEvidence, type EvidenceRules, type HealthTarget, type ProbeSettings } from './targets.ts';
import { type Behaviour, MadeUpTraffic, seeded } from './traffic.ts';

const probe: ProbeSettings = {
  name: 'check.bench.test.',
  type: types.A,
  interval: 1000,
  timeout: 500,
  window: { failures: 3, of: 5 },
};
const good: Server = query => [{ after: 1, bytes: answerTo(query) }];
const failing: Server = query => [{ after: 1, bytes: answerTo(query, rcodes.SERVFAIL) }];
const silent: Server = () => [];
const gone: Server = () => [{ after: 1, fails: 'ECONNREFUSED' }];
const names = ['kai', 'nika', 'rin', 'mio'];

type Setting = {
  readonly size?: number;
  readonly seed?: number;
  readonly policy?: string;
  readonly evidence?: Partial<EvidenceRules>;
  readonly probes?: readonly ProbeSettings[];
  /** Queries a second to the whole pool. */
  readonly rate?: number;
};

/** A pool whose queries go where states and weights send them. */
class Incident {
  readonly clock = new VirtualClock();
  readonly network = new VirtualNetwork(this.clock);
  readonly states: BackendState[] = [];
  readonly weights: number[] = [];
  readonly events: HealthEvent[] = [];
  readonly notices: HealthNotice[] = [];
  readonly health: Health;
  readonly behaviours: Behaviour[];
  readonly traffic: MadeUpTraffic;
  readonly #rate: number;

  constructor({ size = 4, seed = 1, policy = 'least-outstanding', ...more }: Setting = {}) {
    const random = seeded(seed * 7919);
    this.#rate = more.rate ?? 2000;
    this.traffic = new MadeUpTraffic(size, seed);
    this.behaviours = Array.from({ length: size }, () => ({}));
    this.health = new Health({
      clock: this.clock,
      random: bound => Math.floor(random() * bound),
      datagrams: this.network,
      setState: (slot, state) => {
        this.states[slot] = state;
      },
      setWeight: (slot, weight) => {
        this.weights[slot] = weight;
      },
      live: this.traffic,
      onChange: event => this.events.push(event),
      onNotice: notice => this.notices.push(notice),
    });
    for (let slot = 0; slot < size; slot++) this.serve(slot, good);
    const targets = Array.from({ length: size }, (_, slot): HealthTarget => {
      const name = names[slot] ?? `n${slot}`;
      const probes = more.probes ?? [probe];
      return { pool: 'default', name, slot, address: '192.0.2.1', port: 5400 + slot, probes };
    });
    this.health.apply(targets, [
      { pool: 'default', policy, evidence: { ...defaultEvidence, ...more.evidence } },
    ]);
    this.run(20_000);
    this.events.length = 0;
  }

  serve(slot: number, server: Server): void {
    this.network.servers.set(`192.0.2.1 ${5400 + slot}`, server);
  }

  /** Lets time pass until `until` holds, at most `ms`; gives how long it took. */
  run(ms: number, until: () => boolean = () => false): number {
    const from = this.clock.now();
    while (this.clock.now() < from + ms && !until()) {
      const open = !this.states.some(serves);
      const shares = this.states.map((state, slot) =>
        serves(state) || (open && state === 'down') ? this.weights[slot]! : 0,
      );
      const all = shares.reduce((sum, share) => sum + share, 0);
      const step = 10;
      this.traffic.pass(
        this.clock.now(),
        slot => (all === 0 ? 0 : (this.#rate * step * shares[slot]!) / all / 1000),
        slot => this.behaviours[slot]!,
      );
      this.clock.advance(step);
    }
    return this.clock.now() - from;
  }

  of(slot: number) {
    return this.health.report()[slot]!;
  }
}

describe('live traffic', () => {
  for (let seed = 1; seed <= 5; seed++) {
    for (const [name, behaviour, server, within] of [
      ['silent', { silent: true }, silent, 200],
      ['SERVFAIL to all', { servfail: 1 }, failing, 200],
      ['SERVFAIL to 30%', { servfail: 0.3 }, good, 200],
      ['drops 10%', { drops: 0.1 }, good, 4000],
    ] as const) {
      test(`${name}: out in time, the others never, with a reason (seed ${seed})`, () => {
        const incident = new Incident({ seed });
        incident.behaviours[1] = behaviour;
        incident.serve(1, server);
        const ms = incident.run(10_000, () => incident.states[1] === 'down');
        assert.ok(ms <= within, `${ms} ms`);
        assert.match(incident.of(1).reason, /^live traffic: .* \(out for at least 5s\)$/);
        incident.run(60_000);
        assert.deepEqual(new Set(incident.events.map(({ backend }) => backend)), new Set(['nika']));
        assert.equal(
          Object.values(incident.of(1).evidence).some(count => count > 0),
          true,
        );
        assert.deepEqual(Object.values(incident.of(0).evidence), [0, 0, 0, 0, 0, 0]);
      });
    }
  }

  test('a sporadic fault that probes do not see: out longer each time, tried with little, and well again in the end', () => {
    const incident = new Incident();
    incident.behaviours[1] = { servfail: 0.3 };
    const outs: number[] = [];
    while (outs.length < 4) {
      incident.run(20_000, () => incident.states[1] === 'down');
      outs.push(Math.round(incident.run(60_000, () => incident.states[1] !== 'down') / 1000));
      assert.ok(incident.weights[1]! <= 100, `comes back with ${incident.weights[1]}`);
    }
    assert.deepEqual(outs, [5, 10, 20, 40]);
    incident.behaviours[1] = {};
    incident.run(31_000);
    assert.deepEqual([incident.states[1], incident.weights[1]], ['up', 1000]);
  });

  test('slow start: from a tenth to the whole weight, evenly, in the time that is set', () => {
    const incident = new Incident({ evidence: { slowStart: 10_000, hold: 1000 } });
    incident.behaviours[1] = { servfail: 1 };
    incident.run(1000, () => incident.states[1] === 'down');
    incident.behaviours[1] = {};
    incident.run(5000, () => incident.states[1] === 'up');
    assert.equal(incident.weights[1], 100);
    incident.run(5000);
    assert.ok(Math.abs(incident.weights[1]! - 550) < 30, String(incident.weights[1]));
    incident.run(5200);
    assert.equal(incident.weights[1], 1000);
  });

  test('the ceiling: two of four go, the third stays in, and that is said', () => {
    const incident = new Incident();
    for (const slot of [0, 1, 2]) incident.behaviours[slot] = { servfail: 1 };
    incident.run(1000);
    assert.equal(incident.states.filter(state => state === 'down').length, 2);
    assert.equal(incident.states[3], 'up');
    const said = incident.notices.map(({ message }) => message);
    assert.ok(
      said.some(message => message.startsWith('kept in, because too much of the pool is out already: ')),
      said.join('\n'),
    );
  });

  test('a pool of one is never taken out by its own traffic', () => {
    const incident = new Incident({ size: 1 });
    incident.behaviours[0] = { servfail: 1 };
    incident.run(60_000);
    assert.equal(incident.states[0], 'up');
  });

  test('off: only probes count', () => {
    const incident = new Incident({ evidence: { live: false } });
    incident.behaviours[1] = { servfail: 1 };
    incident.run(10_000);
    assert.deepEqual(incident.events, []);
  });

  test('without probes too: out by traffic, back by time', () => {
    const incident = new Incident({ probes: [] });
    incident.behaviours[1] = { silent: true };
    assert.ok(incident.run(1000, () => incident.states[1] === 'down') <= 200);
    incident.behaviours[1] = {};
    const ms = incident.run(10_000, () => incident.states[1] === 'up');
    assert.ok(ms <= 5100, `${ms} ms`);
  });

  test('lies: NXDOMAIN to 30% is found and taken out', () => {
    const incident = new Incident();
    incident.behaviours[1] = { nxdomain: 0.3 };
    assert.ok(incident.run(10_000, () => incident.states[1] === 'down') <= 3000);
    assert.match(
      incident.of(1).reason,
      /NXDOMAIN in \d+% of its answers, [\d.]+% at its siblings: it may lie/,
    );
    assert.equal(incident.of(1).evidence.lies, 1);
  });

  test('slow: weight falls and the state stays; it comes back when it is quick again', () => {
    const incident = new Incident();
    incident.behaviours[1] = { latency: 60 };
    incident.run(5000);
    assert.equal(incident.states[1], 'up');
    assert.ok(incident.weights[1]! <= 60, String(incident.weights[1]));
    assert.match(incident.of(1).reason, /; slow: half of its answers take \d+ms or more/);
    assert.equal(incident.of(1).evidence.slow, 1);
    incident.behaviours[1] = {};
    incident.run(60_000);
    assert.equal(incident.weights[1], 1000);
    assert.deepEqual(
      incident.notices.map(({ message }) => message.slice(0, 9)),
      ['slow: hal', 'no longer'],
    );
  });

  test('an operator who holds it up is obeyed, with its whole weight', () => {
    const incident = new Incident();
    incident.health.force(1, 'up');
    incident.behaviours[1] = { servfail: 1 };
    incident.run(5000);
    assert.deepEqual([incident.states[1], incident.weights[1]], ['up', 1000]);
    assert.match(incident.of(1).reason, /^up by the operator; by the evidence down: live traffic: /);
  });
});

describe('everybody', () => {
  test('when the uplink goes, all stay in; it is said when it begins and when it ends', () => {
    const incident = new Incident();
    for (let slot = 0; slot < 4; slot++) {
      incident.serve(slot, failing);
      incident.behaviours[slot] = { servfail: 0 };
    }
    incident.run(30_000);
    assert.deepEqual(incident.states, ['suspect', 'suspect', 'suspect', 'suspect']);
    assert.equal(incident.health.pools()[0]!.everybody, everybodyFails);
    assert.match(incident.of(0).reason, /^all backends of the pool fail alike/);
    for (let slot = 0; slot < 4; slot++) incident.serve(slot, good);
    incident.run(10_000);
    assert.deepEqual(incident.states, ['up', 'up', 'up', 'up']);
    assert.deepEqual(incident.weights, [1000, 1000, 1000, 1000]);
    assert.deepEqual(
      incident.notices.map(({ message }) => message),
      [everybodyFails, 'its backends no longer all fail alike'],
    );
  });

  test('one that stays ill when the others are well again goes', () => {
    const incident = new Incident();
    for (let slot = 0; slot < 4; slot++) incident.serve(slot, failing);
    incident.run(10_000);
    for (let slot = 1; slot < 4; slot++) incident.serve(slot, good);
    incident.run(10_000);
    assert.deepEqual(incident.states, ['down', 'up', 'up', 'up']);
  });

  test('where nobody listens, that is no matter of the way there', () => {
    const incident = new Incident({ size: 2 });
    for (let slot = 0; slot < 2; slot++) incident.serve(slot, gone);
    incident.run(10_000);
    assert.deepEqual(incident.states, ['down', 'down']);
    assert.deepEqual(incident.health.pools(), [{ pool: 'default', failOpen: true, everybody: null }]);
  });
});

describe('several probes', () => {
  test('one that only shows does not count, and says what changed', () => {
    const broken = { ...probe, name: 'broken.bench.test.', dnssec: 'broken', counts: false } as const;
    const incident = new Incident({ probes: [probe, broken] });
    incident.run(10_000);
    assert.equal(incident.states[1], 'up');
    const [, shown] = incident.of(1).probes;
    assert.deepEqual(
      [shown!.label, shown!.counts, shown!.good],
      ['A broken.bench.test. udp broken', false, 0],
    );
    assert.ok(shown!.failed > 5);
    const said = incident.notices.filter(({ backend }) => backend === 'nika');
    assert.equal(said.length, 1);
    assert.match(said[0]!.message, /which does not count: NOERROR: it does not validate in /);
  });

  test('one that counts takes the backend out though the other is good', () => {
    const fresh = { ...probe, randomLabel: true, name: 'fresh.bench.test.' };
    const incident = new Incident({ probes: [probe, fresh] });
    incident.serve(1, (query, to) => (query[12] === 12 ? failing(query, to) : good(query, to)));
    incident.run(5000, () => incident.states[1] === 'down');
    assert.match(
      incident.of(1).reason,
      /^3 of the last \d probes "A fresh.bench.test. udp random-label" failed: SERVFAIL/,
    );
  });
});
