import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { VirtualClock } from '#health/clock.ts';
import { answerTo, type Server, VirtualNetwork } from '#health/network.ts';
import { decodeMessage } from '#wire/message.ts';
import { types } from '#wire/types.ts';
import { parseWarmName } from './schema.ts';
import { atOnce, parseNames, type WarmName, warmUp } from './warm-up.ts';

const to = { address: '127.0.0.1', port: 53 };
const manyNames = (count: number): WarmName[] =>
  Array.from({ length: count }, (_, i) => ({ name: `n${i}.lab.example.`, type: types.A }));

function setUp(server: Server, names: readonly WarmName[], within = 10_000) {
  const clock = new VirtualClock();
  const network = new VirtualNetwork(clock);
  const asked: string[] = [];
  network.servers.set('127.0.0.1 53', (query, from) => {
    asked.push(decodeMessage(query).questions[0]!.name);
    return server(query, from);
  });
  const results: string[] = [];
  const world = { clock, random: () => 7, datagrams: network };
  const cancel = warmUp(to, names, within, world, result => results.push(result));
  return { clock, asked, results, cancel };
}

describe('warm-up', () => {
  test('asks all names in order, some at a time, and tells how many were answered', () => {
    const names = manyNames(100);
    const { clock, asked, results } = setUp(query => [{ after: 10, bytes: answerTo(query) }], names);
    clock.advance(5);
    assert.equal(asked.length, atOnce);
    clock.advance(1000);
    assert.deepEqual(
      asked,
      names.map(({ name }) => name),
    );
    assert.deepEqual(results, ['100 of 100 names answered in 0.0s']);
    assert.equal(clock.pending, 0);
  });

  test('what is not answered is given up, and the whole ends in time', () => {
    const slow = setUp(() => [], manyNames(10));
    slow.clock.advance(9999);
    assert.deepEqual(slow.results, ['0 of 10 names answered in 3.0s']);
    const many = setUp(() => [], manyNames(1000));
    many.clock.advance(10_000);
    assert.deepEqual(many.results, ['0 of 1000 names answered in 10.0s']);
    assert.equal(many.clock.pending, 0);
  });

  test('SERVFAIL is an answer, a wrong id is none', () => {
    const wrong: Server = query => [{ after: 1, bytes: answerTo(query, 0, bytes => (bytes[0]! ^= 1)) }];
    const { clock, results } = setUp(wrong, manyNames(1));
    clock.advance(10_000);
    assert.deepEqual(results, ['0 of 1 names answered in 3.0s']);
    const failing = setUp(query => [{ after: 1, bytes: answerTo(query, 2) }], manyNames(1));
    failing.clock.advance(100);
    assert.deepEqual(failing.results, ['1 of 1 names answered in 0.0s']);
  });

  test('broken off, it asks and tells nothing more', () => {
    const { clock, asked, results, cancel } = setUp(() => [], manyNames(100));
    cancel();
    clock.advance(60_000);
    assert.equal(asked.length <= atOnce, true);
    assert.deepEqual(results, []);
    assert.equal(clock.pending, 0);
  });

  test('no names: warm at once, but not before it has returned', () => {
    const { clock, results } = setUp(() => [], []);
    assert.deepEqual(results, []);
    clock.advance(0);
    assert.equal(results.length, 1);
  });

  test('a list of names', () => {
    const { names, wrong } = parseNames(
      '# top names\n www.example.net\nexample.net MX # mail\n\nbad..name\nx NOTYPE\na b c\n',
    );
    assert.deepEqual(names, [
      { name: 'www.example.net.', type: types.A },
      { name: 'example.net.', type: types.MX },
    ]);
    assert.equal(wrong, 3);
    assert.equal(parseWarmName(''), undefined);
  });
});
