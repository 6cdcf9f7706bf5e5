import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#health/clock.ts';
import { answerTo, type Server, VirtualNetwork } from '#health/network.ts';
import { decodeMessage, encodeMessage, type Message, reply } from '#wire/message.ts';
import { parseRecord } from '#wire/record.ts';
import { rcodes } from '#wire/types.ts';
import { type CheckReport, checkLine, runCheck, weightOf } from './check.ts';
import { type CheckOptions, planCheck } from './check-plan.ts';

const reader = () => import('./answer-text.ts');

/** Runs a check in virtual time. */
async function check(
  server: Server,
  options: CheckOptions = {},
  { line = '@192.0.2.1 www.example.net A', stream = server, whole = false } = {},
): Promise<{ report: CheckReport; line: string; read: number }> {
  const clock = new VirtualClock();
  const [datagrams, streams] = [new VirtualNetwork(clock), new VirtualNetwork(clock)];
  datagrams.servers.set('192.0.2.1 53', server);
  streams.servers.set('192.0.2.1 53', stream);
  const plan = planCheck(line.split(' '), options);
  let over = false;
  let read = 0;
  const running = runCheck(
    plan,
    { clock, random: bound => bound - 1, datagrams, streams },
    () => {
      read++;
      return reader();
    },
    whole,
  ).finally(() => {
    over = true;
  });
  running.catch(() => {});
  for (let i = 0; i < 1000 && !over; i++) {
    clock.advance(100);
    await new Promise(resolve => setImmediate(resolve));
  }
  const report = await running;
  return { report, line: checkLine(report, plan), read };
}

/** A server that answers with these records, `after` ms. */
function answering(records: readonly string[], parts: Partial<Message> = {}, after = 1): Server {
  return query => {
    const answers = records.map(record => parseRecord(record));
    return [{ after, bytes: encodeMessage(reply(decodeMessage(query), { answers, ra: true, ...parts })) }];
  };
}

const good = answering(['www.example.net. 60 IN A 198.51.100.7']);

test('a good answer is OK, with performance data, and nobody reads more than its header', async () => {
  const { report, line, read } = await check(good, { warning: '0.05', critical: '500ms' });
  assert.equal(
    line,
    'DNS OK: NOERROR in 1ms (www.example.net. A at 192.0.2.1:53) | time=0.001000s;0.05;0.5;0;3 tries=1;;;1;3',
  );
  assert.deepEqual([report.exit, report.rcode, report.latencyMs, read], [0, 'NOERROR', 1, 0]);
});

test('SERVFAIL is CRITICAL, with the reason that the server gives', async () => {
  const ede = { kind: 'EDE', info: 22, text: 'at delegation | \u001b[31m' } as const;
  const edns = { udpSize: 1232, version: 0, do: false, options: [ede] };
  const { report, line } = await check(answering([], { rcode: rcodes.SERVFAIL, edns }));
  assert.deepEqual([report.state, report.exit, report.rcode], ['CRITICAL', 2, 'SERVFAIL']);
  assert.match(
    line,
    /^DNS CRITICAL: SERVFAIL in 1ms: 22 \(No Reachable Authority\): \(at delegation \/ \?\[31m\)/,
  );
  assert.equal(line.split('|').length, 2, 'a server cannot begin the performance data');
});

test('REFUSED is CRITICAL, NXDOMAIN is OK, unless said otherwise', async () => {
  const exit = async (rcode: number, expectRcode?: string) =>
    (await check(query => [{ after: 1, bytes: answerTo(query, rcode) }], expectRcode ? { expectRcode } : {}))
      .report.exit;
  assert.equal(await exit(rcodes.REFUSED), 2);
  assert.equal(await exit(rcodes.NXDOMAIN), 0);
  assert.equal(await exit(rcodes.NXDOMAIN, 'NOERROR'), 2);
  assert.equal(await exit(rcodes.SERVFAIL, 'SERVFAIL,NOERROR'), 0);
});

test('latency beyond the thresholds', async () => {
  const state = async (after: number) =>
    (await check(answering([], {}, after), { warning: '50ms', critical: '200ms' })).report.state;
  assert.deepEqual(
    [await state(50), await state(51), await state(200), await state(201)],
    ['OK', 'WARNING', 'WARNING', 'CRITICAL'],
  );
});

test('silence is CRITICAL after all tries, without a time', async () => {
  const { report, line } = await check(() => [], { time: '0.5', tries: 2 });
  assert.deepEqual([report.exit, report.tries, report.latencyMs], [2, 2, null]);
  assert.match(line, /no answer within 2 times 500ms .* \| time=U;;;0;1 tries=2;;;1;2$/);
});

test('a closed port is CRITICAL, a source that is not here UNKNOWN', async () => {
  const state = async (code: string) => (await check(() => [{ after: 1, fails: code }])).report;
  assert.deepEqual([(await state('ECONNREFUSED')).exit, (await state('EADDRNOTAVAIL')).exit], [2, 3]);
});

test('expected data: each must be there, in whatever form it was written', async () => {
  const two = answering(['www.example.net. 60 IN A 198.51.100.7', 'www.example.net. 60 IN A 198.51.100.8']);
  assert.equal((await check(two, { expectData: ['198.51.100.8', '198.51.100.7'] })).report.exit, 0);
  const wrong = (await check(two, { expectData: ['198.51.100.9'] })).report;
  assert.equal(wrong.exit, 2);
  assert.equal(wrong.detail, 'NOERROR, but not the expected 198.51.100.9; got 198.51.100.7, 198.51.100.8');
  const mx = answering(['example.net. 60 IN MX 10 Mail.example.net.']);
  const line = '@192.0.2.1 example.net MX';
  assert.equal((await check(mx, { expectData: ['10 mail.example.net'] }, { line })).report.exit, 0);
  const none = await check(answering([]), { expectData: ['198.51.100.9'] });
  assert.match(none.report.detail, /got none/);
});

test('what must not be found: in the code, the records, the extended error', async () => {
  const exit = async (failOn: string) => (await check(good, { failOn })).report.exit;
  assert.deepEqual([await exit('198\\.51'), await exit('NOERR'), await exit('203\\.0')], [2, 2, 0]);
});

test('the error match of the nine words sees the response code alone', async () => {
  const line = '192.0.2.9 IN A www.example.net 192.0.2.1 1 5';
  const exit = async (match: string, server = good) =>
    (await check(server, {}, { line: `${line} ${match} udp` })).report.exit;
  assert.equal(await exit('SERVFAIL'), 0);
  assert.equal(await exit('198'), 0);
  assert.equal(await exit('NXDOMAIN', answering([], { rcode: rcodes.NXDOMAIN })), 1);
  assert.equal(await exit('NXDOMAIN', answering([], { rcode: rcodes.SERVFAIL })), 1, 'SERVFAIL fails always');
});

test('a truncated answer is good; where its data count it is asked again over TCP', async () => {
  const cut = answering([], { tc: true });
  assert.equal((await check(cut)).report.transport, 'udp');
  const whole = await check(cut, { expectData: ['198.51.100.7'] }, { stream: good });
  assert.deepEqual([whole.report.exit, whole.report.transport], [0, 'tcp']);
});

test('an answer that is not what it counts is CRITICAL; so is one that cannot be read, when it has to be', async () => {
  const short: Server = query => [{ after: 1, bytes: answerTo(query, 0, bytes => (bytes[7] = 3)) }];
  const { report } = await check(short);
  assert.deepEqual([report.exit, report.rcode], [2, null]);
  assert.match(report.detail, /^malformed answer: /);
  // An address of three octets.
  const torn: Server = query => {
    const head = answerTo(query, 0, bytes => (bytes[7] = 1));
    const asked = head.subarray(0, head.length - 11);
    asked[11] = 0;
    const record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 3, 192, 0, 2];
    return [{ after: 1, bytes: Uint8Array.from([...asked, ...record]) }];
  };
  assert.equal((await check(torn)).report.exit, 0);
  const read = (await check(torn, {}, { whole: true })).report;
  assert.deepEqual([read.exit, read.answer], [2, null]);
  assert.match(read.detail, /^malformed answer: /);
});

test('JSON has the answer', async () => {
  const { report } = await check(good, {}, { whole: true });
  assert.deepEqual(report.answer, {
    records: ['www.example.net. 60 IN A 198.51.100.7'],
    data: ['198.51.100.7'],
    extended: [],
    truncated: false,
  });
});

test('exit codes of MISC_CHECK: 0 or 1; with weights never 0 or 2', async () => {
  const slow = answering([], {}, 60);
  const exit = async (server: Server, more: CheckOptions) => (await check(server, more)).report.exit;
  const limits = { warning: '50ms', critical: '100ms' };
  assert.equal(await exit(slow, { miscCheck: true, ...limits }), 0, 'WARNING is good');
  assert.equal(await exit(() => [], { miscCheck: true, tries: 1 }), 1);
  assert.equal(await exit(() => [{ after: 1, fails: 'EMFILE' }], { miscCheck: true }), 1);
  assert.equal(await exit(good, { dynamic: true, ...limits }), 102);
  assert.equal(await exit(slow, { dynamic: true, ...limits }), 82);
  assert.equal(await exit(answering([], {}, 101), { dynamic: true, ...limits }), 1);
  assert.equal(await exit(answering([], {}, 100), { dynamic: true, weight: 1, ...limits }), 3);
});

test('the weight falls in a line from the warning to the critical threshold', () => {
  const weight = (latency: number, options: CheckOptions) =>
    weightOf(planCheck(['@192.0.2.1'], { dynamic: true, ...options }), latency);
  const limits = { warning: '100ms', critical: '300ms', weight: 253 };
  assert.deepEqual(
    [0, 100, 200, 299, 300, 999].map(at => weight(at, limits)),
    [253, 253, 127, 1, 1, 1],
  );
  assert.deepEqual(
    [100, 550, 1000].map(at => weight(at, {})),
    [100, 50, 1],
    'of the time without thresholds',
  );
});
