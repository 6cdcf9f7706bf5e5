import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { BackendState } from '#balance/board.ts';
import { VirtualClock } from '#health/clock.ts';
import { Health } from '#health/health.ts';
import { answerTo, type Server, VirtualNetwork } from '#health/network.ts';
import { initKinds, planNode } from '#node/init/plan.ts';
import { nodeFiles } from '#node/init/write.ts';
import { decodeMessage, encodeMessage } from '#wire/message.ts';
import { classes, rcodes, types } from '#wire/types.ts';
import { loadConfig } from './load.ts';
import { healthRules, healthTargets } from './plan.ts';

test('what `chorus node init` writes is a configuration that Chorus takes', () => {
  const machine = { hostname: 'n1', addresses: [{ address: '10.0.1.11', link: 'eth0' }] };
  for (const kind of initKinds) {
    for (const more of [
      {},
      { supervise: false },
      { probe: ['a.example', 'b.example'] },
      { forward: ['10.0.0.1'] },
    ]) {
      const plan = planNode(kind, { service: ['192.0.2.53'], ...more }, machine);
      const { text } = nodeFiles(plan).find(({ path }) => path === 'chorus.yaml')!;
      const { listen, server, routes } = loadConfig(text, 'chorus.yaml', { cores: 2, hostname: 'n1' });
      assert.deepEqual(listen, []);
      assert.equal(server === null, 'supervise' in more);
      assert.equal(routes.addresses[0]?.family, 'own');
    }
  }
});

/** A node in virtual time with the probes that `chorus node init` writes. */
class Bench {
  readonly clock = new VirtualClock();
  readonly #network = new VirtualNetwork(this.clock);
  readonly states = new Map<number, BackendState>();
  readonly health: Health;
  /** What the nameserver does with a question: a response code, or null for silence. */
  answer: (name: string) => number | null = () => rcodes.NOERROR;

  constructor(seed: number) {
    const machine = { hostname: 'n1', addresses: [{ address: '10.0.1.11', link: 'eth0' }] };
    const options = { service: ['192.0.2.53'], probe: ['a.example', 'b.example'] };
    const { text } = nodeFiles(planNode('bind', options, machine)).find(
      ({ path }) => path === 'chorus.yaml',
    )!;
    const snapshot = loadConfig(text, 'chorus.yaml', { cores: 2, hostname: 'n1' });
    const server: Server = query => {
      const { name } = decodeMessage(query).questions[0]!;
      const rcode = this.answer(name);
      if (rcode === null) return [];
      if (rcode !== rcodes.NOERROR || !name.startsWith('alive.'))
        return [{ after: 1, bytes: answerTo(query, rcode) }];
      const message = decodeMessage(answerTo(query, rcode));
      const data = { kind: 'A', address: '127.0.0.1' } as const;
      const record = { name, type: types.A, class: classes.IN, ttl: 60, data };
      return [{ after: 1, bytes: encodeMessage({ ...message, answers: [record] }) }];
    };
    this.#network.servers.set('10.0.1.11 53', server);
    let x = seed || 1;
    this.health = new Health({
      clock: this.clock,
      random: bound => {
        x ^= x << 13;
        x ^= x >>> 17;
        x ^= x << 5;
        return (x >>> 0) % bound;
      },
      datagrams: this.#network,
      setState: (slot, state) => this.states.set(slot, state),
    });
    this.health.apply(
      healthTargets(snapshot, () => 0),
      healthRules(snapshot),
    );
  }

  get down(): boolean {
    return this.states.get(0) === 'down';
  }

  /** ms until it is down, or up again. */
  until(down: boolean, most: number): number {
    const from = this.clock.now();
    while (this.down !== down && this.clock.now() - from < most) this.clock.advance(5);
    assert.equal(this.down, down, `after ${most} ms`);
    return this.clock.now() - from;
  }
}

const seeds = fc.integer({ min: 1, max: 2 ** 31 - 1 });
const moment = fc.integer({ min: 3000, max: 6000 });

test('a node that hangs or cannot resolve is down within 1.4 s, whenever that happens, and comes back', () => {
  fc.assert(
    fc.property(seeds, moment, fc.constantFrom('hangs', 'fails', 'is slow'), (seed, at, what) => {
      const bench = new Bench(seed);
      bench.clock.advance(at);
      assert.equal(bench.down, false);
      const resolving = (name: string) => !name.startsWith('alive.');
      bench.answer = name => {
        if (what === 'hangs') return null;
        if (!resolving(name)) return rcodes.NOERROR;
        return what === 'fails' ? rcodes.SERVFAIL : null;
      };
      assert.ok(bench.until(true, 1400) <= 1400);
      bench.clock.advance(5000);
      assert.equal(bench.down, true, 'not before it answers again');
      bench.answer = () => rcodes.NOERROR;
      bench.until(false, 3000);
    }),
    { numRuns: 60 },
  );
});

test('neither one lost probe nor one name that fails everywhere takes a node out', () => {
  fc.assert(
    fc.property(seeds, moment, (seed, at) => {
      const bench = new Bench(seed);
      bench.answer = name => (name.endsWith('.a.example.') ? rcodes.SERVFAIL : rcodes.NOERROR);
      bench.clock.advance(at);
      const sound = bench.answer;
      for (let i = 0; i < 8; i++) {
        // The next question is lost, whichever it is.
        bench.answer = name => {
          bench.answer = sound;
          return name === '' ? rcodes.NOERROR : null;
        };
        bench.clock.advance(3000);
        assert.equal(bench.down, false);
      }
    }),
    { numRuns: 60 },
  );
});
