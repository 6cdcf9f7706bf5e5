import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import type { Attributes } from '../../announcement.ts';
import {
  AnswerReader,
  announceCommand,
  bounds,
  childConfiguration,
  parseAdjRib,
  type Said,
} from './answers.ts';

const golden = readFileSync(new URL('../../../../test/golden/exabgp/4.2.21.txt', import.meta.url), 'utf8');
const attributes: Attributes = {
  med: 10,
  localPreference: 50,
  communities: ['65000:100', '65535:0'],
  largeCommunities: ['65000:1:2'],
  prepend: 1,
};

describe('what ExaBGP says', () => {
  test('is put together however it comes: events, answers, errors', () => {
    const whole = new AnswerReader().feed(golden);
    assert.deepEqual(
      whole?.map(said => (said.kind === 'state' ? `${said.peer} ${said.up}` : said.good)),
      ['10.99.1.1 false', '10.99.0.1 false', '10.99.1.1 true', '10.99.0.1 true', true, true, false],
    );
    for (const size of [1, 13]) {
      const reader = new AnswerReader();
      const found: Said[] = [];
      for (let at = 0; at < golden.length; at += size)
        found.push(...reader.feed(golden.slice(at, at + size))!);
      assert.deepEqual(found, whole);
    }
  });

  test('routes to each neighbour', () => {
    const answer = new AnswerReader().feed(golden)?.[5];
    assert.ok(answer?.kind === 'answer');
    const routes = parseAdjRib(answer.lines);
    assert.equal(routes.length, 7);
    assert.deepEqual(routes[0], {
      neighbor: '10.99.0.1',
      prefix: { address: '192.0.2.53', bits: 32 },
      attributes,
    });
    assert.deepEqual(routes[2], {
      neighbor: '10.99.0.1',
      prefix: { address: '2001:db8::53', bits: 128 },
      attributes: { med: 10, localPreference: null, communities: [], largeCommunities: [], prepend: 0 },
    });
  });

  test('well-known communities by their names', () => {
    const line =
      'neighbor 10.0.0.1 local-ip 10.0.0.2 family-allowed in-open ipv4 unicast 192.0.2.53/32 next-hop self';
    const [route] = parseAdjRib([`${line} community [ no-export 65000:1 no-peer 1:70000 x ]`]);
    assert.deepEqual(route?.attributes.communities, ['65000:1', '65535:65281', '65535:65284']);
  });

  test('without an end is given up', () => {
    assert.equal(new AnswerReader().feed('x'.repeat(bounds.line + 1)), undefined);
    const reader = new AnswerReader();
    let fed: unknown = [];
    for (let i = 0; i < 100 && fed !== undefined; i++) fed = reader.feed(`${'x'.repeat(60_000)}\n`);
    assert.equal(fed, undefined);
    assert.deepEqual(new AnswerReader().feed('{ no JSON\n{"type":"state"}\n'), []);
  });
});

describe('what is said to ExaBGP', () => {
  const route = { neighbor: '10.0.0.1', prefix: { address: '192.0.2.53', bits: 32 }, attributes };

  test('a path of its own for neighbours of another AS alone', () => {
    assert.equal(
      announceCommand(route, { nextHop: '10.0.0.2', as: 65001, external: true }),
      'neighbor 10.0.0.1 announce route 192.0.2.53/32 next-hop 10.0.0.2 as-path [ 65001 65001 ] med 10 ' +
        'local-preference 50 community [ 65000:100 65535:0 ] large-community [ 65000:1:2 ]',
    );
    assert.doesNotMatch(
      announceCommand(route, { nextHop: '10.0.0.2', as: 65001, external: false }),
      /as-path/,
    );
  });

  test('its configuration asks for no graceful restart', () => {
    const text = childConfiguration({
      neighbors: [{ address: '10.0.0.1', as: 65000, local: '10.0.0.2' }],
      as: 65001,
      routerId: '10.0.0.2',
      holdTime: 9,
      helper: ['/usr/bin/node', 'relay.ts', '/tmp/x/api', '2000', '/tmp/x'],
    });
    assert.match(text, /run \/usr\/bin\/node relay\.ts \/tmp\/x\/api 2000 \/tmp\/x;/);
    assert.match(text, /hold-time 9;/);
    assert.doesNotMatch(text, /graceful/);
  });
});
