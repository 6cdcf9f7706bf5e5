/** The contract of a balancing policy: each policy's test runs it in one line. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import type { Candidates, Policy, PolicyFactory, Question, RandomInt } from '#balance/policy.ts';

/** What a test says of one backend; what it leaves out is fit, weight 1, idle, of unknown latency and unbounded. */
export type BackendFacts = {
  fit?: boolean;
  weight?: number;
  outstanding?: number;
  latency?: number;
  capacity?: number;
  name?: string;
};

/** Candidates over an array that the test may change between picks. */
export function candidatesOf(facts: readonly BackendFacts[]): Candidates {
  return {
    size: facts.length,
    fit: index => facts[index]?.fit ?? true,
    weight: index => facts[index]?.weight ?? 1,
    outstanding: index => facts[index]?.outstanding ?? 0,
    latency: index => facts[index]?.latency ?? 0,
    capacity: index => facts[index]?.capacity ?? Infinity,
    name: index => facts[index]?.name ?? `backend-${index}`,
  };
}

/** Seeded random integers (mulberry32): the same in every run. */
export function seededRandom(seed: number): RandomInt {
  let state = seed | 0;
  return bound => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * bound);
  };
}

/** Questions with random hashes: one object, reused, as on the packet path. */
export function questions(random: RandomInt): () => Question {
  const question = { nameHash: 0, clientHash: 0 };
  return () => {
    question.nameHash = random(2 ** 32);
    question.clientHash = random(2 ** 32);
    return question;
  };
}

/** How often each backend is picked in `picks` picks of different questions. */
export function tally(policy: Policy, size: number, picks: number, seed = 1): number[] {
  const next = questions(seededRandom(seed));
  const counts = Array<number>(size).fill(0);
  for (let turn = 0; turn < picks; turn++) counts[policy.pick(next())]!++;
  return counts;
}

/**
 * Fails when `counts` stray from the shares of `weights` further than chance explains: chi-square over its mean by
 * more than six standard deviations. With a seeded random this is decided once and for all, never flaky.
 */
export function assertFollows(counts: readonly number[], weights: readonly number[]): void {
  const picks = counts.reduce((sum, count) => sum + count, 0);
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const chi = counts.reduce((sum, count, index) => {
    const expected = (picks * weights[index]!) / total;
    return sum + (count - expected) ** 2 / expected;
  }, 0);
  const freedom = counts.length - 1;
  assert.ok(
    chi < freedom + 6 * Math.sqrt(2 * freedom),
    `shares ${counts} do not follow ${weights}: χ² ${chi}`,
  );
}

const anyBackend = fc.record({
  fit: fc.boolean(),
  // A fit backend has a weight above 0; a policy must stay in bounds even if health says otherwise for a moment.
  weight: fc.oneof(fc.constant(0), fc.double({ min: 0.001, max: 1000, noNaN: true })),
  outstanding: fc.nat({ max: 10_000 }),
  latency: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 5_000_000 })),
  capacity: fc.oneof(fc.constant(Infinity), fc.integer({ min: 1, max: 10_000 })),
});
const anyPool = fc.array(anyBackend, { maxLength: 24 });
const anySeed = fc.integer();

/**
 * Registers the tests that every policy must pass. `byWeight`: an idle pool of equally fast backends is shared by
 * weight; leave it out for a policy whose order is not by weight.
 */
export function policyContract(
  name: string,
  factory: PolicyFactory,
  options: { byWeight?: boolean } = {},
): void {
  describe(`${name} keeps the contract`, () => {
    it('picks only what is fit, and −1 exactly when nothing is', () => {
      fc.assert(
        fc.property(anyPool, anySeed, (pool, seed) => {
          const random = seededRandom(seed);
          const policy = factory(candidatesOf(pool), random);
          const next = questions(random);
          const someFit = pool.some(backend => backend.fit);
          for (let turn = 0; turn < 20; turn++) {
            const index = policy.pick(next());
            if (someFit) assert.equal(pool[index]?.fit, true, `picked ${index}`);
            else assert.equal(index, -1);
          }
        }),
      );
    });

    it('picks the only one that is fit', () => {
      fc.assert(
        fc.property(
          anyPool.filter(pool => pool.length > 0),
          fc.nat(),
          anySeed,
          (pool, which, seed) => {
            const only = which % pool.length;
            const random = seededRandom(seed);
            const alone = pool.map((backend, index) => ({ ...backend, fit: index === only }));
            const policy = factory(candidatesOf(alone), random);
            const next = questions(random);
            for (let turn = 0; turn < 10; turn++) assert.equal(policy.pick(next()), only);
          },
        ),
      );
    });

    it('follows fitness that changes between picks', () => {
      fc.assert(
        fc.property(anyPool, fc.array(fc.nat(), { maxLength: 40 }), anySeed, (pool, flips, seed) => {
          const random = seededRandom(seed);
          const policy = factory(candidatesOf(pool), random);
          const next = questions(random);
          for (const flip of flips) {
            const backend = pool[flip % (pool.length || 1)];
            if (backend) backend.fit = !backend.fit;
            const index = policy.pick(next());
            assert.equal(index < 0 ? undefined : pool[index]?.fit, index < 0 ? undefined : true);
            assert.equal(index < 0, !pool.some(one => one.fit));
          }
        }),
      );
    });

    if (options.byWeight) {
      it('shares an idle pool of equally fast backends by weight', () => {
        for (const weights of [
          [1, 1, 1],
          [1, 2, 3, 4],
          [10, 1],
          [0.5, 0.25, 0.25, 1],
        ]) {
          const pool = weights.map(weight => ({ weight }));
          const policy = factory(candidatesOf(pool), seededRandom(7));
          assertFollows(tally(policy, pool.length, 20_000), weights);
        }
      });
    }
  });
}
