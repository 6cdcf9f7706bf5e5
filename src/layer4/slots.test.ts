import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { type SlotMember, slotCount, slotTable } from './slots.ts';

const members = fc.uniqueArray(
  fc.record({
    name: fc.string({ minLength: 1, maxLength: 12 }),
    weight: fc.nat(20),
    serves: fc.boolean(),
  }),
  { selector: ({ name }) => name, minLength: 1, maxLength: 12 },
);
const shares = (table: Int32Array, of: number) => {
  const counts = new Array<number>(of).fill(0);
  for (const owner of table) if (owner >= 0) counts[owner]! += 1;
  return counts;
};

test('every slot belongs to one that serves; weight 0 gets none', () => {
  fc.assert(
    fc.property(members, list => {
      const table = slotTable(list, slotCount(list));
      const able = list.some(({ weight, serves }) => serves && weight > 0);
      for (const owner of table) {
        if (!able) assert.equal(owner, -1);
        else assert.ok(list[owner]!.serves && list[owner]!.weight > 0);
      }
    }),
  );
});

test('shares are wrong by 1% at most while all serve', () => {
  fc.assert(
    fc.property(members, given => {
      const list = given.map(member => ({ ...member, weight: member.weight + 1, serves: true }));
      const count = slotCount(list);
      const sum = list.reduce((all, { weight }) => all + weight, 0);
      for (const [index, slots] of shares(slotTable(list, count), list.length).entries())
        assert.ok(Math.abs(slots / count - list[index]!.weight / sum) <= 0.01);
    }),
  );
});

test('one that goes moves no slot but its own, and gets its own back', () => {
  fc.assert(
    fc.property(members, fc.nat(), (list, pick) => {
      const which = pick % list.length;
      const as = (serves: boolean): SlotMember[] =>
        list.map((member, index) => (index === which ? { ...member, serves } : member));
      const count = slotCount(list);
      const [here, gone] = [slotTable(as(true), count), slotTable(as(false), count)];
      const others = list.some((member, index) => index !== which && member.serves && member.weight > 0);
      if (others) {
        // Slots of others that were down may find other stand-ins; those of backends that serve do not move.
        const full = slotTable(
          list.map(member => ({ ...member, serves: true })),
          count,
        );
        for (let slot = 0; slot < count; slot++) {
          const owner = full[slot]!;
          if (owner >= 0 && owner !== which && list[owner]!.serves) assert.equal(gone[slot], owner);
        }
      }
      assert.deepEqual(slotTable(as(true), count), here);
    }),
  );
});

test('what one leaves is shared out by weight', () => {
  const list = ['a', 'b', 'c', 'd'].map(name => ({
    name,
    weight: name === 'b' ? 2 : 1,
    serves: name !== 'd',
  }));
  const count = 1021;
  const counts = shares(slotTable(list, count), 4);
  assert.ok(Math.abs(counts[0]! / count - 0.25) < 0.01);
  assert.ok(Math.abs(counts[1]! / count - 0.5) < 0.01);
  assert.equal(counts[3], 0);
});

test('the order of the file does not matter', () => {
  const list = ['kai', 'ida', 'ann'].map(name => ({ name, weight: 1, serves: true }));
  const named = (these: typeof list) => [...slotTable(these, 251)].map(index => these[index]!.name);
  assert.deepEqual(named(list), named(list.toReversed()));
});

test('the number of slots is prime and enough', () => {
  const of = (...weights: number[]) =>
    slotCount(weights.map((weight, i) => ({ name: `${i}`, weight, serves: true })));
  assert.equal(of(), 251);
  assert.equal(of(1, 1), 251);
  assert.equal(of(1, 1, 1), 509);
  assert.equal(of(1, 9), 1021);
  assert.equal(of(1, 10_000), 65_521);
});
