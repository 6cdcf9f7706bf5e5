import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { VirtualClock } from '#health/clock.ts';
import { budgetSection, budgetSettings } from './budget-options.ts';
import { type BudgetSettings, WithdrawalBudget } from './withdrawal-budget.ts';

const folder = mkdtempSync(join(tmpdir(), 'chorus-budget-'));
after(() => rmSync(folder, { recursive: true }));

function make(settings: BudgetSettings): WithdrawalBudget {
  const clock = new VirtualClock();
  return new WithdrawalBudget(settings, {
    now: () => clock.now(),
    wall: () => clock.wall(),
    wait: (ms, then) => clock.wait(ms, then),
    random: () => 0,
    onNotice: () => {},
    onChange: () => {},
  });
}

const plain = budgetSettings(budgetSection.parse({}), 'front-1.example');

describe('the settings of the withdrawal budget', () => {
  test('have defaults that need no tuning', () => {
    assert.deepEqual(plain, {
      rules: {
        least: 1,
        farm: 'chorus',
        member: 'front-1.example',
        lease: 5000,
        whenAway: 'keep',
        window: 60_000,
        settle: 10_000,
      },
      etcd: ['http://127.0.0.1:2379'],
      timeout: 1000,
      user: null,
      passwordFile: null,
      ca: null,
      cert: null,
      key: null,
    });
  });

  test('make a name of any identity', () => {
    const member = (identity: string) => budgetSettings(budgetSection.parse({}), identity).rules.member;
    assert.equal(member('site a/1'), 'site-a-1');
    assert.equal(member('.hidden'), '_hidden');
    assert.equal(member('é'), '_');
    assert.equal(member(''), 'front');
    assert.equal(member('x'.repeat(255)).length, 63);
  });

  test('want what belongs together', () => {
    const wrong = (options: object) => budgetSection.safeParse(options).error?.issues[0]?.path.join('.');
    assert.equal(wrong({ user: 'x' }), 'user');
    assert.equal(wrong({ 'password-file': '/x' }), 'password-file');
    assert.equal(wrong({ cert: '/x' }), 'cert');
    assert.equal(wrong({ key: '/x' }), 'key');
    assert.equal(wrong({ user: 'x', 'password-file': '/x', cert: '/x', key: '/x' }), undefined);
  });

  test('name a file that is not there, is too long, or is no PEM', () => {
    const missing = join(folder, 'missing');
    assert.throws(() => make({ ...plain, user: 'x', passwordFile: missing }), {
      code: 'ETCD_FILE',
      message: /missing/,
    });
    const long = join(folder, 'long');
    writeFileSync(long, Buffer.alloc(2 ** 20 + 1, 0x61));
    assert.throws(() => make({ ...plain, ca: long }), { code: 'ETCD_FILE', message: /1 MiB/ });
    const garbage = join(folder, 'garbage');
    writeFileSync(garbage, 'garbage');
    assert.throws(() => make({ ...plain, cert: garbage, key: garbage }), {
      code: 'ETCD_FILE',
      message: /garbage, .*garbage/,
    });
  });

  test('begin nothing by themselves, and close at once', async () => {
    const budget = make(plain);
    assert.equal(budget.views().size, 0);
    assert.equal(budget.status().state, 'connecting');
    await budget.close();
    budget.tell([]);
    assert.equal(budget.views().size, 0);
  });
});
