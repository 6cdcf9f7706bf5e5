import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BackendState } from '#balance/board.ts';
import { rcodes, types } from '#wire/types.ts';
import { VirtualClock } from './clock.ts';
import { Health, type HealthEvent } from './health.ts';
import { answerTo, type Server, VirtualNetwork } from './network.ts';
import { defaultEvidence, type HealthTarget, type PoolRules, type ProbeSettings } from './targets.ts';

const probe: ProbeSettings = {
  kind: 'dns-udp',
  name: 'check.bench.test',
  type: types.A,
  interval: 1000,
  timeout: 500,
  window: { failures: 3, of: 5 },
};

function target(name: string, slot: number, change: Partial<HealthTarget> = {}): HealthTarget {
  return { pool: 'default', name, slot, address: '127.0.0.1', port: 5400 + slot, probes: [probe], ...change };
}

/** A generator that is the same in each run (xorshift). */
function seeded(seed = 7): (bound: number) => number {
  let x = seed;
  return bound => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % bound;
  };
}

const rulesOf = (pool: string): PoolRules => ({ pool, policy: '', evidence: defaultEvidence });

const good: Server = query => [{ after: 2, bytes: answerTo(query) }];
const silent: Server = () => [];
const alternating = (): Server => {
  let count = 0;
  return query => (count++ % 2 === 0 ? good(query, { address: '', port: 0 }) : []);
};

function setUp(options: { runsAtOnce?: number } = {}) {
  const clock = new VirtualClock();
  const network = new VirtualNetwork(clock);
  const board = new Map<number, BackendState>();
  const events: HealthEvent[] = [];
  const health = new Health({
    clock,
    random: seeded(),
    datagrams: network,
    setState: (slot, state) => board.set(slot, state),
    onChange: event => events.push(event),
    ...options,
  });
  const serve = (slot: number, server: Server) => network.servers.set(`127.0.0.1 ${5400 + slot}`, server);
  return { clock, network, board, events, health, serve };
}

test('a backend that answers comes up within a second or so; the first state is starting', () => {
  const { clock, board, events, health, serve } = setUp();
  serve(0, good);
  health.apply([target('kai', 0)]);
  assert.equal(board.get(0), 'starting');
  clock.advance(1100);
  assert.equal(board.get(0), 'up');
  assert.deepEqual(
    events.map(({ backend, from, to }) => [backend, from, to]),
    [['kai', 'starting', 'up']],
  );
  assert.equal(health.report()[0]?.probes[0]?.latency, 2);
});

test('one that falls silent goes down in about three intervals and comes back', () => {
  const { clock, board, events, health, serve } = setUp();
  serve(0, good);
  health.apply([target('kai', 0)]);
  clock.advance(10_000);
  serve(0, silent);
  clock.advance(4000);
  assert.equal(board.get(0), 'down');
  assert.equal(events.at(-1)?.reason, '3 of the last 5 probes failed: timeout after 500ms');
  assert.deepEqual(health.pools(), [{ pool: 'default', failOpen: true, everybody: null }]);
  serve(0, good);
  clock.advance(4000);
  assert.equal(board.get(0), 'up');
  assert.deepEqual(health.pools(), [{ pool: 'default', failOpen: false, everybody: null }]);
});

test('what this machine lacks is not held against a backend, and is shown', () => {
  const { clock, board, events, health, serve } = setUp();
  serve(0, good);
  health.apply([target('kai', 0)]);
  clock.advance(2000);
  serve(0, () => [{ after: 0, fails: 'EMFILE' }]);
  events.length = 0;
  clock.advance(20_000);
  assert.equal(board.get(0), 'up');
  assert.deepEqual(events, []);
  const [report] = health.report();
  assert.equal(report!.probes[0]!.failed, 0);
  assert.match(report!.probes[0]!.last!.detail, /no descriptor left/);
});

test('one that fails every other probe goes down and does not flap', () => {
  const { clock, board, events, health, serve } = setUp();
  serve(0, alternating());
  health.apply([target('kai', 0)]);
  clock.advance(60_000);
  assert.equal(board.get(0), 'down');
  assert.deepEqual(
    events.map(({ to }) => to),
    ['up', 'suspect', 'down'],
  );
});

test('one that flaps is held down longer and longer', () => {
  const { clock, events, health, serve } = setUp();
  health.apply([target('kai', 0)]);
  for (let round = 0; round < 60; round++) {
    serve(0, round % 2 === 0 ? good : silent);
    clock.advance(6000);
  }
  const downs = events.filter(({ to }) => to === 'down').length;
  assert.ok(downs <= 6, `${downs} times down in six minutes of thirty outages`);
});

test('ICMP says at once that nobody listens', () => {
  const { clock, health, serve } = setUp();
  serve(0, () => [{ after: 1, fails: 'ECONNREFUSED' }]);
  health.apply([target('kai', 0)]);
  clock.advance(4000);
  assert.match(health.report()[0]?.reason ?? '', /probes failed: refused \(ICMP port unreachable\)/);
});

test('late answers and wrong ids do not count, and the reason tells of them', () => {
  const { clock, network, health, serve } = setUp();
  serve(0, query => [
    { after: 1, bytes: answerTo(query, 0, bytes => (bytes[0]! ^= 0x40)) },
    { after: 600, bytes: answerTo(query) },
  ]);
  health.apply([target('kai', 0)]);
  clock.advance(10_000);
  const [kai] = health.report();
  assert.equal(kai?.state, 'down');
  assert.match(kai.reason, /timeout after 500ms \(heard an answer with a wrong id\)$/);
  assert.ok(network.open <= 1, 'each exchange is closed');
});

test('a wrong question and SERVFAIL are failures that name themselves', () => {
  const { clock, health, serve } = setUp();
  serve(0, query => [{ after: 1, bytes: answerTo(query, 0, bytes => (bytes[14]! ^= 0x20)) }]);
  serve(1, query => [{ after: 1, bytes: answerTo(query, rcodes.SERVFAIL) }]);
  health.apply([target('kai', 0), target('nika', 1)]);
  clock.advance(5000);
  const [kai, nika] = health.report();
  assert.match(kai?.reason ?? '', /the answer is for another question in 1.00ms$/);
  assert.match(nika?.reason ?? '', /probes failed: SERVFAIL in 1.00ms$/);
});

test('an answer that waited while the process stood still counts', () => {
  const { clock, health, serve } = setUp();
  serve(0, query => [{ after: 30, bytes: answerTo(query) }]);
  health.apply([target('kai', 0, { probes: [{ ...probe, timeout: 20 }] })]);
  clock.advance(900);
  assert.equal(health.report()[0]?.probes[0]?.good, 0, 'an answer after the timeout is none');
  const other = setUp();
  let hear: ((bytes: Uint8Array) => void) | null = null;
  let asked = new Uint8Array();
  const stalled = new Health({
    clock: other.clock,
    random: seeded(),
    setState: () => {},
    datagrams: {
      exchange(_to, bytes, hearing) {
        asked = bytes.slice();
        hear = hearing.message;
        return () => {};
      },
    },
  });
  stalled.apply([target('kai', 0)]);
  while (!hear) other.clock.advance(1);
  other.clock.stall(3000);
  other.clock.advance(1);
  (hear as (bytes: Uint8Array) => void)(answerTo(asked));
  assert.equal(stalled.report()[0]?.probes[0]?.good, 1);
});

test('starts do not drift, are not in step, and keep to the interval', () => {
  const { clock, network, health, serve } = setUp();
  const slots = Array.from({ length: 20 }, (_, slot) => slot);
  for (const slot of slots) serve(slot, good);
  health.apply(slots.map(slot => target(`n${slot}`, slot)));
  clock.advance(100_000);
  const phases: number[] = [];
  for (const slot of slots) {
    const at = network.sent.filter(({ to }) => to.port === 5400 + slot).map(sent => sent.at);
    assert.ok(at.length >= 99 && at.length <= 101, `${at.length} probes in 100 intervals`);
    phases.push(at[1]! % 1000);
    for (let index = 2; index < at.length; index++) {
      const gap = at[index]! - at[index - 1]!;
      assert.ok(gap > 750 && gap < 1250, `a gap of ${gap}ms`);
      const drift = Math.abs(at[index]! - at[1]! - (index - 1) * 1000);
      assert.ok(drift <= 205, `drifted by ${drift}ms`);
    }
  }
  phases.sort((a, b) => a - b);
  const widest = phases.map((phase, index) => phase - (phases[index - 1] ?? 0));
  assert.ok(Math.max(...widest) < 400, 'spread over the interval');
});

test('a probe never overlaps itself, even with a timeout longer than the interval', () => {
  const { clock, network, health, serve } = setUp();
  serve(0, silent);
  health.apply([target('kai', 0, { probes: [{ ...probe, interval: 100, timeout: 950 }] })]);
  clock.advance(20_000);
  assert.equal(network.mostOpen, 1);
  assert.ok(network.sent.length >= 18);
});

test('probes under way at once are bounded, and all get their turn', () => {
  const { clock, network, health } = setUp({ runsAtOnce: 4 });
  const slots = Array.from({ length: 40 }, (_, slot) => slot);
  health.apply(slots.map(slot => target(`n${slot}`, slot)));
  clock.advance(30_000);
  assert.equal(network.mostOpen, 4);
  assert.ok(health.report().every(({ probes: [seen] }) => (seen?.failed ?? 0) >= 3));
});

test('ids are fresh for each probe', () => {
  const { clock, network, health, serve } = setUp();
  serve(0, good);
  health.apply([target('kai', 0)]);
  clock.advance(200_000);
  const ids = new Set(network.sent.map(({ bytes }) => (bytes[0]! << 8) | bytes[1]!));
  assert.ok(ids.size > 190, `${ids.size} ids in ${network.sent.length} probes`);
});

test('a reload keeps what is known, applies new settings, and forgets what is gone', () => {
  const { clock, network, board, events, health, serve } = setUp();
  serve(0, silent);
  serve(1, good);
  serve(2, good);
  health.apply([target('kai', 0), target('nika', 1)]);
  clock.advance(6000);
  health.force(1, 'draining');
  assert.deepEqual([board.get(0), board.get(1)], ['down', 'draining']);
  const told = events.length;
  health.apply([
    target('kai', 0, { probes: [{ ...probe, interval: 200 }] }),
    target('nika', 1),
    target('rika', 2),
  ]);
  assert.deepEqual([board.get(0), board.get(1), board.get(2)], ['down', 'draining', 'starting']);
  assert.equal(events.length, told, 'a reload is no change of state');
  const before = network.sent.filter(({ to }) => to.port === 5400).length;
  clock.advance(6000);
  assert.ok(
    network.sent.filter(({ to }) => to.port === 5400).length - before > 9,
    'probed as often as is set now',
  );
  health.apply([target('rika', 2)]);
  assert.deepEqual([board.get(0), board.get(1), board.get(2)], ['absent', 'absent', 'up']);
  assert.equal(health.force(0, 'up'), false);
  const sent = network.sent.length;
  clock.advance(3000);
  assert.ok(network.sent.slice(sent).every(({ to }) => to.port === 5402));
});

test("a backend that moves to another address is new, but the operator's word stays", () => {
  const { clock, board, health, serve } = setUp();
  serve(0, silent);
  health.apply([target('kai', 0), target('nika', 1)]);
  clock.advance(6000);
  health.force(1, 'down');
  health.apply([target('kai', 0, { port: 5999 }), target('nika', 1, { port: 5998 })]);
  assert.deepEqual([board.get(0), board.get(1)], ['starting', 'disabled']);
});

test('a slot given to another backend in the same reload is that backend’s', () => {
  const { clock, board, health, serve } = setUp();
  serve(0, silent);
  health.apply([target('kai', 0)]);
  clock.advance(6000);
  health.apply([target('nika', 0), target('kai', 3, { port: 5400 })]);
  assert.deepEqual([board.get(0), board.get(3)], ['starting', 'down']);
  health.force(0, 'down');
  assert.equal(health.report().find(({ backend }) => backend === 'nika')?.forced, 'down');
});

test('probes can be switched off: the backend is up, and nothing is sent', () => {
  const { clock, network, board, health, serve } = setUp();
  serve(0, silent);
  health.apply([target('kai', 0)]);
  clock.advance(6000);
  health.apply([target('kai', 0, { probes: [] })]);
  assert.equal(board.get(0), 'up');
  const sent = network.sent.length;
  clock.advance(6000);
  assert.equal(network.sent.length, sent);
  assert.deepEqual(health.report()[0]?.probes, []);
});

test('a program may lower the weight of its backend, never raise it', () => {
  const clock = new VirtualClock();
  let code = 0;
  const weights = new Map<number, number>();
  const health = new Health({
    clock,
    random: seeded(),
    datagrams: new VirtualNetwork(clock),
    programs: {
      run: (_command, _environment, listening) =>
        clock.wait(1, () => listening.ended({ code, signal: null })),
    },
    setState: () => {},
    setWeight: (slot, weight) => weights.set(slot, weight),
  });
  const runs: ProbeSettings = { ...probe, kind: 'exec', exec: ['/x/check'], dynamic: true };
  health.apply([target('kai', 0, { probes: [runs], weight: 10 })]);
  const after = (exit: number) => {
    code = exit;
    clock.advance(2500);
    return weights.get(0);
  };
  assert.equal(after(0), 1000);
  assert.equal(after(7), 500);
  assert.equal(after(200), 1000);
  assert.equal(after(2), 10);
  assert.equal(after(0), 1000);
  health.stop();
});

test('after stop nothing is left', () => {
  const { clock, network, health, serve } = setUp();
  serve(0, silent);
  health.apply([target('kai', 0), target('nika', 1)]);
  clock.advance(1050);
  health.stop();
  assert.equal(network.open, 0);
  assert.equal(clock.pending, 0);
});

test('a server whose process ended is down at once, and up when its probes are good again in a row', () => {
  const { clock, board, health, events, serve } = setUp();
  const probes = [probe, { ...probe, kind: 'dns-udp', type: types.NS }];
  serve(0, good);
  health.apply([target('kai', 0, { probes })], [{ ...rulesOf('default'), direct: true }]);
  clock.advance(5000);
  assert.equal(board.get(0), 'up');
  assert.equal(health.ended(0, 'the server ended: killed by SIGSEGV'), true);
  assert.equal(board.get(0), 'down');
  assert.equal(events.at(-1)?.reason, 'the server ended: killed by SIGSEGV');
  clock.advance(2000);
  assert.equal(board.get(0), 'down', 'two good ones of three');
  clock.advance(2000);
  assert.equal(board.get(0), 'up');
  // Again within ten minutes: no hold-down where clients do not ask through us.
  health.ended(0, 'the server ended: exit 1');
  clock.advance(4000);
  assert.equal(board.get(0), 'up');
  assert.equal(health.ended(9, 'x'), false);
});

test('a server that is not probed cannot be ended: nothing would bring it back', () => {
  const { board, health } = setUp();
  health.apply([target('kai', 0, { probes: [] })]);
  health.ended(0, 'the server ended: exit 1');
  assert.equal(board.get(0), 'up');
});

test('where clients do not ask through us, nobody is kept in because all fail alike', () => {
  for (const direct of [false, true]) {
    const { clock, board, health, serve } = setUp();
    for (const slot of [0, 1]) serve(slot, silent);
    health.apply([target('kai', 0), target('nika', 1)], [{ ...rulesOf('default'), direct }]);
    clock.advance(10_000);
    assert.equal(board.get(0), direct ? 'down' : 'suspect');
    assert.equal(board.get(1), direct ? 'down' : 'suspect');
    assert.equal(health.pools()[0]?.failOpen, false);
  }
});

test('one that clients ask themselves is overloaded when it is far slower than usual', () => {
  const { clock, health, board, serve } = setUp();
  let after = 1;
  serve(0, query => [{ after, bytes: answerTo(query) }]);
  const probes = [{ ...probe, interval: 300, local: true }];
  health.apply([target('kai', 0, { probes })], [{ ...rulesOf('default'), direct: true }]);
  clock.advance(30_000);
  assert.equal(health.report()[0]?.strained, null);
  after = 200;
  clock.advance(5000);
  assert.match(health.report()[0]?.strained ?? '', /^overloaded: it answers its probes in 200ms/);
  assert.equal(board.get(0), 'up');
  after = 1;
  clock.advance(5000);
  assert.equal(health.report()[0]?.strained, null);
});
