import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { assertFollows, type BackendFacts, candidatesOf, seededRandom } from '#test/contract/policy.ts';
import { loadFactor, neverFullBelow, Rendezvous } from './rendezvous.ts';

const random = seededRandom(11);
const keys = Array.from({ length: 5000 }, () => random(2 ** 32));

function owners(pool: readonly BackendFacts[], of: readonly number[] = keys): number[] {
  const rendezvous = new Rendezvous(candidatesOf(pool));
  return of.map(key => rendezvous.owner(key));
}

const anyIdlePool = fc.array(fc.record({ weight: fc.double({ min: 0.1, max: 10, noNaN: true }) }), {
  minLength: 2,
  maxLength: 12,
});

it('gives a key the same owner in every instance and whatever the order of the backends', () => {
  fc.assert(
    fc.property(anyIdlePool, pool => {
      const named = pool.map((backend, index) => ({ ...backend, name: `ns${index}` }));
      const turned = named.toReversed();
      const some = keys.slice(0, 200);
      const straight = owners(named, some).map(index => named[index]!.name);
      const reversed = owners(turned, some).map(index => turned[index]!.name);
      assert.deepEqual(straight, reversed);
    }),
  );
});

it('moves only the keys of a backend that goes, and brings them home when it returns', () => {
  fc.assert(
    fc.property(anyIdlePool, fc.nat(), (pool, which) => {
      const gone = which % pool.length;
      const some = keys.slice(0, 300);
      const before = owners(pool, some);
      const after = owners(
        pool.map((backend, index) => ({ ...backend, fit: index !== gone })),
        some,
      );
      before.forEach((owner, at) => {
        if (owner === gone) assert.notEqual(after[at], gone);
        else assert.equal(after[at], owner);
      });
    }),
  );
});

it('moves keys only to a backend that gains weight', () => {
  fc.assert(
    fc.property(anyIdlePool, fc.nat(), (pool, which) => {
      const grown = which % pool.length;
      const some = keys.slice(0, 300);
      const before = owners(pool, some);
      const after = owners(
        pool.map((backend, index) => (index === grown ? { weight: backend.weight * 3 } : backend)),
        some,
      );
      before.forEach((owner, at) => {
        if (after[at] !== owner) assert.equal(after[at], grown);
      });
    }),
  );
});

it('spreads the keys of a backend that goes over the others by weight', () => {
  const weights = [3, 1, 2];
  const pool = weights.map(weight => ({ weight }));
  const orphans = keys.filter((_, at) => owners(pool)[0] !== undefined && owners(pool, [keys[at]!])[0] === 0);
  const heirs = owners([{ fit: false }, ...pool.slice(1)], orphans);
  const count = (index: number) => heirs.filter(heir => heir === index).length;
  assertFollows([count(1), count(2)], [1, 2]);
});

it('passes a key on when its owner is full, and no backend goes over the bound', () => {
  const pool = [{ outstanding: 0 }, { outstanding: 0 }, { outstanding: 0 }, { outstanding: 0 }];
  const rendezvous = new Rendezvous(candidatesOf(pool));
  for (let turn = 1; turn <= 1000; turn++) {
    const owner = rendezvous.owner(42);
    pool[owner]!.outstanding++;
    const bound = Math.max(neverFullBelow, Math.ceil((loadFactor * turn) / pool.length));
    assert.ok(pool[owner]!.outstanding <= bound, `${pool[owner]!.outstanding} of ${turn} in flight`);
  }
});

it('keeps a hot key at home while only a handful is in flight', () => {
  const pool = [{ outstanding: 0 }, { outstanding: 0 }, { outstanding: 0 }];
  const rendezvous = new Rendezvous(candidatesOf(pool));
  const home = rendezvous.owner(42);
  pool[home]!.outstanding = neverFullBelow - 1;
  assert.equal(rendezvous.owner(42), home);
  pool[home]!.outstanding = neverFullBelow * 10;
  assert.notEqual(rendezvous.owner(42), home);
});
