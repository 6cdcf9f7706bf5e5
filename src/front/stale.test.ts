import assert from 'node:assert/strict';
import { test } from 'node:test';
import { World } from '#test/sim/world.ts';
import { query } from '#wire/message.ts';
import { parseRecord } from '#wire/record.ts';

const name = 'a.example.';
const a = (ttl: number, address: string) => parseRecord(`${name} ${ttl} IN A ${address}`);

test('while a question keeps failing only the first client waits: later ones get the old answer, and it is asked behind it', () => {
  const world = new World();
  world.ask(query(name, 'A'));
  world.answer(world.lastSent, { answers: [a(10, '192.0.2.1')] });
  world.advance(11_000);
  world.ask(query(name, 'A'));
  world.advance(10_000);
  assert.equal(world.last.answers[0]?.ttl, 30);
  const asked = world.sent.length;
  const replies = world.replies.length;
  world.ask(query(name, 'A'));
  assert.deepEqual(
    [world.sent.length, world.replies.length],
    [asked, replies + 1],
    'not again for half a minute',
  );
  world.advance(30_000);
  world.ask(query(name, 'A'));
  world.ask(query(name, 'A'));
  assert.equal(world.replies.length, replies + 3, 'no wait');
  assert.equal(world.sent.length, asked + 1, 'asked once');
  world.answer(world.lastSent, { answers: [a(300, '192.0.2.2')] });
  world.ask(query(name, 'A'));
  assert.deepEqual([world.sent.length, world.last.answers[0]?.ttl], [asked + 1, 300]);
});
