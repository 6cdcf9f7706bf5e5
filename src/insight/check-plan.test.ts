import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ChorusError } from '#kit/errors.ts';
import { rcodes, types } from '#wire/types.ts';
import { planCheck } from './check-plan.ts';

const words = (line: string) => line.split(' ');

test('the words of dig, in any order', () => {
  const plan = planCheck(words('a www.example.net @192.0.2.1 +time=1 +tries=5 +fail'), {
    source: '192.0.2.9',
  });
  assert.deepEqual(plan, {
    server: { address: '192.0.2.1', port: 53 },
    source: '192.0.2.9',
    name: 'www.example.net.',
    random: false,
    type: types.A,
    class: 1,
    rd: true,
    edns: true,
    transport: 'udp',
    time: 1000,
    tries: 5,
    good: [rcodes.NOERROR, rcodes.NXDOMAIN],
    data: [],
    failOn: null,
    warning: null,
    critical: null,
    codes: 'plugin',
    weight: 100,
  });
  const chaos = planCheck(words('@::1 id.server CH TXT +tcp +norec +noedns'), { port: 5300 });
  assert.deepEqual(chaos.server, { address: '::1', port: 5300 });
  assert.deepEqual(
    [chaos.class, chaos.type, chaos.transport, chaos.rd, chaos.edns],
    [3, 16, 'tcp', false, false],
  );
});

test('without a name the NS of the root, with one its A, as dig does', () => {
  const root = planCheck(['@192.0.2.1'], {});
  assert.deepEqual([root.name, root.type], ['.', types.NS]);
  assert.equal(planCheck(['@192.0.2.1', 'example.net'], {}).type, types.A);
});

test('the nine words of the script around dig', () => {
  const plan = planCheck(words('192.0.2.9 IN A www.example.net 192.0.2.1 1 5 SERVFAIL|REFUSED udp'), {});
  assert.deepEqual(plan.server, { address: '192.0.2.1', port: 53 });
  assert.deepEqual([plan.source, plan.time, plan.tries, plan.transport], ['192.0.2.9', 1000, 5, 'udp']);
  assert.equal(plan.codes, 'misc', 'it ends with what keepalived understands');
  const { pattern, where } = plan.failOn!;
  assert.equal(where, 'status');
  assert.ok(pattern.test('REFUSED') && pattern.test('SERVFAIL') && !pattern.test('NOERROR'));
  assert.ok(!pattern.test('NOSERVFAIL'), 'it stands at the beginning');
  const eight = planCheck(words('192.0.2.9 CHAOS TXT id.server @192.0.2.1 2 1 SERVFAIL'), {});
  assert.deepEqual([eight.class, eight.transport, eight.time], [3, 'udp', 2000]);
  assert.equal(planCheck(words('192.0.2.9 IN A x.net 192.0.2.1 1 5 X TCP'), {}).transport, 'tcp');
});

test('options stand above words', () => {
  const plan = planCheck(words('@192.0.2.1 www.example.net +time=5'), {
    time: '50ms',
    server: '192.0.2.2:5353',
  });
  assert.deepEqual([plan.time, plan.server], [50, { address: '192.0.2.2', port: 5353 }]);
});

test('times: seconds as plug-ins write them, or with a unit', () => {
  const timed = (time: string) => planCheck(['@192.0.2.1'], { time }).time;
  assert.deepEqual([timed('1'), timed('0.05'), timed('50ms'), timed('1.5s')], [1000, 50, 50, 1500]);
});

test('what is wrong is said', () => {
  const cases: [string, object, RegExp][] = [
    ['www.example.net', {}, /which server/],
    ['@example.net', {}, /server "example.net": expected an address/],
    ['@192.0.2.1 a..b', {}, /no domain name/],
    ['@192.0.2.1 one two', {}, /"two": the name is already one/],
    ['@192.0.2.1 +trace', {}, /"\+trace" is not understood/],
    ['@192.0.2.1 +time', {}, /"\+time" is not understood/],
    ['@192.0.2.1 +tries=99', {}, /tries 99/],
    ['@192.0.2.1 axfr x', {}, /no type to ask for/],
    ['@192.0.2.1', { type: 'FOO' }, /"FOO" is no type/],
    ['@192.0.2.1', { time: '2m' }, /--time 2m/],
    ['@192.0.2.1', { time: 'soon' }, /--time soon/],
    ['@192.0.2.1', { failOn: '(' }, /no regular expression/],
    ['@192.0.2.1', { expectRcode: 'NOERROR,NOPE' }, /"NOPE" is no response code/],
    ['@192.0.2.1', { warning: '2s', critical: '1s' }, /longer than --critical/],
    ['@192.0.2.1', { source: '::1' }, /of two families/],
    ['@192.0.2.1', { source: 'lo' }, /the source "lo"/],
    ['192.0.2.9 IN A x.net 192.0.2.1 1 many SERVFAIL', {}, /tries "many"/],
    ['192.0.2.9 IN A x.net 192.0.2.1 1 5 SERVFAIL sctp', {}, /transport "sctp"/],
    ['192.0.2.9 XX A x.net 192.0.2.1 1 5 SERVFAIL', {}, /class "XX"/],
  ];
  for (const [line, options, expected] of cases) {
    assert.throws(
      () => planCheck(words(line), options),
      error => error instanceof ChorusError && error.code === 'USAGE' && expected.test(error.message),
      line,
    );
  }
});

test('any words give a plan or an error of usage', () => {
  const word = fc.oneof(
    fc.string(),
    fc.constantFrom('@192.0.2.1', 'A', 'IN', '+time=1', '192.0.2.9', 'x.net', '5', 'udp', '(', '+tries=0'),
  );
  fc.assert(
    fc.property(fc.array(word, { maxLength: 10 }), list => {
      try {
        const { tries, time } = planCheck(list, {});
        assert.ok(tries >= 1 && tries <= 20 && time >= 1 && time <= 60_000);
      } catch (error) {
        assert.ok(error instanceof ChorusError && error.code === 'USAGE', String(error));
      }
    }),
  );
});
