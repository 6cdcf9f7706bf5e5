import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { systemClock } from '#health/clock.ts';
import { poll } from '#test/support/poll.ts';
import { AddressClaims } from './address-claims.ts';

/** Names are shared by the whole machine: these are nobody else's. */
const unique = (name: string) => `${name}-${process.pid}-${performance.now()}`;
const claims = (self: string, onChange = () => {}) =>
  new AddressClaims({ clock: systemClock, self, onChange });

test('the second one is refused, told by whom, and gets the address when the first one ends', async () => {
  const [one, two] = [unique('one'), unique('two')];
  const first = claims('pid 1, front-1');
  first.apply([one, two]);
  await poll('the first to claim both', () => first.refused() === null);
  const told: unknown[] = [];
  const second = claims('pid 2, front-2', () => told.push(second.refused()));
  second.apply([two]);
  assert.notEqual(second.refused(), null);
  // The first has half a second to say who it is, else it is asked again.
  const refusal = { address: two, holder: 'another Chorus (pid 1, front-1)' };
  await poll('the second to be refused', () => second.settled && isDeepStrictEqual(told.at(-1), refusal), {
    explain: () => JSON.stringify(told),
  });
  assert.deepEqual(second.refused(), refusal);
  for (const [at, each] of told.slice(1).entries()) assert.notDeepEqual(each, told[at], 'told once');
  first.apply([one]);
  await poll('the second to have it', () => second.refused() === null);
  assert.equal(first.refused(), null);
  first.stop();
  second.stop();
});

test('a stranger that holds the name and says nothing, or too much, does no harm', async () => {
  for (const text of ['', `\x1b[31m${'x'.repeat(100_000)}`]) {
    const address = unique('stranger');
    const stranger = createServer(socket => socket.on('error', () => {}).write(text)).listen(
      `\0chorus/service-address/${address}`,
    );
    await once(stranger, 'listening');
    const mine = claims('me');
    mine.apply([address]);
    await poll('it to be refused', () => mine.settled);
    assert.ok((mine.refused()?.holder.length ?? 0) < 120);
    mine.stop();
    stranger.close();
  }
});
