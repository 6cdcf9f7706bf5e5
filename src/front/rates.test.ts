import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { writeSockaddr } from '#net/sockaddr.ts';
import { seeded } from '#test/sim/world.ts';
import type { PlanLimits } from './plan.ts';
import { Rates, rate } from './rates.ts';

const none: PlanLimits = {
  perClient: 0,
  perNetwork: 0,
  ipv4Bits: 24,
  ipv6Bits: 56,
  slip: 2,
  exempt: [],
  zones: true,
};

/** Rates with a clock and an origin of their own. */
class Scene {
  now = 1_000_000;
  readonly rates: Rates;
  readonly #i32 = new Int32Array(32);
  readonly #u8 = new Uint8Array(this.#i32.buffer);

  constructor(limits: Partial<PlanLimits>, memory = Rates.create(0x1234567, 0x89abcde)) {
    const random = seeded(5);
    this.rates = new Rates(memory, bound => random() % bound);
    this.rates.apply({ ...none, ...limits });
  }

  ask(address: string, tcp = false): number {
    writeSockaddr(this.#u8, 0, address, 40_000);
    return this.rates.check(this.#u8, this.#i32, 0, tcp, this.now);
  }

  /** Asks `rate` times a second for `seconds`; gives how many were within. */
  flood(address: string, perSecond: number, seconds: number): number {
    let within = 0;
    for (let i = 0; i < perSecond * seconds; i++) {
      this.now += 1000 / perSecond;
      if (this.ask(address) === rate.within) within++;
    }
    return within;
  }
}

describe('a client', () => {
  test('gets its rate, and a second’s worth at once after a pause, whatever it asks beyond', () => {
    const scene = new Scene({ perClient: 100 });
    const within = scene.flood('192.0.2.1', 5000, 10);
    assert.ok(within >= 1000 && within <= 1101, String(within));
    scene.now += 60_000;
    let burst = 0;
    for (let i = 0; i < 1000; i++) if (scene.ask('192.0.2.1') === rate.within) burst++;
    assert.equal(burst, 100);
    assert.equal(scene.ask('192.0.2.2'), rate.within, 'its neighbour has a rate of its own');
  });

  test('below its rate is never limited, whoever else asks', () => {
    const address = fc
      .integer({ min: 0, max: 0xffffff })
      .map(n => `10.${n >> 16}.${(n >> 8) & 255}.${n & 255}`);
    fc.assert(
      fc.property(
        fc.array(address, { maxLength: 400 }),
        fc.integer({ min: 1, max: 50 }),
        (others, perClient) => {
          const scene = new Scene({ perClient });
          for (let second = 0; second < 4; second++) {
            scene.now += 1000;
            for (const other of others) scene.ask(other);
            for (let i = 0; i < perClient; i++) assert.equal(scene.ask('192.0.2.1'), rate.within);
          }
        },
      ),
      { numRuns: 50 },
    );
  });

  test('that asks too much is remembered through a flood of other addresses, and a quiet one is not harmed by it', () => {
    const scene = new Scene({ perClient: 10 });
    const random = seeded(9);
    let heavy = 0;
    for (let i = 0; i < 600_000; i++) {
      scene.now += 0.01;
      const n = random();
      scene.ask(`${(n >>> 24) % 223 || 1}.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`);
      if (i % 10 === 0 && scene.ask('192.0.2.1') === rate.within) heavy++;
      if (i % 50_000 === 0) assert.equal(scene.ask('192.0.2.2'), rate.within);
    }
    // Six seconds: 60 and a burst of 10.
    assert.ok(heavy <= 75, `${heavy} of 60,000`);
  });

  test('over TCP has a rate of its own, so that forged addresses take nothing from it, and is refused beyond', () => {
    const scene = new Scene({ perClient: 10 });
    scene.flood('192.0.2.1', 1000, 1);
    for (let i = 0; i < 10; i++) assert.equal(scene.ask('192.0.2.1', true), rate.within);
    assert.equal(scene.ask('192.0.2.1', true), rate.refuse);
  });

  test('of IPv6 is a /64; a link-local one is an address', () => {
    const scene = new Scene({ perClient: 1 });
    assert.equal(scene.ask('2001:db8:0:1::1'), rate.within);
    assert.notEqual(scene.ask('2001:db8:0:1:ffff::2'), rate.within);
    assert.equal(scene.ask('2001:db8:0:2::1'), rate.within);
    assert.equal(scene.ask('fe80::1'), rate.within);
    assert.equal(scene.ask('fe80::2'), rate.within);
    assert.notEqual(scene.ask('fe80::2'), rate.within);
  });
});

describe('a network', () => {
  test('has one rate for all its clients', () => {
    for (const [ipv4Bits, same, other] of [
      [24, '192.0.2.255', '192.0.3.1'],
      [23, '192.0.3.1', '192.0.4.1'],
      [9, '192.127.0.1', '192.128.0.1'],
    ] as const) {
      const scene = new Scene({ perNetwork: 1, ipv4Bits });
      assert.equal(scene.ask('192.0.2.1'), rate.within);
      assert.notEqual(scene.ask(same), rate.within, same);
      assert.equal(scene.ask(other), rate.within, other);
    }
    for (const [ipv6Bits, same, other] of [
      [56, '2001:db8:0:ff::1', '2001:db8:0:100::1'],
      [30, '2001:dbb::1', '2001:dbc::1'],
    ] as const) {
      const scene = new Scene({ perNetwork: 1, ipv6Bits });
      assert.equal(scene.ask('2001:db8::1'), rate.within);
      assert.notEqual(scene.ask(same), rate.within, same);
      assert.equal(scene.ask(other), rate.within, other);
    }
  });

  test('is not charged for what one of its clients asks beyond its own rate', () => {
    const scene = new Scene({ perClient: 10, perNetwork: 100 });
    scene.flood('192.0.2.1', 5000, 3);
    let within = 0;
    for (let last = 2; last < 12; last++) {
      for (let i = 0; i < 8; i++) if (scene.ask(`192.0.2.${last}`) === rate.within) within++;
    }
    assert.equal(within, 80);
  });
});

describe('beyond a rate', () => {
  test('one in `slip` is truncated, the rest dropped', () => {
    const shares = [0, 1, 2, 10].map(slip => {
      const scene = new Scene({ perClient: 1, slip });
      const found = [0, 0, 0, 0];
      for (let i = 0; i < 10_001; i++) found[scene.ask('192.0.2.1')]!++;
      assert.equal(found[rate.within], 1);
      return found[rate.slip]! / 10_000;
    });
    assert.deepEqual([shares[0], shares[1]], [0, 1]);
    assert.ok(Math.abs(shares[2]! - 0.5) < 0.03 && Math.abs(shares[3]! - 0.1) < 0.02, shares.join(' '));
  });

  test('nothing happens to those who are exempt', () => {
    const scene = new Scene({ perClient: 1, perNetwork: 1, exempt: [{ bytes: [192, 0, 2, 0], bits: 25 }] });
    assert.equal(scene.flood('192.0.2.1', 100, 1), 100);
    assert.ok(scene.flood('192.0.2.200', 100, 1) <= 2);
  });
});

test('threads share what they count, and a reload keeps it', () => {
  const memory = Rates.create(1, 2);
  const [one, two] = [new Scene({ perClient: 10 }, memory), new Scene({ perClient: 10 }, memory)];
  one.flood('192.0.2.1', 1000, 1);
  two.now = one.now;
  assert.notEqual(two.ask('192.0.2.1'), rate.within);
  two.rates.apply({ ...none, perClient: 10 });
  assert.notEqual(two.ask('192.0.2.1'), rate.within);
  assert.equal(two.rates.active, true);
  two.rates.apply(none);
  assert.equal(two.rates.active, false);
});
