import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { isolate } from '#test/support/isolate.ts';
import { poll } from '#test/support/poll.ts';
import { must } from '#test/support/process.ts';
import { requires } from '#test/support/requires.ts';
import { errnos } from './libc.ts';
import { type AddressKernel, NetlinkError, openNetlink } from './netlink.ts';
import { forever, linkFlags } from './rtnetlink.ts';

const refusal = (errno: number, words: RegExp) => (thrown: unknown) =>
  thrown instanceof NetlinkError && thrown.errno === errno && words.test(thrown.message);

describe('the kernel of a namespace', requires('root', 'ip', 'unshare', 'setpriv'), () => {
  let kernel: AddressKernel;
  let link: number;
  before(async () => {
    await isolate();
    kernel = openNetlink();
    kernel.createLink('chorus0', 'bridge');
    link = kernel.link('chorus0')!.index;
  });

  test('an interface is made, up, and not twice', () => {
    const made = kernel.link('chorus0')!;
    assert.equal(made.kind, 'bridge');
    assert.ok(made.flags & linkFlags.UP);
    assert.equal(kernel.link('nothing'), null);
    assert.throws(() => kernel.createLink('chorus0', 'bridge'), refusal(errnos.EEXIST, /chorus0/));
    assert.throws(() => kernel.createLink('x0', 'no-such-kind'), refusal(errnos.EOPNOTSUPP, /device type/));
  });

  for (const [address, bits] of [
    ['192.0.2.53', 32],
    ['2001:db8::53', 128],
  ] as const) {
    test(`${address} is leased beside a permanent copy, renewed and deleted`, () => {
      const lease = { address, bits, link, lifetime: 600, protocol: 77 };
      // What is left of a lifetime, in minutes: a second may pass between two looks.
      const copies = () =>
        kernel
          .addresses()
          .filter(found => found.address === address)
          .map(({ link, valid }) => [link, valid === forever ? forever : Math.round(valid / 60)])
          .sort();
      kernel.setAddress({ ...lease, link: 1, lifetime: forever });
      kernel.setAddress({ ...lease, lifetime: 300 });
      kernel.setAddress(lease);
      assert.deepEqual(copies(), [
        [1, forever],
        [link, 10],
      ]);
      assert.equal(kernel.deleteAddress(lease), true);
      assert.equal(kernel.deleteAddress(lease), false);
      assert.deepEqual(copies(), [[1, forever]]);
    });
  }

  test('packets to an address that no interface has are taken by a local route', async () => {
    const routes = ['192.0.2.99', '2001:db8::99'].map(address => ({ address, protocol: 77 }));
    for (const route of routes) {
      kernel.addLocalRoute(route);
      kernel.addLocalRoute(route);
    }
    assert.deepEqual(kernel.localRoutes(77), routes);
    assert.deepEqual(kernel.localRoutes(78), []);
    for (const { address } of routes) {
      const bits = address.includes(':') ? 128 : 32;
      const lease = { address, bits, link, lifetime: 60, protocol: 77 };
      // An address beside it comes and goes without taking the route along.
      kernel.setAddress(lease);
      kernel.deleteAddress(lease);
      assert.match(await must('ip', ['route', 'get', address]), /^local /);
    }
    assert.deepEqual(kernel.localRoutes(77), routes);
    for (const route of routes)
      assert.deepEqual(
        [1, 2].map(() => kernel.deleteLocalRoute(route)),
        [true, false],
      );
    assert.deepEqual(kernel.localRoutes(77), []);
  });

  test('what the kernel refuses is told in its words', () => {
    const lease = { address: '192.0.2.1', bits: 32, link, lifetime: 2, protocol: 0 };
    assert.throws(() => kernel.setAddress({ ...lease, bits: 33 }), refusal(errnos.EINVAL, /prefix length/));
    assert.throws(() => kernel.setAddress({ ...lease, link: 999 }), refusal(errnos.ENODEV, /192\.0\.2\.1/));
    assert.equal(kernel.deleteAddress({ ...lease, link: 999 }), false);
  });

  test('changes of others are heard of, our own are not', async () => {
    // The bridge gives itself a link-local address a second after it was made.
    await poll(
      'silence',
      () => kernel.changed() === false && kernel.addresses().every(a => !(a.flags & 0x40)),
    );
    while (kernel.changed());
    const lease = { address: '192.0.2.7', bits: 32, link, lifetime: 60, protocol: 0 };
    kernel.setAddress(lease);
    kernel.setAddress(lease);
    assert.equal(kernel.changed(), false);
    await must('ip', ['address', 'del', '192.0.2.7/32', 'dev', 'chorus0']);
    assert.equal(kernel.changed(), true);
    assert.equal(kernel.changed(), false);
    await must('ip', ['link', 'set', 'chorus0', 'down']);
    assert.equal(kernel.changed(), true);
    kernel.linkUp(link);
  });

  test('so many changes that some are lost count as changes', () => {
    const lease = { address: '192.0.2.8', bits: 32, link, lifetime: 60, protocol: 0 };
    for (let i = 0; i < 3000; i++) kernel.setAddress({ ...lease, lifetime: 60 + (i % 7) });
    assert.equal(kernel.changed(), true);
    assert.equal(kernel.changed(), false);
  });
});
