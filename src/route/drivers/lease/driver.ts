/**
 * The route driver `lease`: a service address is an address of the kernel with a lifetime, which only `beat` renews. Whatever
 * happens to Chorus, the kernel deletes it then, and a routing daemon that announces connected routes withdraws it.
 *
 * Lifetimes are counted by the kernel on a clock that nobody sets, so a change of the time of day does nothing.
 */
import { ChorusError, reasonOf } from '#kit/errors.ts';
import { isIpv6 } from '#net/address.ts';
import { errnos } from '#net/libc.ts';
import { type AddressKernel, NetlinkError, openNetlink } from '#net/netlink.ts';
import { addressFlags, forever, type KernelAddress, type KernelLink, linkFlags } from '#net/rtnetlink.ts';
import type { Announcement } from '../../announcement.ts';
import type { DriverReport, DriverState, DriverWorld, RouteDriver } from '../../driver.ts';
import {
  hostBits,
  interfacesOf,
  isOurs,
  type Lease,
  leaseKey,
  leasesOf,
  leaseWarnings,
  loopback,
  ourProtocol,
} from './leases.ts';
import type { LeaseOptions } from './options.ts';

/** All is read back and compared so often though nothing was heard, ms. */
const lookEvery = 1_000;

/** Makes a driver for the kernel of this network namespace. */
export function makeLease(options: LeaseOptions, world: DriverWorld): RouteDriver {
  return new LeaseDriver(options, world, openNetlink);
}

/** Drivers of this process that are not closed: none takes another's for leftovers. */
const alive = new Set<LeaseDriver>();

/** A lease that is there. */
type Held = { readonly lease: Lease; readonly link: number; readonly since: number };

export class LeaseDriver implements RouteDriver {
  readonly #options: LeaseOptions;
  readonly #world: DriverWorld;
  readonly #open: () => AddressKernel;
  #kernel: AddressKernel | null = null;
  #begun = false;
  #closed = false;
  #wanted = new Map<string, Lease>();
  #warnings: readonly string[] = [];
  /** Interfaces in use without a carrier. */
  #dark: readonly string[] = [];
  /** Leased addresses that an operator has put on the loopback interface too. */
  #doubled: readonly string[] = [];
  /** What is there, as last read back, by key. */
  #held = new Map<string, Held>();
  /** Addresses of which a leftover may be ours: wanted once, markers. */
  readonly #known = new Set<string>();
  /** Addresses that were wanted once; they keep their permanent copy. */
  readonly #everWanted = new Set<string>();
  /** Permanent copies that we have seen to, by address. */
  readonly #permanent = new Set<string>();
  #swept = false;
  #nextLook = 0;
  #nextRenewal = 0;
  #problem: ChorusError | null = null;
  #state: DriverState = 'idle';
  #since: number;
  #told = '';

  constructor(options: LeaseOptions, world: DriverWorld, open: () => AddressKernel) {
    this.#options = options;
    this.#world = world;
    this.#open = open;
    this.#since = world.now();
    for (const addresses of Object.values(options.markers))
      for (const address of addresses ?? []) this.#known.add(address);
    alive.add(this);
  }

  want(announcements: readonly Announcement[]): void {
    if (this.#closed) return;
    const wanted = leasesOf(announcements, this.#options);
    this.#warnings = leaseWarnings(announcements, this.#options);
    const same =
      this.#begun &&
      wanted.size === this.#wanted.size &&
      [...wanted.keys()].every(key => this.#wanted.has(key));
    this.#wanted = wanted;
    for (const { address } of announcements) {
      this.#known.add(address);
      this.#everWanted.add(address);
    }
    this.#begun = true;
    // Level-triggered: what failed is tried again by `beat`, not by each call.
    if (!same) this.#reconcile();
    else this.#tell();
  }

  beat(): void {
    if (this.#closed || !this.#begun) return;
    const now = this.#world.now();
    const kernel = this.#kernel;
    try {
      if (now >= this.#nextLook || kernel?.changed()) this.#reconcile();
    } catch (thrown) {
      this.#lose(thrown);
    }
    if (now >= this.#nextRenewal) this.#renew();
  }

  report(): DriverReport {
    const there = [...this.#held.values()];
    const names = [...new Set(there.map(({ lease }) => lease.interface))].join(', ');
    return {
      state: this.#state,
      since: this.#since,
      detail:
        there.length === 0
          ? 'no address leased'
          : `${there.map(({ lease }) => `${lease.address}/${lease.bits}`).join(', ')} on ${names}, for ${this.#options.lifetime} s at a time`,
      problem: this.#problem,
      warnings: [
        ...this.#warnings,
        ...this.#dark.map(
          name =>
            `interface ${name} has no carrier: FRR announces none of its addresses (\`ip link delete ${name}\`, and Chorus makes a new one)`,
        ),
        ...this.#doubled.map(
          address =>
            `${address} is on ${loopback.name} too, and Chorus did not put it there: FRR announces no lease of it then (BIRD does). Take it away (\`ip address delete ${address}/${hostBits(address)} dev ${loopback.name}\`), or set \`permanent: lo\``,
        ),
      ],
      routes: there.flatMap(({ lease, since }) =>
        lease.prefix === null ? [] : [{ prefix: lease.prefix, attributes: null, since }],
      ),
    };
  }

  async close(_patience: number, _reason: string): Promise<void> {
    if (this.#closed) return;
    this.#wanted = new Map();
    const kernel = this.#kernel;
    if (kernel) {
      try {
        // Withdrawn first; packets that come still are answered until the permanent copy goes.
        this.#reconcile();
        for (const address of [...this.#permanent]) this.#dropPermanent(kernel, address);
      } catch {
        // What is left dies with its lifetime.
      }
      this.#kernel?.close();
    }
    this.#closed = true;
    this.#kernel = null;
    this.#held.clear();
    this.#state = 'idle';
    alive.delete(this);
  }

  /** Whether this driver wants a lease, or keeps an address. */
  #claims(key: string, address: string): boolean {
    return this.#wanted.has(key) || this.#permanent.has(address);
  }

  /** Makes true what is wanted, and reads back. Never throws. */
  #reconcile(): void {
    const now = this.#world.now();
    this.#nextLook = now + lookEvery;
    try {
      this.#kernel ??= this.#open();
      this.#problem = null;
      this.#keepPermanent(this.#kernel);
      this.#arrange(this.#kernel, now);
    } catch (thrown) {
      this.#lose(thrown);
      return;
    }
    this.#settle();
  }

  /** Brings the leases about. Throws only what concerns all of them. */
  #arrange(kernel: AddressKernel, now: number): void {
    const links = this.#findLinks(kernel);
    const before = kernel.addresses();
    this.#doubled = this.#findDoubled(before);
    const extra = this.#leftovers(before, links);
    const lost = [...this.#held.keys()].filter(key => {
      const held = this.#held.get(key)!;
      return this.#wanted.has(key) && !before.some(found => isAt(found, held));
    });
    const remove = () => {
      for (const { address, bits, link } of extra) kernel.deleteAddress({ address, bits, link });
    };
    const changed = { made: false };
    // An address of which FRR sees two, and loses one, keeps the metric of the one that went.
    if (!this.#options.overlap) remove();
    // One that was secondary to another goes with it: what is missing shows only now.
    const standing = extra.length > 0 && !this.#options.overlap ? kernel.addresses() : before;
    for (const lease of this.#wanted.values()) {
      const link = links.get(lease.interface);
      if (link && this.#lay(kernel, lease, link, standing)) changed.made = true;
    }
    if (this.#options.overlap) remove();
    const after = changed.made || extra.length > 0 ? kernel.addresses() : before;
    this.#readBack(after, links, now);
    for (const key of lost)
      this.#world.onNotice(
        'warn',
        'a leased address was gone: deleted by somebody else, or not renewed in time',
        {
          driver: this.#world.name,
          address: key,
        },
      );
  }

  #findDoubled(found: readonly KernelAddress[]): string[] {
    if (this.#options.permanent === 'lo') return [];
    const wanted = [...this.#wanted.values()].filter(lease => lease.interface !== loopback.name);
    const others = found.filter(
      each => each.link === loopback.index && each.valid === forever && each.protocol !== ourProtocol,
    );
    return [...new Set(wanted.map(({ address }) => address))].filter(address =>
      others.some(each => each.address === address),
    );
  }

  /** Makes a lease where it is missing; gives whether anything was done. */
  #lay(kernel: AddressKernel, lease: Lease, link: KernelLink, standing: readonly KernelAddress[]): boolean {
    const same = standing.filter(found => found.link === link.index && found.address === lease.address);
    const there = same.find(found => found.bits === lease.bits);
    const foreign = same.find(found => found !== there || !isOurs(found));
    if (foreign && (foreign !== there || !this.#options.adopt)) {
      this.#note('LEASE_FOREIGN_ADDRESS', {
        interface: lease.interface,
        address: `${foreign.address}/${foreign.bits}`,
        reason:
          foreign.valid === forever ? 'permanent' : `with a lifetime, made by protocol ${foreign.protocol}`,
      });
      return false;
    }
    if (there && !foreign) return false;
    try {
      kernel.setAddress(this.#request(lease, link.index));
      if (foreign)
        this.#world.onNotice('info', 'an address of somebody else is a lease now', {
          driver: this.#world.name,
          address: leaseKey(lease),
        });
      return true;
    } catch (thrown) {
      this.#refused(thrown, lease);
      return false;
    }
  }

  #request(lease: Lease, link: number) {
    const { address, bits } = lease;
    return { address, bits, link, lifetime: this.#options.lifetime, protocol: ourProtocol };
  }

  /** The interfaces that are needed, made where that is allowed. Those that cannot be used are left out, with a problem. */
  #findLinks(kernel: AddressKernel): Map<string, KernelLink> {
    const links = new Map<string, KernelLink>();
    const dark: string[] = [];
    const needed = new Set([...this.#wanted.values()].map(lease => lease.interface));
    for (const name of interfacesOf(this.#options)) {
      try {
        let link = kernel.link(name);
        if (!link && needed.has(name) && this.#options.create) {
          kernel.createLink(name, 'bridge');
          this.#world.onNotice('info', 'made an interface for leased addresses', {
            driver: this.#world.name,
            interface: name,
          });
          link = kernel.link(name);
        }
        if (!link) {
          if (needed.has(name))
            this.#note('LEASE_NO_INTERFACE', { interface: name, reason: 'it is not there' });
          continue;
        }
        links.set(name, link);
        if (!needed.has(name)) continue;
        if (link.flags & linkFlags.UP) {
          if (!(link.flags & linkFlags.RUNNING)) dark.push(name);
          continue;
        }
        if (this.#options.create && link.kind === 'bridge') kernel.linkUp(link.index);
        else this.#note('LEASE_INTERFACE_DOWN', { interface: name });
      } catch (thrown) {
        if (!(thrown instanceof NetlinkError)) throw thrown;
        if (thrown.errno === errnos.EPERM)
          this.#note('LEASE_PERMISSION', { interface: name, reason: thrown.message });
        else this.#note('LEASE_NO_INTERFACE', { interface: name, reason: thrown.message });
      }
    }
    this.#dark = dark;
    return links;
  }

  /** Ours that are not wanted: what is withdrawn, and what a former run left of addresses that we know. */
  #leftovers(found: readonly KernelAddress[], links: ReadonlyMap<string, KernelLink>): KernelAddress[] {
    const names = new Map([...links.values()].map(link => [link.index, link.name]));
    const known = new Set([...this.#known, ...(this.#world.addresses?.() ?? [])]);
    const isLabelled = (each: KernelAddress) => isOurs(each) && each.protocol === ourProtocol;
    return found.filter(each => {
      // Brought for listeners to bind to; FRR would prefer it to the lease.
      if (each.link === loopback.index) return known.has(each.address) && isLabelled(each);
      const name = names.get(each.link);
      if (name === undefined) return false;
      const key = leaseKey({ interface: name, address: each.address, bits: each.bits });
      if (this.#wanted.has(key)) return false;
      if (this.#held.get(key)?.link === each.link && each.valid !== forever) return true;
      if (!known.has(each.address) || !isLabelled(each)) return false;
      return ![...alive].some(other => other !== this && other.#claims(key, ''));
    });
  }

  #readBack(found: readonly KernelAddress[], links: ReadonlyMap<string, KernelLink>, now: number): void {
    const held = new Map<string, Held>();
    for (const [key, lease] of this.#wanted) {
      const link = links.get(lease.interface);
      if (!link) continue;
      const there = found.find(each => isAt(each, { lease, link: link.index }));
      if (!there || there.valid === forever || there.flags & addressFlags.DADFAILED) continue;
      const before = this.#held.get(key);
      held.set(key, { lease, link: link.index, since: before?.link === link.index ? before.since : now });
    }
    const fresh = [...held.keys()].some(key => !this.#held.has(key));
    // What was adopted may have little time left.
    if (fresh) this.#nextRenewal = now;
    this.#held = held;
  }

  /** Gives all that is there its full lifetime again: the dead man's switch. Called by `beat` alone. */
  #renew(): void {
    const kernel = this.#kernel;
    if (!kernel) return;
    this.#nextRenewal = this.#world.now() + (this.#options.lifetime * 1000) / 4;
    for (const { lease, link } of this.#held.values()) {
      try {
        kernel.setAddress(this.#request(lease, link));
      } catch (thrown) {
        this.#refused(thrown, lease);
        this.#nextLook = 0;
      }
    }
    if (this.#problem) this.#settle();
  }

  /** Sees to the permanent copies of all service addresses, and takes away those of addresses that left the configuration. */
  #keepPermanent(kernel: AddressKernel): void {
    const configured = this.#world.addresses?.();
    const wanted = this.#options.permanent === 'off' ? [] : [...(configured ?? []), ...this.#everWanted];
    const keep = new Set(configured ? wanted.filter(address => configured.includes(address)) : wanted);
    for (const address of keep) {
      try {
        if (this.#options.permanent === 'route') kernel.addLocalRoute({ address, protocol: ourProtocol });
        else {
          const there = kernel
            .addresses()
            .find(found => found.link === loopback.index && found.address === address);
          // A copy that an operator made is as good as ours, and stays his.
          if (there && there.protocol !== ourProtocol && !this.#permanent.has(address)) continue;
          if (there?.valid !== forever) {
            const bits = hostBits(address);
            const lifetime = forever;
            kernel.setAddress({ address, bits, link: loopback.index, lifetime, protocol: ourProtocol });
          }
        }
        this.#permanent.add(address);
      } catch (thrown) {
        this.#refused(thrown, { interface: loopback.name, address });
      }
    }
    for (const address of [...this.#permanent]) if (!keep.has(address)) this.#dropPermanent(kernel, address);
    if (this.#swept || !configured) return;
    this.#swept = true;
    // What a former run left of addresses that left the configuration meanwhile.
    for (const { address } of kernel.localRoutes(ourProtocol)) {
      const claimed = [...alive].some(driver => driver.#claims('', address));
      if (!claimed) kernel.deleteLocalRoute({ address, protocol: ourProtocol });
    }
  }

  #dropPermanent(kernel: AddressKernel, address: string): void {
    this.#permanent.delete(address);
    if ([...alive].some(other => other !== this && other.#claims('', address))) return;
    if (this.#options.permanent === 'route') kernel.deleteLocalRoute({ address, protocol: ourProtocol });
    else kernel.deleteAddress({ address, bits: hostBits(address), link: loopback.index });
  }

  #refused(thrown: unknown, { interface: name, address }: Pick<Lease, 'interface' | 'address'>): void {
    if (!(thrown instanceof NetlinkError)) throw thrown;
    const reason = thrown.message;
    const familyOff: readonly number[] = [errnos.EACCES, errnos.EOPNOTSUPP, errnos.EAFNOSUPPORT];
    if (thrown.errno === errnos.EPERM) this.#note('LEASE_PERMISSION', { interface: name, reason });
    else if (thrown.errno === errnos.ENODEV) this.#note('LEASE_NO_INTERFACE', { interface: name, reason });
    else if (isIpv6(address) && familyOff.includes(thrown.errno))
      this.#note('LEASE_FAMILY_OFF', { interface: name, address, reason });
    else this.#note('LEASE_REFUSED', { interface: name, reason });
  }

  /** The first problem stands: the next look tells the others, when it is mended. */
  #note(code: ChorusError['code'], details: Readonly<Record<string, string | number>>): void {
    this.#problem ??= new ChorusError(code, { driver: this.#world.name, ...details });
  }

  /** Netlink itself does not work. */
  #lose(thrown: unknown): void {
    this.#kernel?.close();
    this.#kernel = null;
    this.#held = new Map();
    this.#problem = null;
    this.#note('LEASE_UNAVAILABLE', { reason: reasonOf(thrown) });
    this.#settle();
  }

  #settle(): void {
    const all = [...this.#wanted.keys()].every(key => this.#held.has(key));
    const state: DriverState = this.#problem ? 'failed' : all ? 'up' : 'connecting';
    if (state !== this.#state) this.#since = this.#world.now();
    this.#state = state;
    this.#tell();
  }

  #tell(): void {
    const { state, problem, warnings, routes } = this.report();
    const now = JSON.stringify([state, problem?.message, warnings, routes]);
    if (now === this.#told) return;
    this.#told = now;
    this.#world.onChange();
  }
}

function isAt(
  found: KernelAddress,
  { lease, link }: { readonly lease: Lease; readonly link: number },
): boolean {
  return found.link === link && found.address === lease.address && found.bits === lease.bits;
}
