/** A front in a process of its own, for test/e2e/budget.test.ts: announces 192.0.2.53 as the member that it is given, until it is ended. */
import { randomInt } from 'node:crypto';
import { hostPrefix } from '#route/announcement.ts';
import { WithdrawalBudget } from '#route/withdrawal-budget.ts';

const address = '192.0.2.53';
const rules = { least: 1, farm: 'f', lease: 2000, whenAway: 'keep', window: 60_000, settle: 500 } as const;
const budget = new WithdrawalBudget(
  {
    rules: { ...rules, member: process.argv[2] ?? 'front' },
    etcd: ['http://127.0.0.1:2379'],
    timeout: 500,
    user: null,
    passwordFile: null,
    ca: null,
    cert: null,
    key: null,
  },
  {
    now: () => performance.now(),
    wall: () => Date.now(),
    random: bound => randomInt(bound),
    wait: (ms, then) => {
      const timer = setTimeout(then, ms);
      return () => clearTimeout(timer);
    },
    onNotice: () => {},
    onChange: () => {},
  },
);
budget.tell([
  {
    address,
    prefix: hostPrefix(address),
    state: 'up',
    since: 0,
    reason: 'well',
    wanted: null,
    via: [],
    drain: 'none',
    found: { verdict: 'well', since: 0, reason: 'well' },
    asks: false,
    budget: { verdict: 'free', detail: '' },
    heldUntil: null,
    changes: 0,
  },
]);
process.on('SIGTERM', () => void budget.close().then(() => process.exit(0)));
