import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type CapabilitySets,
  type CapabilitySystem,
  capabilities,
  dropKeptCapabilities,
  hasCapability,
  keepCapabilities,
  keepNetAdmin,
  systemCapabilities,
} from './capabilities.ts';

const { CAP_NET_ADMIN, CAP_NET_BIND_SERVICE } = capabilities;
const admin = 1n << 12n;
const bind = 1n << 10n;

/** A thread whose change of user clears what the kernel clears (capabilities(7), "Effect of user ID changes"). */
function thread(start: CapabilitySets) {
  let sets = start;
  let keeps = false;
  const system: CapabilitySystem = {
    read: () => sets,
    write(wanted) {
      if (wanted.permitted & ~sets.permitted || wanted.effective & ~wanted.permitted)
        throw new Error('EPERM');
      sets = wanted;
    },
    keepAcrossUsers(keep) {
      keeps = keep;
    },
    setAmbient() {},
  };
  const change = () => {
    sets = { ...sets, effective: 0n, permitted: keeps ? sets.permitted : 0n };
  };
  return { system, change, sets: () => sets, keeps: () => keeps };
}

const root = { effective: (1n << 41n) - 1n, permitted: (1n << 41n) - 1n, inheritable: 0n };

test('what is kept is kept, the rest goes', () => {
  const one = thread(root);
  keepCapabilities([CAP_NET_ADMIN], one.change, one.system);
  assert.deepEqual(one.sets(), { effective: admin, permitted: admin, inheritable: 0n });
  assert.equal(one.keeps(), false);
  assert.equal(hasCapability(CAP_NET_ADMIN, one.system), true);
  assert.equal(hasCapability(CAP_NET_BIND_SERVICE, one.system), false);
});

test('what is not there cannot be kept', () => {
  const container = { effective: bind, permitted: bind, inheritable: 0n };
  const one = thread(container);
  assert.throws(() => keepCapabilities([CAP_NET_ADMIN], one.change, one.system), /not there/);
  assert.deepEqual(one.sets(), container);
  keepNetAdmin(one.change, one.system);
  assert.deepEqual(one.sets(), { effective: 0n, permitted: 0n, inheritable: 0n });
});

test('a change of user that fails leaves no trace', () => {
  const one = thread(root);
  const fails = () => {
    throw new Error('no');
  };
  assert.throws(() => keepCapabilities([CAP_NET_ADMIN], fails, one.system), /no/);
  assert.equal(one.keeps(), false);
});

test('threads drop what was kept, not what the service manager gave', () => {
  const given = { effective: admin | bind, permitted: admin | bind, inheritable: bind };
  const one = thread(given);
  dropKeptCapabilities(65534, one.system);
  assert.deepEqual(one.sets(), { effective: bind, permitted: bind, inheritable: bind });
  const two = thread(root);
  dropKeptCapabilities(0, two.system);
  assert.deepEqual(two.sets(), root);
});

test('this thread can be asked', { skip: process.platform !== 'linux' && 'needs Linux' }, () => {
  const { effective, permitted } = systemCapabilities().read();
  assert.equal(effective & ~permitted, 0n);
  // A user other than root may have some; root of a container may lack some: no more is known here.
  assert.equal(typeof hasCapability(CAP_NET_ADMIN), 'boolean');
});
