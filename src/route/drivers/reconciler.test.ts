import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { ChorusError } from '#kit/errors.ts';
import { type Announcement, hostPrefix } from '../announcement.ts';
import type { DriverWorld } from '../driver.ts';
import { type Outcome, Reconciler } from './reconciler.ts';

const wish = (...addresses: string[]): Announcement[] =>
  addresses.map(address => ({
    prefix: hostPrefix(address),
    address,
    attributes: { med: 0, localPreference: null, communities: [], largeCommunities: [], prepend: 0 },
    grade: 'primary',
  }));

/** Time that stands still unless it is told to go. */
class Virtual {
  time = 0;
  changes = 0;
  #timers: { at: number; then: () => void }[] = [];
  readonly world: DriverWorld = {
    name: 'tested',
    now: () => this.time,
    random: () => 0,
    onNotice: () => {},
    onChange: () => void this.changes++,
    wait: (ms, then) => {
      const timer = { at: this.time + ms, then };
      this.#timers.push(timer);
      return () => {
        this.#timers = this.#timers.filter(each => each !== timer);
      };
    },
  };

  get waiting(): number {
    return this.#timers.length;
  }

  async go(ms: number): Promise<void> {
    const end = this.time + ms;
    await settled();
    for (;;) {
      const next = this.#timers.toSorted((a, b) => a.at - b.at)[0];
      if (!next || next.at > end) break;
      this.#timers = this.#timers.filter(each => each !== next);
      this.time = Math.max(this.time, next.at);
      next.then();
      await settled();
    }
    this.time = end;
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

/** Software that does what it is told, after `take` ms. */
function software(virtual: Virtual, { take = 0 } = {}) {
  const calls: string[][] = [];
  let fault: ChorusError | undefined;
  let there: readonly Announcement[] = [];
  const reconciler = new Reconciler(virtual.world, async (wanted): Promise<Outcome> => {
    calls.push(wanted.map(({ address }) => address));
    if (take > 0) await new Promise<void>(resolve => void virtual.world.wait(take, resolve));
    if (fault) throw fault;
    there = wanted;
    const routes = there.map(({ prefix, attributes }) => ({ prefix, attributes }));
    return { state: 'up', detail: 'well', problem: null, warnings: [], routes, again: 5_000 };
  });
  return {
    reconciler,
    calls,
    get there() {
      return there.map(({ address }) => address);
    },
    set fault(value: ChorusError | undefined) {
      fault = value;
    },
  };
}

describe('the reconciler', () => {
  test('begins nothing before it is asked, and looks again and again', async () => {
    const virtual = new Virtual();
    const { reconciler, calls } = software(virtual);
    await virtual.go(60_000);
    assert.equal(calls.length, 0);
    assert.equal(reconciler.report().state, 'idle');
    reconciler.want(wish('192.0.2.1'));
    await virtual.go(20_000);
    assert.equal(calls.length, 5);
    assert.equal(virtual.changes, 1, 'what stays the same is told once');
  });

  test('does one thing at a time, and the latest wish wins', async () => {
    const virtual = new Virtual();
    const soft = software(virtual, { take: 100 });
    for (const address of ['192.0.2.1', '192.0.2.2', '192.0.2.3', '192.0.2.4'])
      soft.reconciler.want(wish(address));
    await virtual.go(1_000);
    assert.deepEqual(soft.calls, [['192.0.2.1'], ['192.0.2.4']]);
    assert.deepEqual(soft.there, ['192.0.2.4']);
    soft.reconciler.want(wish('192.0.2.4'));
    await virtual.go(1_000);
    assert.equal(soft.calls.length, 2, 'the same again is nothing new');
  });

  test('tries again later and later, and at once when the wish changes', async () => {
    const virtual = new Virtual();
    const soft = software(virtual);
    soft.fault = new ChorusError('ROUTE_PROGRAM', { daemon: 'FRR', program: 'vtysh', reason: 'gone' });
    soft.reconciler.want(wish('192.0.2.1'));
    await virtual.go(60_000);
    assert.ok(
      soft.calls.length >= 12 && soft.calls.length <= 18,
      `${soft.calls.length} attempts in a minute`,
    );
    const { state, problem } = soft.reconciler.report();
    assert.equal(state, 'failed');
    assert.equal(problem?.code, 'ROUTE_PROGRAM');
    assert.equal(soft.reconciler.report().unread, true, 'what it announced may stand');
    assert.equal(virtual.changes, 1);
    soft.fault = undefined;
    soft.reconciler.want(wish('192.0.2.2'));
    await virtual.go(1);
    assert.equal(soft.reconciler.report().problem, null);
    assert.equal(soft.reconciler.report().unread, false);
    assert.deepEqual(soft.there, ['192.0.2.2']);
  });

  test('hastens when something has happened', async () => {
    const virtual = new Virtual();
    const { reconciler, calls } = software(virtual);
    reconciler.want(wish('192.0.2.1'));
    await virtual.go(10);
    reconciler.hasten(50);
    reconciler.hasten(1_000);
    await virtual.go(60);
    assert.equal(calls.length, 2);
  });

  test('keeps since when a route stands as it does', async () => {
    const virtual = new Virtual();
    const { reconciler } = software(virtual);
    reconciler.want(wish('192.0.2.1'));
    await virtual.go(100);
    reconciler.want(wish('192.0.2.1', '192.0.2.2'));
    await virtual.go(100);
    assert.deepEqual(
      reconciler.report().routes.map(({ since }) => since),
      [0, 100],
    );
  });

  test('withdraws at the end and leaves no timer', async () => {
    const virtual = new Virtual();
    const soft = software(virtual, { take: 50 });
    soft.reconciler.want(wish('192.0.2.1'));
    await virtual.go(1_000);
    let finished = false;
    const closed = soft.reconciler.close(1_000, () => {
      finished = true;
    });
    soft.reconciler.want(wish('192.0.2.9'));
    await virtual.go(200);
    await closed;
    assert.ok(finished);
    assert.deepEqual(soft.there, []);
    assert.equal(virtual.waiting, 0);
    await virtual.go(60_000);
    assert.deepEqual(soft.calls.at(-1), []);
  });

  test('does not wait for software that hangs longer than it may', async () => {
    const virtual = new Virtual();
    const soft = software(virtual, { take: 1_000_000 });
    soft.reconciler.want(wish('192.0.2.1'));
    await virtual.go(10);
    let over = false;
    void soft.reconciler
      .close(500, () => {})
      .then(() => {
        over = true;
      });
    await virtual.go(499);
    assert.equal(over, false);
    await virtual.go(2);
    assert.equal(over, true);
  });
});
