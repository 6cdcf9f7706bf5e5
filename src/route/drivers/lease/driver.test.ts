import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { errnos } from '#net/libc.ts';
import { type AddressKernel, NetlinkError } from '#net/netlink.ts';
import {
  type AddressRequest,
  forever,
  type KernelAddress,
  type KernelLink,
  type LocalRoute,
  linkFlags,
} from '#net/rtnetlink.ts';
import { type Announcement, type Grade, hostPrefix } from '../../announcement.ts';
import { bringAddresses } from './bring.ts';
import { LeaseDriver } from './driver.ts';
import { ourProtocol } from './leases.ts';
import { type LeaseOptions, leaseOptions } from './options.ts';

type Stored = AddressRequest & { readonly until: number; readonly flags: number };

/** A kernel in virtual time: addresses end when their lifetime is over. */
class FakeKernel implements AddressKernel {
  now = 0;
  stored: Stored[] = [];
  routes: LocalRoute[] = [];
  links = new Map<string, KernelLink>([
    ['lo', { index: 1, name: 'lo', flags: linkFlags.UP | linkFlags.RUNNING, kind: '' }],
  ]);
  /** Every call that changes something, and what it said. */
  log: string[] = [];
  refuse: (what: string) => number | undefined = () => undefined;
  stirred = true;
  open = 0;

  #check(what: string): void {
    const errno = this.refuse(what);
    if (errno !== undefined) throw new NetlinkError(what, errno, `errno ${errno}`, '');
    this.log.push(what);
  }
  addresses(): KernelAddress[] {
    this.stored = this.stored.filter(({ until }) => until > this.now);
    return this.stored.map(({ address, bits, link, protocol, until, flags }) => {
      const left = until === Infinity ? forever : Math.floor((until - this.now) / 1000);
      return { address, bits, link, protocol, flags, valid: left, preferred: left };
    });
  }
  link(name: string): KernelLink | null {
    return this.links.get(name) ?? null;
  }
  createLink(name: string, kind: string): void {
    this.#check(`create ${name}`);
    this.links.set(name, { index: this.links.size + 1, name, flags: linkFlags.UP | linkFlags.RUNNING, kind });
  }
  linkUp(index: number): void {
    this.#check(`up ${index}`);
  }
  setAddress(request: AddressRequest): void {
    const name = [...this.links.values()].find(({ index }) => index === request.link)?.name;
    const known = this.addresses().some(
      ({ address, link, bits }) =>
        address === request.address && link === request.link && bits === request.bits,
    );
    this.#check(`${known ? 'renew' : 'add'} ${request.address}/${request.bits} ${name}`);
    this.stored = this.stored.filter(
      ({ address, link, bits }) =>
        !(address === request.address && link === request.link && bits === request.bits),
    );
    const until = request.lifetime === forever ? Infinity : this.now + request.lifetime * 1000;
    this.stored.push({ ...request, until, flags: 2 });
  }
  deleteAddress({ address, bits, link }: Pick<AddressRequest, 'address' | 'bits' | 'link'>): boolean {
    this.#check(`delete ${address}/${bits}`);
    const before = this.stored.length;
    this.stored = this.stored.filter(
      each => !(each.address === address && each.link === link && each.bits === bits),
    );
    return this.stored.length < before;
  }
  localRoutes(): LocalRoute[] {
    return this.routes;
  }
  addLocalRoute(route: LocalRoute): void {
    if (this.routes.some(({ address }) => address === route.address)) return;
    this.#check(`route ${route.address}`);
    this.routes.push(route);
  }
  deleteLocalRoute({ address }: LocalRoute): boolean {
    this.#check(`unroute ${address}`);
    this.routes = this.routes.filter(route => route.address !== address);
    return true;
  }
  changed(): boolean {
    const was = this.stirred;
    this.stirred = false;
    return was;
  }
  close(): void {
    this.open--;
  }
}

const drivers: LeaseDriver[] = [];
// Drivers of one process know of each other.
afterEach(async () => {
  for (const driver of drivers.splice(0)) await driver.close(0, 'end of the test');
});

function start(raw: Record<string, unknown> = {}, kernel = new FakeKernel(), addresses?: string[]) {
  const options: LeaseOptions = leaseOptions.parse(raw);
  const notices: string[] = [];
  const told = { changes: 0 };
  const driver = new LeaseDriver(
    options,
    {
      name: 'lo',
      now: () => kernel.now,
      wait: () => assert.fail('it needs no timer'),
      random: () => 0,
      onNotice: (_level, message) => void notices.push(message),
      onChange: () => void told.changes++,
      ...(addresses && { addresses: () => addresses }),
    },
    () => {
      kernel.open++;
      return kernel;
    },
  );
  drivers.push(driver);
  /** Beats every 100 ms. */
  const run = (ms: number, beats = true) => {
    for (const end = kernel.now + ms; kernel.now < end; ) {
      kernel.now += 100;
      if (beats) driver.beat();
    }
  };
  const there = () =>
    kernel
      .addresses()
      .map(
        ({ address, link }) =>
          `${address} ${[...kernel.links.values()].find(({ index }) => index === link)?.name}`,
      )
      .sort();
  return { driver, kernel, notices, told, run, there };
}

function announce(address: string, grade: Grade = 'primary', bits?: number): Announcement {
  const prefix = bits === undefined ? hostPrefix(address) : { address: '192.0.2.0', bits };
  const attributes = { med: 0, localPreference: null, communities: [], largeCommunities: [], prepend: 0 };
  return { address, prefix, attributes, grade };
}

const v4 = '192.0.2.53';
const v6 = '2001:db8::53';

test('nothing is touched before something is wanted', () => {
  const { driver, kernel, run } = start();
  run(3000);
  assert.equal(kernel.open, 0);
  assert.equal(driver.report().state, 'idle');
});

test('addresses are leased, and renewed every quarter of their life by beats alone', () => {
  const { driver, kernel, run, there } = start();
  driver.want([announce(v4), announce(v6)]);
  assert.deepEqual(kernel.log, [
    `route ${v4}`,
    `route ${v6}`,
    'create chorus0',
    `add ${v4}/32 chorus0`,
    `add ${v6}/128 chorus0`,
  ]);
  assert.equal(driver.report().state, 'up');
  assert.deepEqual(
    driver.report().routes.map(({ prefix }) => prefix),
    [hostPrefix(v4), hostPrefix(v6)],
  );
  kernel.log = [];
  run(10_000);
  assert.deepEqual(there(), [`${v4} chorus0`, `${v6} chorus0`]);
  const renewals = kernel.log.filter(line => line === `renew ${v4}/32 chorus0`).length;
  assert.ok(renewals >= 19 && renewals <= 21, `${renewals} renewals in 10 s`);
  // Wanting the same renews nothing.
  kernel.log = [];
  for (let i = 0; i < 30; i++) {
    driver.want([announce(v6), announce(v4)]);
    kernel.now += 100;
  }
  assert.deepEqual(kernel.log, []);
  assert.deepEqual(there(), []);
});

test('a control loop that hangs loses its addresses; when it goes on they come back and it is told', () => {
  const { driver, run, there, notices } = start();
  driver.want([announce(v4)]);
  run(1000);
  run(2100, false);
  assert.deepEqual(there(), []);
  run(100);
  assert.deepEqual(there(), [`${v4} chorus0`]);
  assert.match(notices.join(), /gone/);
});

test('withdrawn at once; the permanent copy stays until the end', async () => {
  const { driver, kernel, there } = start();
  driver.want([announce(v4), announce(v6)]);
  driver.want([announce(v6)]);
  assert.deepEqual(there(), [`${v6} chorus0`]);
  assert.deepEqual(
    kernel.routes.map(({ address }) => address),
    [v4, v6],
  );
  kernel.log = [];
  await driver.close(1000, 'stop');
  assert.deepEqual(kernel.log, [`delete ${v6}/128`, `unroute ${v4}`, `unroute ${v6}`]);
  assert.equal(kernel.open, 0);
  driver.want([announce(v4)]);
  driver.beat();
  await driver.close(1000, 'again');
  assert.deepEqual(there(), []);
});

test('where the configuration is known, permanent copies are there from the start and go with their address', () => {
  const addresses = [v4, v6];
  const { driver, kernel, run } = start({}, new FakeKernel(), addresses);
  kernel.routes = [
    { address: '192.0.2.99', protocol: ourProtocol },
    { address: v4, protocol: ourProtocol },
  ];
  driver.want([]);
  assert.deepEqual(
    kernel.routes.map(({ address }) => address),
    [v4, v6],
  );
  assert.equal(driver.report().state, 'up');
  addresses.pop();
  run(2000);
  assert.deepEqual(
    kernel.routes.map(({ address }) => address),
    [v4],
  );
});

test('the copy on the loopback interface; one that is there already is not ours', async () => {
  const { driver, kernel, there } = start({ permanent: 'lo' });
  kernel.setAddress({ address: v4, bits: 32, link: 1, lifetime: forever, protocol: 0 });
  driver.want([announce(v4), announce(v6)]);
  assert.deepEqual(there(), [`${v4} chorus0`, `${v4} lo`, `${v6} chorus0`, `${v6} lo`]);
  await driver.close(1000, 'stop');
  assert.deepEqual(there(), [`${v4} lo`]);
  // One of a former run is ours.
  const next = start({ permanent: 'lo' }, kernel);
  assert.equal(bringAddresses({ permanent: 'lo' }, [v6], () => kernel).reason, null);
  next.driver.want([announce(v6)]);
  assert.deepEqual(there(), [`${v4} lo`, `${v6} chorus0`, `${v6} lo`]);
  await next.driver.close(1000, 'stop');
  assert.deepEqual(there(), [`${v4} lo`]);
});

test('grades move the address between interfaces: first away, then there', () => {
  const raw = { interfaces: { primary: 'chorus-a', backup: 'chorus-b' }, permanent: 'off' };
  const one = start(raw);
  one.driver.want([announce(v4, 'primary')]);
  one.kernel.log = [];
  one.driver.want([announce(v4, 'backup')]);
  assert.deepEqual(one.kernel.log, ['create chorus-b', `delete ${v4}/32`, `add ${v4}/32 chorus-b`]);
  one.driver.want([announce(v4, 'draining')]);
  assert.deepEqual(one.there(), [`${v4} chorus0`]);

  const two = start({ ...raw, overlap: 'on' });
  two.driver.want([announce(v4, 'primary')]);
  two.kernel.log = [];
  two.driver.want([announce(v4, 'backup')]);
  assert.deepEqual(two.kernel.log, ['create chorus-b', `add ${v4}/32 chorus-b`, `delete ${v4}/32`]);
});

test('markers are leased while a grade is announced', () => {
  const markers = { backup: ['192.0.2.251', '2001:db8::251'], draining: ['192.0.2.252'] };
  const { driver, there, run } = start({ markers });
  driver.want([announce(v4, 'backup'), announce(v6, 'primary')]);
  run(5000);
  const on = (...addresses: string[]) => addresses.map(address => `${address} chorus0`).sort();
  assert.deepEqual(there(), on(v4, v6, '192.0.2.251', '2001:db8::251'));
  driver.want([announce(v4, 'draining')]);
  assert.deepEqual(there(), on(v4, '192.0.2.252'));
  assert.deepEqual(
    driver.report().routes.map(({ prefix }) => prefix.address),
    [v4],
  );
  driver.want([]);
  assert.deepEqual(there(), []);
});

test('an address that somebody deletes is put back with the next beat', () => {
  const { driver, kernel, run, there, notices } = start();
  driver.want([announce(v4)]);
  run(300);
  kernel.stored = [];
  kernel.stirred = true;
  run(100);
  assert.deepEqual(there(), [`${v4} chorus0`]);
  assert.match(notices.join(), /gone/);
});

test('a permanent address of somebody else is left alone, and told', () => {
  const kernel = new FakeKernel();
  kernel.createLink('chorus0', 'bridge');
  kernel.setAddress({ address: v4, bits: 32, link: 2, lifetime: forever, protocol: 0 });
  const { driver, run } = start({}, kernel);
  driver.want([announce(v4), announce(v6)]);
  run(3000);
  const { state, problem, routes } = driver.report();
  assert.equal(state, 'failed');
  assert.equal(problem?.code, 'LEASE_FOREIGN_ADDRESS');
  assert.match(`${problem?.message} ${problem?.remedy}`, /192\.0\.2\.53\/32.*permanent.*adopt: on/);
  // The other address is served all the same.
  assert.deepEqual(
    routes.map(({ prefix }) => prefix.address),
    [v6],
  );
  assert.equal(kernel.addresses().find(({ address }) => address === v4)?.valid, forever);
  // It goes: the lease comes.
  kernel.stored = kernel.stored.filter(({ address }) => address !== v4);
  run(1100);
  assert.equal(driver.report().state, 'up');
});

test('with `adopt` it becomes a lease', () => {
  const kernel = new FakeKernel();
  kernel.createLink('chorus0', 'bridge');
  kernel.setAddress({ address: v4, bits: 32, link: 2, lifetime: forever, protocol: 0 });
  const { driver } = start({ adopt: 'on' }, kernel);
  driver.want([announce(v4)]);
  assert.equal(driver.report().state, 'up');
  assert.equal(kernel.addresses()[0]?.valid, 2);
});

test('what a former run left is taken over or taken away', () => {
  const kernel = new FakeKernel();
  kernel.createLink('chorus0', 'bridge');
  const left = (address: string) =>
    kernel.setAddress({ address, bits: 32, link: 2, lifetime: 100, protocol: ourProtocol });
  for (const address of [v4, '192.0.2.54', '192.0.2.60']) left(address);
  const { driver, run, there } = start({}, kernel, [v4, '192.0.2.54']);
  driver.want([announce(v4)]);
  // 192.0.2.60 is of another Chorus, or dies by itself.
  assert.deepEqual(there(), ['192.0.2.53 chorus0', '192.0.2.60 chorus0']);
  assert.equal(driver.report().state, 'up');
  run(200);
  assert.ok(kernel.addresses().find(({ address }) => address === v4)!.valid <= 2);
});

test('two drivers on one interface leave each other alone', () => {
  const kernel = new FakeKernel();
  const one = start({}, kernel);
  const two = start({}, kernel);
  one.driver.want([announce(v4)]);
  two.driver.want([announce(v6)]);
  for (let i = 0; i < 30; i++) {
    one.driver.beat();
    two.driver.beat();
    kernel.now += 100;
  }
  assert.deepEqual(one.there(), [`${v4} chorus0`, `${v6} chorus0`]);
});

test('a prefix is told as a connected one', () => {
  const { driver, kernel } = start({ permanent: 'off' });
  driver.want([announce(v4, 'primary', 24)]);
  assert.ok(kernel.log.includes(`add ${v4}/24 chorus0`));
  assert.match(driver.report().warnings.join(), /192\.0\.2\.0\/24 .*connected prefix/);
  assert.deepEqual(
    driver.report().routes.map(({ prefix }) => prefix),
    [{ address: '192.0.2.0', bits: 24 }],
  );
});

for (const [what, errno, code] of [
  ['add 192.0.2.53/32 chorus0', errnos.EPERM, 'LEASE_PERMISSION'],
  ['create chorus0', errnos.EPERM, 'LEASE_PERMISSION'],
  ['create chorus0', errnos.EOPNOTSUPP, 'LEASE_NO_INTERFACE'],
  ['add 2001:db8::53/128 chorus0', errnos.EACCES, 'LEASE_FAMILY_OFF'],
  ['add 192.0.2.53/32 chorus0', errnos.EINVAL, 'LEASE_REFUSED'],
] as const) {
  test(`refused: ${what} by ${errno}: ${code}, and it goes on trying`, () => {
    const { driver, kernel, run, told } = start({ permanent: 'off' });
    kernel.refuse = asked => (asked === what ? errno : undefined);
    driver.want([announce(v4), announce(v6)]);
    run(3000);
    const { state, problem } = driver.report();
    assert.equal(state, 'failed');
    assert.equal(problem?.code, code);
    assert.doesNotMatch(`${problem?.message} ${problem?.remedy}`, /\{\w+\}/);
    assert.ok(told.changes < 5, `${told.changes} changes told`);
    kernel.refuse = () => undefined;
    run(1100);
    assert.equal(driver.report().state, 'up');
    assert.equal(driver.report().problem, null);
  });
}

test('an interface that is missing or down, with `create: off`', () => {
  const { driver, kernel, run } = start({ create: 'off', interface: 'anycast0' });
  driver.want([announce(v4)]);
  assert.equal(driver.report().problem?.code, 'LEASE_NO_INTERFACE');
  assert.deepEqual(driver.report().routes, []);
  kernel.links.set('anycast0', { index: 7, name: 'anycast0', flags: 0, kind: 'dummy' });
  run(1100);
  assert.equal(driver.report().problem?.code, 'LEASE_INTERFACE_DOWN');
  kernel.links.set('anycast0', {
    index: 7,
    name: 'anycast0',
    flags: linkFlags.UP | linkFlags.RUNNING,
    kind: 'dummy',
  });
  run(1100);
  assert.equal(driver.report().state, 'up');
});

test('an address that an operator keeps on the loopback interface too is warned of: FRR would prefer it', () => {
  const kernel = new FakeKernel();
  const { driver, run } = start({}, kernel);
  kernel.setAddress({ address: v4, bits: 32, link: 1, lifetime: forever, protocol: 0 });
  driver.want([announce(v4)]);
  run(1100);
  assert.equal(driver.report().state, 'up');
  assert.match(driver.report().warnings.join(), /is on lo too/);
  kernel.deleteAddress({ address: v4, bits: 32, link: 1 });
  run(1100);
  assert.deepEqual(driver.report().warnings, []);
});

test('an interface without a carrier is warned of: it was not made here, or changed', () => {
  const kernel = new FakeKernel();
  kernel.links.set('chorus0', { index: 2, name: 'chorus0', flags: linkFlags.UP, kind: 'bridge' });
  const { driver, run } = start({}, kernel);
  driver.want([announce(v4)]);
  assert.equal(driver.report().state, 'up');
  assert.match(driver.report().warnings.join(), /chorus0 has no carrier/);
  kernel.links.set('chorus0', {
    index: 2,
    name: 'chorus0',
    flags: linkFlags.UP | linkFlags.RUNNING,
    kind: 'bridge',
  });
  run(1100);
  assert.deepEqual(driver.report().warnings, []);
});

test('listeners find their addresses before the first lease', () => {
  const kernel = new FakeKernel();
  assert.equal(bringAddresses({ permanent: 'route' }, [v4, v6], () => kernel).reason, null);
  assert.deepEqual(
    kernel.routes.map(({ address }) => address),
    [v4, v6],
  );
  assert.deepEqual(
    kernel.addresses().map(({ address, valid }) => [address, valid]),
    [[v6, 30]],
  );
  // With the first look of the driver the address is a lease, or nowhere.
  const { driver, there } = start({}, kernel, [v4, v6]);
  driver.want([announce(v4)]);
  assert.deepEqual(there(), [`${v4} chorus0`]);
  assert.equal(bringAddresses({ permanent: 'lo' }, [v4, v6], () => kernel).reason, null);
  assert.deepEqual(there(), [`${v4} chorus0`, `${v6} lo`]);
  kernel.refuse = () => errnos.EPERM;
  assert.match(
    bringAddresses({ permanent: 'route' }, ['192.0.2.9'], () => kernel).reason ?? '',
    /192\.0\.2\.9/,
  );
});

test('a lease that a process left that died is not relied on, and that of one that lives is', () => {
  const kernel = new FakeKernel();
  kernel.setAddress({ address: v6, bits: 128, link: 2, lifetime: 1, protocol: ourProtocol });
  const lifetimes = () => kernel.addresses().map(({ link, valid }) => [link, valid]);
  bringAddresses({ permanent: 'route' }, [v6], () => kernel);
  assert.deepEqual(lifetimes(), [[2, 1]]);
  bringAddresses({ permanent: 'route' }, [v6], () => kernel, true);
  assert.deepEqual(lifetimes(), [
    [2, 1],
    [1, 30],
  ]);
  // It may have been brought, and left so: then it stays for as long as one that is new.
  kernel.setAddress({ address: v6, bits: 128, link: 1, lifetime: 3, protocol: ourProtocol });
  bringAddresses({ permanent: 'route' }, [v6], () => kernel, true);
  assert.deepEqual(lifetimes(), [
    [2, 1],
    [1, 30],
  ]);
});

test('what was brought for nothing is taken away again, and nothing else', () => {
  const kernel = new FakeKernel();
  const open = () => {
    kernel.open++;
    return kernel;
  };
  bringAddresses({ permanent: 'route' }, [v4], open);
  const more = bringAddresses({ permanent: 'route' }, [v4, v6, '192.0.2.9'], open);
  assert.equal(kernel.routes.length, 3);
  more.undo();
  more.undo();
  assert.deepEqual(
    kernel.routes.map(({ address }) => address),
    [v4],
  );
  assert.deepEqual(kernel.addresses(), []);
  const some = bringAddresses({ permanent: 'lo' }, [v4, v6], open);
  kernel.refuse = what => (what.startsWith('delete') ? errnos.EPERM : undefined);
  some.undo();
  assert.equal(kernel.addresses().length, 2);
  assert.equal(kernel.open, 0, 'no socket is left');
});

test('a kernel without netlink is a problem, not a throw', async () => {
  const options = leaseOptions.parse({});
  const world = {
    name: 'lo',
    now: () => 0,
    wait: () => () => {},
    random: () => 0,
    onNotice: () => {},
    onChange: () => {},
  };
  const driver = new LeaseDriver(options, world, () => {
    throw new Error('needs Linux, this is plan9');
  });
  driver.want([announce(v4)]);
  assert.equal(driver.report().problem?.code, 'LEASE_UNAVAILABLE');
  await driver.close(0, '');
});
