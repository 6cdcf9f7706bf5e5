import assert from 'node:assert/strict';
import { test } from 'node:test';
import { VirtualClock } from '#health/clock.ts';
import type { Exchanger } from '#health/exchange.ts';
import { listenersFor, OwnListeners } from './own-listeners.ts';

const listen = [
  { address: '192.0.2.53', port: 53 },
  { address: '::', port: 53 },
];

/** Listeners that answer as told; `mute` may look at the place and at how many were asked there before. */
function scene(mute: (way: 'udp' | 'tcp', address: string, asked: number) => boolean = () => false) {
  const clock = new VirtualClock();
  const counts = new Map<string, number>();
  let changes = 0;
  let seed = 1;
  const here = new Set(['192.0.2.53', '2001:db8::53']);
  const way = (name: 'udp' | 'tcp'): Exchanger => ({
    exchange(to, bytes, hearing) {
      assert.equal(to.source, to.address.includes(':') ? '::1' : '127.0.0.1');
      const key = `${name} ${to.address}`;
      const asked = counts.get(key) ?? 0;
      counts.set(key, asked + 1);
      if (mute(name, to.address, asked)) return () => {};
      // REFUSED, with the question.
      const answer = bytes.slice();
      answer[2]! |= 0x80;
      answer[3] = 5;
      return clock.wait(1, () => hearing.message(answer));
    },
  });
  const own = new OwnListeners({
    clock,
    random: bound => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return seed % bound;
    },
    datagrams: way('udp'),
    streams: way('tcp'),
    isAnnounced: address => here.has(address),
    onChange: () => {
      changes++;
    },
  });
  const view = (address: string) => own.views().find(each => each.address === address);
  return { clock, own, counts, here, view, changes: () => changes };
}

test('a listener serves its address, or all of its family', () => {
  assert.deepEqual(listenersFor('192.0.2.53', listen), [{ address: '192.0.2.53', port: 53 }]);
  assert.deepEqual(listenersFor('2001:db8::53', listen), [{ address: '2001:db8::53', port: 53 }]);
  assert.deepEqual(listenersFor('192.0.2.54', listen), []);
});

test('listeners that answer are good, REFUSED or not; addresses without a listener are not judged', () => {
  const { clock, own, view, counts } = scene();
  own.apply(
    [
      { address: '192.0.2.53', brought: 'no' },
      { address: '192.0.2.54', brought: 'no' },
    ],
    listen,
  );
  assert.deepEqual([view('192.0.2.53')?.udp, view('192.0.2.53')?.tcp], ['unknown', 'unknown']);
  clock.advance(1100);
  assert.deepEqual(own.views(), [{ address: '192.0.2.53', udp: 'good', tcp: 'good', detail: '' }]);
  clock.advance(10_000);
  assert.equal(own.answered, (counts.get('udp 192.0.2.53') ?? 0) + (counts.get('tcp 192.0.2.53') ?? 0));
  assert.ok(own.answered >= 50 && own.answered < 65, String(own.answered));
  own.stop();
  assert.equal(clock.pending, 0);
});

test('a listener that falls silent is bad within two seconds, and good again when it answers', () => {
  let dead = false;
  const { clock, own, view, changes } = scene(() => dead);
  own.apply([{ address: '2001:db8::53', brought: 'no' }], listen);
  clock.advance(5000);
  dead = true;
  const before = changes();
  clock.advance(2000);
  assert.equal(view('2001:db8::53')?.udp, 'bad');
  assert.match(
    view('2001:db8::53')?.detail ?? '',
    /our listener \[2001:db8::53\]:53 over UDP: 3 of the last/,
  );
  assert.ok(changes() > before);
  dead = false;
  clock.advance(8000);
  assert.deepEqual([view('2001:db8::53')?.udp, view('2001:db8::53')?.tcp], ['good', 'good']);
});

test('families and transports are judged apart', () => {
  const { clock, own, view } = scene((way, address) => way === 'tcp' && address.includes(':'));
  own.apply(
    [
      { address: '192.0.2.53', brought: 'no' },
      { address: '2001:db8::53', brought: 'no' },
    ],
    listen,
  );
  clock.advance(8000);
  assert.deepEqual([view('192.0.2.53')?.udp, view('192.0.2.53')?.tcp], ['good', 'good']);
  assert.deepEqual([view('2001:db8::53')?.udp, view('2001:db8::53')?.tcp], ['good', 'bad']);
});

test('one of four workers that hangs is found', () => {
  const { clock, own, view } = scene((way, _, asked) => way === 'udp' && asked % 4 === 3);
  own.apply([{ address: '192.0.2.53', brought: 'no' }], listen);
  let bad = false;
  for (let ms = 0; ms < 6000 && !bad; ms += 100) {
    clock.advance(100);
    bad = view('192.0.2.53')?.udp === 'bad';
  }
  assert.ok(bad);
});

for (const brought of ['kept', 'leased'] as const) {
  test(`an address that a driver brings (${brought}) is judged from when it is there`, () => {
    let answers = false;
    const { clock, own, view, here } = scene(() => !answers);
    here.clear();
    own.apply([{ address: '192.0.2.53', brought }], listen);
    clock.advance(5000);
    assert.equal(view('192.0.2.53'), undefined);
    answers = true;
    here.add('192.0.2.53');
    assert.equal(view('192.0.2.53')?.udp, 'unknown');
    clock.advance(3000);
    assert.equal(view('192.0.2.53')?.udp, 'good');
    answers = false;
    clock.advance(7000);
    assert.equal(view('192.0.2.53')?.udp, 'bad');
    // Withdrawn: one that is kept is still there, and still bad.
    here.clear();
    assert.equal(view('192.0.2.53')?.udp, brought === 'kept' ? 'bad' : undefined);
  });
}

test('a listener that is dead from the start is found when the address is announced', () => {
  const { clock, own, view, here } = scene(() => true);
  here.clear();
  own.apply([{ address: '192.0.2.53', brought: 'kept' }], listen);
  clock.advance(5000);
  here.add('192.0.2.53');
  assert.equal(view('192.0.2.53')?.udp, 'unknown');
  clock.advance(5000);
  assert.equal(view('192.0.2.53'), undefined, 'the loop engine may take so long to find the address');
  clock.advance(2500);
  assert.equal(view('192.0.2.53')?.udp, 'bad');
});

test('a reload keeps what is known of addresses that stay', () => {
  const { clock, own, view } = scene();
  own.apply([{ address: '192.0.2.53', brought: 'no' }], listen);
  clock.advance(2000);
  own.apply(
    [
      { address: '192.0.2.53', brought: 'no' },
      { address: '2001:db8::53', brought: 'no' },
    ],
    listen,
  );
  assert.equal(view('192.0.2.53')?.udp, 'good');
  assert.equal(view('2001:db8::53')?.udp, 'unknown');
  own.apply([], listen);
  assert.deepEqual(own.views(), []);
  own.stop();
  assert.equal(clock.pending, 0);
});
