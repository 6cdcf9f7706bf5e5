import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#health/clock.ts';
import { answerTo, type Server, VirtualNetwork } from '#health/network.ts';
import { decodeMessage } from '#wire/message.ts';
import { rcodes, types } from '#wire/types.ts';
import { type FarmFailure, type FarmPlan, FarmProbe } from './farm-probe.ts';

const healthy: Server = query => [{ after: 2, bytes: answerTo(query) }];
const every = (nth: number, sick: Server): Server =>
  (() => {
    let asked = 0;
    return (query, to) => (++asked % nth === 0 ? sick : healthy)(query, to);
  })();
const rcode =
  (code: number): Server =>
  query => [{ after: 2, bytes: answerTo(query, code) }];

type Farm = Readonly<Record<string, { udp: Server; tcp?: Server }>>;

/** A farm in virtual time; each node has an address of its own. */
function probe(farm: Farm, more: Partial<FarmPlan> = {}) {
  const clock = new VirtualClock();
  const [datagrams, streams] = [new VirtualNetwork(clock), new VirtualNetwork(clock)];
  const nodes = Object.entries(farm).map(([name, { udp, tcp = udp }], index) => {
    const address = `192.0.2.${index + 1}`;
    datagrams.servers.set(`${address} 53`, udp);
    streams.servers.set(`${address} 53`, tcp);
    return { name, address, port: 53 };
  });
  const plan: FarmPlan = {
    nodes,
    transports: ['udp', 'tcp'],
    ask: { zone: 'wild.example.' },
    type: types.A,
    count: 50,
    interval: 100,
    rate: 1000,
    concurrency: 64,
    time: 1000,
    ...more,
  };
  let state = 7;
  const random = (bound: number) => {
    state = (state * 48_271) % 2_147_483_647;
    return state % bound;
  };
  const failures: FarmFailure[] = [];
  let done = 0;
  const run = new FarmProbe(plan, { clock, random, datagrams, streams }, failure => failures.push(failure));
  run.start(() => done++);
  return { run, clock, datagrams, streams, failures, ended: () => done };
}

test('every node is asked as often over each transport, with names of their own, spread over time', () => {
  const { run, clock, datagrams, streams, ended } = probe({ kai: { udp: healthy }, nika: { udp: healthy } });
  clock.advance(4900);
  assert.equal(ended(), 0);
  clock.advance(200);
  assert.equal(ended(), 1);
  assert.equal(clock.pending, 0);
  const report = run.report();
  assert.deepEqual(
    report.rows.map(row => [row.node, row.transport, row.sent, row.answered, row.failed, row.latencyMs.p95]),
    [
      ['kai', 'udp', 50, 50, 0, 2],
      ['kai', 'tcp', 50, 50, 0, 2],
      ['nika', 'udp', 50, 50, 0, 2],
      ['nika', 'tcp', 50, 50, 0, 2],
    ],
  );
  assert.deepEqual([report.verdict, report.exit, report.asked], ['alike', 0, '*.wild.example.']);
  const sent = [...datagrams.sent, ...streams.sent];
  const names = sent.map(({ bytes }) => decodeMessage(bytes).questions[0]!.name);
  assert.equal(new Set(names).size, 200);
  assert.ok(names.every(name => name.endsWith('.wild.example.')));
  assert.equal(datagrams.mostOpen + streams.mostOpen, 2, 'not all at once');
});

test('a node with sporadic SERVFAIL stands out; its siblings do not', () => {
  const { run, clock, failures } = probe(
    {
      kai: { udp: healthy },
      nika: { udp: every(10, rcode(rcodes.SERVFAIL)) },
      sumi: { udp: healthy },
    },
    { count: 100 },
  );
  clock.advance(60_000);
  const report = run.report();
  assert.deepEqual([report.verdict, report.exit], ['stands-out', 1]);
  const odd = report.rows.filter(row => row.standsOut.length > 0);
  assert.deepEqual([...new Set(odd.map(row => row.node))], ['nika']);
  assert.equal(
    odd.reduce((sum, row) => sum + row.servfail, 0),
    20,
  );
  assert.match(odd[0]!.standsOut[0]!, /^\d+(\.\d)?% fail, 0% of its siblings'$/);
  assert.equal(failures.length, 20);
  assert.match(failures[0]!.detail, /^SERVFAIL in 2ms$/);
  assert.match(failures[0]!.name, /^x[0-9a-f]{16}\.wild\.example\.$/);
});

test('failures too few to tell over one transport are enough over both', () => {
  const sick = () => every(10, rcode(rcodes.SERVFAIL));
  const farm = { kai: { udp: healthy }, nika: { udp: sick(), tcp: sick() }, sumi: { udp: healthy } };
  const judged = (more: Partial<FarmPlan>) => {
    const { run, clock } = probe(farm, { count: 40, ...more });
    clock.advance(60_000);
    return run.report().rows.filter(row => row.standsOut.length > 0);
  };
  assert.deepEqual(judged({ transports: ['udp'] }), []);
  const [row, ...more] = judged({});
  assert.deepEqual(
    [row?.node, row?.standsOut, more],
    ['nika', ["10% fail, 0% of its siblings', all transports together"], []],
  );
});

test('a node that is sick over TCP alone stands out there alone', () => {
  const { run, clock } = probe({
    kai: { udp: healthy },
    nika: { udp: healthy, tcp: () => [{ after: 1, fails: 'ECONNREFUSED' }] },
  });
  clock.advance(60_000);
  const odd = run.report().rows.filter(row => row.standsOut.length > 0);
  assert.deepEqual(
    odd.map(row => [row.node, row.transport, Object.values(row.errors)]),
    [['nika', 'tcp', [50]]],
  );
});

test('a node that lies that names do not exist stands out, though NXDOMAIN is a good answer', () => {
  const { run, clock } = probe({
    kai: { udp: healthy },
    nika: { udp: every(4, rcode(rcodes.NXDOMAIN)) },
    sumi: { udp: healthy },
  });
  clock.advance(60_000);
  const odd = run.report().rows.filter(row => row.standsOut.length > 0);
  assert.deepEqual([...new Set(odd.map(row => row.node))], ['nika']);
  assert.match(odd[0]!.standsOut[0]!, /NXDOMAIN where its siblings find the name/);
  assert.equal(odd[0]!.failed, 0);
});

test('a slow node stands out', () => {
  const slow: Server = query => [{ after: 800, bytes: answerTo(query) }];
  const { run, clock } = probe({ kai: { udp: healthy }, nika: { udp: slow }, sumi: { udp: healthy } });
  clock.advance(60_000);
  const [row] = run.report().rows.filter(found => found.standsOut.length > 0);
  assert.deepEqual([row?.node, row?.standsOut], ['nika', ['p50 800ms', 'p95 800ms']]);
});

test('a name that fails everywhere makes no node stand out, and says so by its exit code', () => {
  const sick = rcode(rcodes.SERVFAIL);
  const { run, clock } = probe({ kai: { udp: sick }, nika: { udp: sick }, sumi: { udp: sick } });
  clock.advance(60_000);
  const report = run.report();
  assert.deepEqual([report.verdict, report.exit], ['failing', 2]);
});

test('silent nodes hold no more than the bound, and the others wait their turn', () => {
  const silent: Server = () => [];
  const { run, clock, datagrams, streams, ended } = probe(
    { kai: { udp: silent }, nika: { udp: silent } },
    { concurrency: 3, count: 20, time: 500 },
  );
  clock.advance(60_000);
  assert.equal(ended(), 1);
  assert.ok(datagrams.mostOpen + streams.mostOpen <= 6);
  assert.ok(run.report().rows.every(row => row.sent === 20 && row.timeouts === 20 && row.failureShare === 1));
});

test('the rate is kept, however many nodes there are', () => {
  const farm = Object.fromEntries(Array.from({ length: 20 }, (_, i) => [`n${i}`, { udp: healthy }]));
  const { run, clock, datagrams } = probe(farm, { rate: 50, transports: ['udp'] });
  clock.advance(10_000);
  assert.ok(Math.abs(datagrams.sent.length - 500) <= 1, String(datagrams.sent.length));
  assert.equal(run.report().intervalMs, 400);
  run.stop();
});

test('without a count it goes on until it is stopped, and what is under way is not counted', () => {
  const { run, clock, ended } = probe(
    { kai: { udp: query => [{ after: 150, bytes: answerTo(query) }] } },
    {
      count: 0,
      transports: ['udp'],
    },
  );
  clock.advance(100_000);
  assert.equal(ended(), 0);
  run.stop();
  run.stop();
  assert.equal(ended(), 1);
  const [row] = run.report().rows;
  assert.equal(row!.sent, row!.answered);
  assert.ok(row!.sent > 990);
  clock.advance(10_000);
  assert.equal(run.report().rows[0]!.sent, row!.sent);
});

test('what this machine lacks is not the node’s fault', () => {
  const { run, clock } = probe({
    kai: { udp: healthy },
    nika: { udp: () => [{ after: 1, fails: 'EMFILE' }] },
  });
  clock.advance(60_000);
  const report = run.report();
  const row = report.rows.find(found => found.node === 'nika' && found.transport === 'udp')!;
  assert.deepEqual([row.notMade, row.sent, row.failureShare, row.standsOut], [50, 0, null, []]);
});
