import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { bounds, isError, parseProtocols, parseRoutes, type Reply, ReplyReader } from './replies.ts';

const golden = (name: string) =>
  readFileSync(new URL(`../../../../test/golden/bird/${name}.txt`, import.meta.url), 'utf8');

function read(text: string): Reply {
  const replies = new ReplyReader().feed(text);
  assert.equal(replies?.length, 1, text);
  return replies![0]!;
}

describe('replies of BIRD', () => {
  test('are put together however they come', () => {
    const text = `0001 BIRD 2.0.12 ready.\n${golden('2.0.12-show-protocols')}${golden('2.0.12-configure')}`;
    const whole = new ReplyReader().feed(text);
    assert.deepEqual(
      whole?.map(({ code }) => code),
      [1, 0, 3],
    );
    for (const size of [1, 7, 100]) {
      const reader = new ReplyReader();
      const found: Reply[] = [];
      for (let at = 0; at < text.length; at += size) found.push(...reader.feed(text.slice(at, at + size))!);
      assert.deepEqual(found, whole);
    }
  });

  test('tell errors', () => {
    const reply = read(golden('2.0.12-refused'));
    assert.ok(isError(reply));
    assert.match(reply.lines.join(' '), /syntax error/);
    assert.ok(!isError(read(golden('2.0.12-configure'))));
  });

  test('without an end, or no replies at all, are given up', () => {
    assert.equal(new ReplyReader().feed('x'.repeat(bounds.line + 1)), undefined);
    assert.equal(new ReplyReader().feed('HTTP/1.1 400 Bad Request\n'), undefined);
    const reader = new ReplyReader();
    const line = ` ${'x'.repeat(60_000)}\n`;
    let fed: unknown = [];
    for (let i = 0; i < 200 && fed !== undefined; i++) fed = reader.feed(line);
    assert.equal(fed, undefined);
    assert.deepEqual(new ReplyReader().feed('+ a line of the log\n'), []);
  });

  for (const version of ['2.0.12', '3'] as const) {
    test(`routes of BIRD ${version}`, () => {
      const routes = parseRoutes(read(golden(`${version}-show-route`)).lines);
      const [first, second] = routes;
      assert.equal(routes.length, 2);
      assert.equal(first?.prefix, '192.0.2.54/32');
      assert.deepEqual(first?.attributes, {
        med: 10,
        localPreference: null,
        communities: ['65000:100'],
        largeCommunities: [],
        prepend: 0,
      });
      assert.deepEqual(second, {
        prefix: '192.0.2.53/32',
        protocol: 'chorus_direct',
        attributes: {
          med: 10,
          localPreference: 50,
          communities: ['65000:100', '65535:0'],
          largeCommunities: ['65000:1:2'],
          prepend: 2,
        },
      });
    });
  }

  test('sessions, and who keeps routes', () => {
    const old = parseProtocols(read(golden('2.0.12-show-protocols')).lines);
    assert.ok(old.names.has('chorus4') && old.names.has('device1') && old.names.has('outer'));
    const common = { established: true, localAs: 65001, keeps: 7 };
    assert.deepEqual(old.sessions, [
      { name: 'outer', external: true, ...common },
      { name: 'inner', external: false, ...common },
    ]);
    const three = parseProtocols(read(golden('3-show-protocols')).lines);
    assert.deepEqual(three.sessions, [
      { name: 'outer', external: true, established: true, localAs: 65001, keeps: null },
    ]);
    assert.ok(three.names.has('chorus4'));
  });
});
