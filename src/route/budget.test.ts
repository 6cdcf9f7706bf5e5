import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { address, type Chances, SimFarm, Store } from '#test/sim/budget.ts';
import { BudgetMachine } from './budget.ts';
import { entryOf, keyOf, valueFor } from './budget-keys.ts';
import type { Txn } from './etcd-messages.ts';

const swift: Chances = { delay: [1, 3], lost: 0 };
const states = (farm: SimFarm) => farm.fronts.map(({ state }) => state).join(' ');
const verdicts = (farm: SimFarm) => farm.fronts.map(({ view }) => view.verdict).join(' ');

function settled(count: number, options: { seed?: number; chances?: Chances; rules?: object } = {}): SimFarm {
  const farm = new SimFarm(options.seed ?? 1, options.chances ?? swift, options.rules ?? {});
  for (let i = 1; i <= count; i++) farm.add(`fr${i}`);
  farm.run(6000);
  return farm;
}

describe('the withdrawal budget', () => {
  test('lets one of two withdraw, in one round trip', () => {
    const farm = settled(2);
    const asked = farm.now;
    farm.fronts[0]!.health('down');
    farm.run(50);
    assert.equal(states(farm), 'down up');
    assert.ok(farm.fronts[0]!.history.at(-1)!.at - asked <= 6);
  });

  test('keeps the last one announced as degraded, and says so', () => {
    const farm = settled(2);
    farm.fronts[0]!.health('down');
    farm.run(100_000);
    farm.fronts[1]!.health('down');
    farm.run(30_000);
    assert.equal(states(farm), 'down degraded');
    assert.equal(verdicts(farm), 'granted denied');
    assert.ok(
      farm.fronts[1]!.notices.some(
        ({ level, message }) => level === 'error' && message === 'a service address may not be withdrawn',
      ),
    );
    farm.fronts[0]!.health('well');
    farm.run(1000);
    assert.equal(states(farm), 'up down', 'the other may go once this one is back');
  });

  test('knows a lone front for the last one', () => {
    const farm = settled(1);
    farm.fronts[0]!.health('down');
    farm.run(20_000);
    assert.equal(states(farm), 'degraded');
    assert.match(farm.fronts[0]!.view.detail, /last/);
  });

  test('two that ask at the same moment: one goes', () => {
    for (let seed = 1; seed <= 50; seed++) {
      const farm = settled(2, { seed });
      farm.fronts[0]!.health('down');
      farm.fronts[1]!.health('down');
      let most = 2;
      for (let i = 0; i < 100; i++) {
        farm.run(1);
        most = Math.min(most, farm.fronts.filter(({ announced }) => announced).length);
      }
      assert.equal(most, 1);
    }
  });

  test('everybody: who had withdrawn comes back degraded, and nobody goes', () => {
    const farm = settled(3);
    for (const front of farm.fronts) {
      front.health('down');
      farm.run(2000);
    }
    farm.run(1000);
    assert.equal(states(farm), 'degraded degraded degraded');
    assert.equal(verdicts(farm), 'everybody everybody everybody');
    farm.run(600_000);
    assert.equal(states(farm), 'degraded degraded degraded', 'for as long as it lasts');
  });

  test('everybody ends cleanly: the well one announces, then the sick ones go, once', () => {
    const farm = settled(3);
    for (const front of farm.fronts) front.health('down');
    farm.run(5000);
    assert.equal(verdicts(farm), 'everybody everybody everybody');
    const changes = farm.fronts.map(({ history }) => history.length);
    farm.fronts[0]!.health('well');
    farm.run(9000);
    assert.equal(states(farm), 'up degraded degraded', 'not before it has been well for a while');
    // It fails once more: nothing moves.
    farm.fronts[0]!.health('down');
    farm.run(30_000);
    assert.equal(verdicts(farm), 'everybody everybody everybody');
    farm.fronts[0]!.health('well');
    farm.run(9000);
    assert.equal(states(farm), 'up degraded degraded', 'the while begins anew');
    farm.run(11_000);
    assert.equal(states(farm), 'up down down');
    assert.deepEqual(
      farm.fronts.slice(1).map(({ history }, i) => history.length - changes[i + 1]!),
      [1, 1],
    );
  });

  test('everybody is nothing that one front alone can say', () => {
    const farm = settled(2);
    farm.fronts[1]!.drain(true);
    farm.run(100);
    farm.fronts[0]!.health('down');
    farm.run(5000);
    assert.equal(verdicts(farm).split(' ')[0], 'denied');
    assert.equal(states(farm), 'degraded draining');
  });

  test('a front that was started anew while everybody is down joins', () => {
    const farm = settled(3);
    for (const front of farm.fronts) front.health('down');
    farm.run(300_000);
    farm.fronts[2]!.kill();
    farm.run(10_000);
    const again = farm.add('fr3', 'unknown');
    again.health('down');
    farm.run(10_000);
    assert.equal(again.view.verdict, 'everybody');
    assert.equal(again.state, 'degraded');
  });

  test('comes back degraded when those it counted on die, and goes again when they are back', () => {
    const farm = settled(2);
    farm.fronts[0]!.health('down');
    farm.run(1000);
    farm.fronts[1]!.kill();
    farm.run(4000);
    assert.equal(farm.fronts[0]!.state, 'down', 'its lease has not ended');
    farm.run(3000);
    assert.equal(farm.fronts[0]!.state, 'degraded');
    farm.add('fr2');
    farm.run(5000);
    assert.equal(states(farm), 'degraded up up');
    farm.run(15_000);
    assert.equal(farm.fronts[0]!.state, 'down');
  });

  test('does not count a front that is cut off, and that one does not go', () => {
    const farm = settled(2);
    farm.cut(farm.fronts[1]!, true);
    farm.run(7000);
    farm.fronts[0]!.health('down');
    farm.fronts[1]!.health('down');
    farm.run(20_000);
    assert.equal(states(farm), 'degraded degraded');
    assert.equal(verdicts(farm), 'denied away');
    farm.cut(farm.fronts[1]!, false);
    farm.fronts[1]!.health('well');
    farm.run(20_000);
    assert.equal(states(farm), 'down up');
  });

  test('etcd away: keep keeps, and what was allowed stays', () => {
    const farm = settled(3);
    farm.fronts[0]!.health('down');
    farm.run(1000);
    farm.etcd(false);
    farm.run(100);
    farm.fronts[1]!.health('down');
    farm.run(1000);
    assert.equal(farm.fronts[1]!.view.verdict, 'asking', 'it may only be a moment');
    farm.run(60_000);
    assert.equal(states(farm), 'down degraded up');
    assert.equal(verdicts(farm), 'granted away away');
    farm.etcd(true);
    farm.run(3000);
    assert.equal(states(farm), 'down down up');
  });

  test('etcd back: those that register late are not taken for gone', () => {
    const farm = settled(3);
    const [one, two, three] = farm.fronts;
    one!.health('down');
    two!.health('down');
    farm.run(1000);
    assert.equal(states(farm), 'down down up');
    farm.etcd(false);
    farm.run(20_000);
    farm.cut(three!, true);
    farm.etcd(true);
    farm.run(4000);
    farm.cut(three!, false);
    farm.run(60_000);
    assert.equal(states(farm), 'down down up');
    assert.ok(one!.history.every(({ state }) => state !== 'degraded'));
  });

  test('etcd away: withdraw withdraws, but not before its own lease has ended', () => {
    const farm = settled(2, { rules: { whenAway: 'withdraw' } });
    farm.etcd(false);
    farm.run(10);
    farm.fronts[0]!.health('down');
    farm.run(3000);
    assert.equal(states(farm), 'degraded up');
    farm.run(5000);
    assert.equal(states(farm), 'down up');
    assert.match(farm.fronts[0]!.view.detail, /rule is withdraw/);
    farm.fronts[1]!.health('down');
    farm.run(1000);
    assert.equal(states(farm), 'down down', 'that is what it means');
    farm.etcd(true);
    farm.run(20_000);
    assert.equal(states(farm), 'degraded degraded', 'and is set right when etcd is back');
  });

  test('one that was asleep asks before it goes, whatever the rule', () => {
    const farm = settled(2, { rules: { whenAway: 'withdraw' } });
    const [front, other] = farm.fronts;
    other!.health('down');
    farm.run(100);
    assert.equal(states(farm), 'up down');
    front!.stop(60_000);
    farm.run(1000);
    front!.found = 'down';
    farm.run(59_500);
    assert.notEqual(front!.state, 'down');
    farm.run(30_000);
    assert.equal(front!.state, 'degraded');
  });

  test('writes that etcd refuses for good are tried now and then, and then it is as if it were away', () => {
    const farm = settled(2);
    const { txn } = farm.store;
    let tries = 0;
    farm.store.txn = request => {
      tries++;
      throw request;
    };
    farm.fronts[0]!.health('down');
    farm.run(4000);
    assert.equal(farm.fronts[0]!.view.verdict, 'asking');
    farm.run(26_000);
    assert.equal(farm.fronts[0]!.view.verdict, 'away');
    assert.ok(tries > 10 && tries < 100, `${tries} tries`);
    farm.store.txn = txn;
    farm.run(5000);
    assert.equal(states(farm), 'down up');
  });

  test('two with one name: neither may go, and both say so; a former life is no other', () => {
    const farm = settled(2);
    const twin = farm.add('fr1');
    farm.run(2000);
    farm.fronts[0]!.health('down');
    twin.health('down');
    farm.run(15_000);
    assert.equal(farm.fronts[0]!.state, 'degraded');
    assert.equal(twin.state, 'degraded');
    assert.equal(twin.machine.status().problems[0]?.code, 'BUDGET_NAMESAKE');
    farm.fronts[1]!.health('down');
    farm.run(100);
    assert.equal(farm.fronts[1]!.state, 'degraded', 'nor does anybody count on them');
    farm.fronts[0]!.kill();
    farm.fronts[1]!.health('well');
    farm.run(20_000);
    assert.equal(twin.state, 'down');
    assert.deepEqual(twin.machine.status().problems, []);
  });

  test('a draining front does not count, and is warned', () => {
    const farm = settled(2);
    farm.fronts[0]!.health('down');
    farm.run(1000);
    farm.fronts[1]!.drain(true);
    farm.run(1000);
    assert.equal(states(farm), 'degraded draining', 'the one that is down on evidence comes back instead');
    assert.ok(farm.fronts[1]!.notices.some(({ message }) => message.startsWith('this drain leaves 0')));
  });

  test('keys of others, garbage and other protocols are not counted, and told', () => {
    const farm = settled(1);
    const { store } = farm;
    const place = { address, member: 'ghost', instance: 'ffffffffffffffff' };
    store.put(keyOf('f', place), '{"state":"up"}', '0');
    store.put(`/chorus/f/2/${address}/next/ffffffffffffffff`, 'whatever', '0');
    store.put('/chorus/f/\u0000\u001b[31m', '', '0');
    farm.tellWatches();
    farm.fronts[0]!.health('down');
    farm.run(20_000);
    assert.equal(states(farm), 'degraded');
    const [problem] = farm.fronts[0]!.machine.status().problems;
    assert.equal(problem?.code, 'BUDGET_FOREIGN');
    const told = farm.fronts[0]!.notices.filter(({ details }) => details.code === 'BUDGET_FOREIGN');
    assert.equal(told.length, 1, 'once');
    assert.equal(problem?.details.count, 3);
    assert.doesNotMatch(problem?.message ?? '', /\p{C}/u);
  });

  test('an address that is no longer served is taken out of etcd', () => {
    const farm = settled(2);
    farm.fronts[0]!.machine.announced([]);
    for (const { id, request } of farm.fronts[0]!.machine.step().ask)
      if (request.kind === 'write') {
        const reply = farm.store.txn(request.txn)!;
        farm.fronts[0]!.machine.replied(id, reply);
      }
    assert.equal(farm.store.rows.size, 1);
    assert.equal(farm.fronts[0]!.machine.view().size, 0);
  });

  test('agrees on each address by itself', () => {
    let now = 0;
    const store = new Store();
    const rules = settled(1).rules;
    const machines = ['fr1', 'fr2'].map((member, i) => {
      const world = { now: () => now, wall: () => now, random: () => 0, instance: `000000000000000${i}` };
      return new BudgetMachine({ ...rules, member }, world);
    });
    const addresses = ['192.0.2.53', '2001:db8::53'];
    const say = (machine: BudgetMachine, down: string) => {
      // Time for a new list; nobody watches here.
      now += 5000;
      machine.announced(
        addresses.map(address => {
          const asks = address === down;
          const found = asks ? 'down' : 'well';
          return { address, state: 'up', reason: '', found, since: 0, asks, there: true } as const;
        }),
      );
      for (let step = machine.step(); step.ask.length > 0; step = machine.step())
        for (const { id, request } of step.ask) {
          if (request.kind === 'grant')
            machine.replied(id, { kind: 'granted', lease: store.grant(5, 0), ttl: 5 });
          if (request.kind === 'renew') machine.replied(id, { kind: 'renewed', ttl: 5 });
          if (request.kind === 'write') machine.replied(id, store.txn(request.txn)!);
          if (request.kind === 'list') {
            const rows = store.below(request.prefix);
            machine.replied(id, { kind: 'listed', revision: store.revision, rows, more: false });
          }
        }
    };
    for (const machine of machines) say(machine, '');
    say(machines[0]!, '');
    say(machines[1]!, addresses[1]!);
    assert.equal(machines[1]!.view().get(addresses[1]!)?.verdict, 'granted');
    assert.equal(machines[1]!.view().get(addresses[0]!)?.verdict, 'asking');
    say(machines[0]!, addresses[0]!);
    assert.equal(machines[0]!.view().get(addresses[0]!)?.verdict, 'granted', 'the other has this one');
    say(machines[0]!, addresses[1]!);
    assert.equal(machines[0]!.view().get(addresses[1]!)?.verdict, 'everybody', 'and that one nobody has');
  });

  test('an orderly end is known at once', () => {
    const farm = settled(2);
    farm.fronts[0]!.close();
    farm.run(100);
    assert.deepEqual(
      farm.fronts[1]!.farmRows.map(({ member }) => member),
      ['fr2'],
    );
  });

  test('a store that was made anew is read anew', () => {
    const farm = settled(2);
    farm.store.wipe();
    farm.run(20_000);
    assert.equal(farm.store.rows.size, 2);
    farm.fronts[0]!.health('down');
    farm.run(1000);
    assert.equal(states(farm), 'down up');
  });

  test('a watch that tells of another store is not believed for ever', () => {
    const farm = settled(2);
    farm.store.rows.clear();
    farm.store.revision = 1;
    farm.run(20_000);
    farm.fronts[0]!.health('down');
    farm.run(1000);
    assert.equal(states(farm), 'down up');
  });

  test('a write that comes in late does not undo a permission', () => {
    const farm = settled(2);
    const [front] = farm.fronts;
    const { txn } = farm.store;
    const held: Txn[] = [];
    front!.health('down');
    farm.run(100);
    // The word that it is up again gets stuck on the way, twice.
    farm.store.txn = request => {
      if ('put' in request.change && held.length < 2 && entryOf(request.change.value)?.state === 'up') {
        held.push(request);
        return undefined;
      }
      return txn.call(farm.store, request);
    };
    front!.health('well');
    farm.run(400);
    assert.equal(states(farm), 'up up');
    front!.health('down');
    farm.run(1000);
    assert.equal(states(farm), 'down up');
    assert.ok(held.length > 0);
    for (const request of held) assert.notEqual(txn.call(farm.store, request)?.done, true);
    const row = [...farm.store.rows.values()].find(({ key }) => key.includes('/fr1/'));
    assert.equal(entryOf(row!.value)?.state, 'down');
    farm.fronts[1]!.health('down');
    farm.run(100);
    assert.notEqual(farm.fronts[1]!.state, 'down');
  });

  test('a clock that jumps moves no permission', () => {
    const farm = settled(2);
    farm.fronts[0]!.health('down');
    farm.run(1000);
    const place = { address, member: 'far', instance: 'ffffffffffffffff' };
    const entry = {
      state: 'up',
      found: 'well',
      since: 0,
      there: true,
      everybody: false,
      reason: '',
    } as const;
    farm.store.put(keyOf('f', place), valueFor(entry), '0');
    farm.tellWatches();
    farm.run(1000);
    assert.equal(states(farm), 'down up');
  });
});

describe('farms at random', () => {
  // What happens to a farm, each with the ms until the next.
  const event = (faults: boolean) =>
    fc.record({
      after: fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 10 }), fc.integer({ min: 0, max: 8000 })),
      front: fc.nat({ max: 4 }),
      what: fc.constantFrom(
        ...(['down', 'down', 'down', 'well', 'well'] as const),
        ...(faults
          ? (['kill', 'cut', 'heal', 'stop', 'etcd off', 'etcd on', 'drain', 'undrain'] as const)
          : []),
      ),
    });
  const scenario = (faults: boolean) =>
    fc.record({
      seed: fc.nat(),
      count: fc.integer({ min: 1, max: 5 }),
      least: fc.integer({ min: 1, max: 3 }),
      slow: fc.integer({ min: 1, max: 400 }),
      lost: fc.constantFrom(0, 0, 20, 200),
      late: fc.constantFrom(0, 50, 300),
      whenAway: fc.constantFrom('keep', 'keep', 'withdraw'),
      events: fc.array(event(faults), { minLength: 1, maxLength: 14 }),
    });

  test('while all can talk, no withdrawal on evidence leaves fewer than the budget', () => {
    fc.assert(
      fc.property(scenario(false), ({ seed, count, least, slow, lost, late, events }) => {
        const farm = settled(count, { seed, rules: { least, settle: 2000 } });
        farm.chances = { delay: [0, slow], lost, late };
        for (const front of farm.fronts) {
          front.onWithdraw = detail => {
            const left = farm.fronts.filter(other => other !== front && other.announced).length;
            assert.ok(left >= least, `${front.name} went and left ${left} (${detail})`);
          };
        }
        for (const { after, front, what } of events) {
          farm.fronts[front % count]!.health(what === 'well' ? 'well' : 'down');
          farm.run(after);
        }
        // In the end: nobody waits for ever, and nobody who may go stays.
        farm.chances = swift;
        farm.run(20_000);
        const well = farm.fronts.filter(({ found }) => found === 'well');
        for (const front of farm.fronts) {
          if (front.found === 'well') assert.equal(front.state, 'up');
          else {
            assert.notEqual(front.view.verdict, 'asking');
            if (well.length >= least) assert.equal(front.state, 'down', front.view.detail);
          }
        }
        assert.ok(
          farm.fronts.some(({ announced }) => announced),
          'the farm never goes dark',
        );
        const changes = farm.fronts.map(({ history }) => history.length);
        farm.run(20_000);
        assert.deepEqual(
          farm.fronts.map(({ history }) => history.length),
          changes,
          'it has come to rest',
        );
      }),
      { numRuns: Number(process.env.BUDGET_RUNS ?? 400), seed: 20, endOnFailure: false },
    );
  });

  test('with kills, cuts, drains and etcd away: a permission stands on keys that were there, and all ends well', () => {
    fc.assert(
      fc.property(scenario(true), ({ seed, count, least, slow, lost, late, whenAway, events }) => {
        const farm = settled(count, { seed, rules: { least, settle: 2000, whenAway } });
        farm.chances = { delay: [0, slow], lost, late };
        const { store } = farm;
        const { txn } = store;
        store.txn = request => {
          const reply = txn.call(store, request);
          if (reply?.done && 'put' in request.change && request.compare.length > 1) {
            const mine = request.change.put;
            const name = mine.split('/').at(-2);
            const left = [...store.rows.values()].filter(
              ({ key, value }) =>
                key.split('/').at(-2) !== name &&
                /"state":"(up|degraded)","found":"(well|unknown)"/.test(value),
            );
            assert.ok(left.length >= least);
          }
          return reply;
        };
        for (const { after, front: index, what } of events) {
          const front = farm.fronts[index % farm.fronts.length]!;
          if (what === 'kill') {
            if (front.alive) {
              front.kill();
              farm.add(front.name);
            }
          } else if (what === 'cut' || what === 'heal') farm.cut(front, what === 'cut');
          else if (what === 'etcd off' || what === 'etcd on') farm.etcd(what === 'etcd on');
          else if (what === 'stop') front.stop(farm.random(20_000));
          else if (what === 'drain' || what === 'undrain') front.drain(what === 'drain');
          else front.health(what);
          farm.run(after);
        }
        farm.chances = swift;
        farm.etcd(true);
        const living = farm.fronts.filter(({ alive }) => alive);
        for (const front of living) if (front.cut) farm.cut(front, false);
        farm.run(30_000);
        const serving = living.filter(({ drained }) => !drained);
        const well = serving.filter(({ found }) => found === 'well');
        for (const front of serving) {
          if (front.found === 'well') assert.equal(front.state, 'up');
          else {
            assert.notEqual(front.view.verdict, 'asking');
            if (well.length >= least) assert.equal(front.state, 'down', front.view.detail);
          }
        }
        if (serving.length > 0)
          assert.ok(
            serving.some(({ announced }) => announced),
            'the farm is not dark',
          );
      }),
      { numRuns: Number(process.env.BUDGET_RUNS ?? 250), seed: 21, endOnFailure: false },
    );
  });
});
