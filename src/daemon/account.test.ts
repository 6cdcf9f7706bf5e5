import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChorusError } from '#kit/errors.ts';
import { must, run } from '#test/support/process.ts';
import { requires } from '#test/support/requires.ts';
import { type Account, become, resolveAccount } from './account.ts';

const databases = {
  passwd: ['chorus:x:120:130::/nonexistent:/usr/sbin/nologin', 'broken:x::'],
  group: ['dns:x:140:chorus', 'chorus:x:130:'],
};
const lookup = (database: 'passwd' | 'group', key: string) =>
  databases[database].find(line => line.split(':')[/^\d+$/.test(key) ? 2 : 0] === key) ?? null;
const unknown = (error: unknown) => error instanceof ChorusError && error.code === 'USER_UNKNOWN';

test('accounts by name and by number', () => {
  const account: Account = { user: 'chorus', uid: 120, gid: 130 };
  assert.deepEqual(resolveAccount('chorus', undefined, lookup), account);
  assert.deepEqual(resolveAccount('120', undefined, lookup), account);
  assert.deepEqual(resolveAccount('chorus', 'dns', lookup), { ...account, gid: 140 });
  assert.deepEqual(resolveAccount('chorus', '140', lookup), { ...account, gid: 140 });
  assert.deepEqual(resolveAccount('65000', '65001', lookup), { user: '65000', uid: 65000, gid: 65001 });
  assert.equal(resolveAccount(undefined, undefined, lookup), null);
});

test('accounts that cannot be found', () => {
  const wrong: [string | undefined, string | undefined][] = [
    ['nobody-here', undefined],
    ['chorus', 'no-such-group'],
    ['65000', undefined],
    [undefined, 'dns'],
    ['broken', undefined],
  ];
  for (const [user, group] of wrong) assert.throws(() => resolveAccount(user, group, lookup), unknown);
});

test('this system knows root', () => {
  assert.deepEqual(resolveAccount('root', undefined), { user: 'root', uid: 0, gid: 0 });
  assert.throws(() => resolveAccount('no-such-user-here', undefined), unknown);
});

/** An identity that keeps what it was told. */
function fake(start: number, obeys = true) {
  const calls: string[] = [];
  let uid = start;
  const identity = {
    geteuid: () => uid,
    initgroups: (user: string, gid: number) => void calls.push(`initgroups ${user} ${gid}`),
    setgroups: (groups: readonly (string | number)[]) => void calls.push(`setgroups ${groups}`),
    setgid: (gid: string | number) => void calls.push(`setgid ${gid}`),
    setuid(id: string | number) {
      calls.push(`setuid ${id}`);
      if (obeys) uid = Number(id);
    },
  };
  return { calls, identity };
}

test('groups go before the user, or they could not be changed', () => {
  const named = fake(0);
  assert.equal(become({ user: 'chorus', uid: 120, gid: 130 }, named.identity), true);
  assert.deepEqual(named.calls, ['initgroups chorus 130', 'setgid 130', 'setuid 120']);
  const numbered = fake(0);
  become({ user: '65000', uid: 65000, gid: 65001 }, numbered.identity);
  assert.deepEqual(numbered.calls, ['setgroups 65001', 'setgid 65001', 'setuid 65000']);
});

test('only root becomes another user, and it must take effect', () => {
  const other = fake(1000);
  assert.equal(become({ user: 'chorus', uid: 120, gid: 130 }, other.identity), false);
  assert.deepEqual(other.calls, []);
  assert.throws(() => become({ user: 'chorus', uid: 120, gid: 130 }, fake(0, false).identity), unknown);
});

test('with `keep` the change of user alone runs in it', () => {
  const { calls, identity } = fake(0);
  become({ user: '65000', uid: 65000, gid: 65001 }, identity, change => {
    calls.push('keep');
    change();
    calls.push('kept');
  });
  assert.deepEqual(calls, ['setgroups 65001', 'setgid 65001', 'keep', 'setuid 65000', 'kept']);
  const broken = () => {
    throw new Error('Operation not permitted');
  };
  assert.throws(() => become({ user: '65000', uid: 65000, gid: 65001 }, fake(0).identity, broken), unknown);
});

test('CAP_NET_ADMIN stays with the main thread alone', requires('root', 'unshare', 'setpriv'), async t => {
  if ((await run('setpriv', ['--reuid', '65534', '--clear-groups', 'true'])).code !== 0) {
    t.skip('this root cannot become nobody (a user namespace)');
    return;
  }
  const program = new URL('../../test/support/account-program.ts', import.meta.url).pathname;
  const told: unknown = JSON.parse(await must('unshare', ['--net', process.execPath, program]));
  assert.deepEqual(told, {
    changed: true,
    has: true,
    binds: false,
    threads: ['0', 'main 1000'],
    made: 'bridge',
    child: '0',
    lent: '1000',
    childAfter: '0',
    // A thread that the main thread makes later has what it has, until it drops it.
    keepsInThread: '1000',
    shedsInThread: '0',
    stillHas: true,
  });
});
