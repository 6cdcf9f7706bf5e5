import assert from 'node:assert/strict';
import { test } from 'node:test';
import { nameOf } from './load.ts';
import { Account } from './load-account.ts';

test('counts answers, failures and what is lost', () => {
  const account = new Account(3000);
  const ids = [0, 1, 2, 3].map(id => account.asked(id, 1000));
  assert.deepEqual(ids, [0, 1, 2, 3]);
  account.answered(0, true, 1010);
  account.answered(1, false, 1020);
  account.answered(1, true, 1030);
  account.answered(9, true, 1030);
  account.expire(3999);
  assert.equal(account.view(4000).lost, 0);
  account.expire(4000);
  const { asked, answered, failed, lost, p50, p99 } = account.view(4000);
  assert.deepEqual(
    { asked, answered, failed, lost, p50, p99 },
    { asked: 4, answered: 1, failed: 1, lost: 2, p50: 10, p99: 20 },
  );
});

test('gives each waiting query an id of its own', () => {
  const account = new Account(3000);
  assert.equal(account.asked(65_535, 0), 65_535);
  assert.equal(account.asked(65_535, 0), 0);
  for (let i = 1; i < 65_535; i++) assert.equal(account.asked(i, 0), i);
  assert.equal(account.asked(5, 0), null);
});

test('figures are of the last ten seconds', () => {
  const account = new Account(3000);
  account.asked(1, 0);
  account.answered(1, true, 100);
  account.asked(2, 20_000);
  account.answered(2, true, 20_004);
  const { p50, perSecond } = account.view(20_010);
  assert.deepEqual([p50, perSecond], [4, 0.1]);
  assert.deepEqual([account.view(40_000).p50, account.view(40_000).perSecond], [null, 0]);
});

test('half of the names are popular, the others new', () => {
  const names = Array.from({ length: 100 }, (_, number) => nameOf(number, 'r1'));
  assert.equal(new Set(names).size, 58);
  assert.equal(names[1], 'r1-1.wild.lab.internal');
});
