/** Makes service addresses such that listeners can bind to them, before the first lease. */
import { reasonOf } from '#kit/errors.ts';
import { isIpv6 } from '#net/address.ts';
import { type AddressKernel, openNetlink } from '#net/netlink.ts';
import { forever, type KernelAddress } from '#net/rtnetlink.ts';
import { hostBits, isOurs, loopback, ourProtocol } from './leases.ts';
import type { LeaseOptions } from './options.ts';

/** An IPv6 address is there so long for a listener to bind to it, s. The driver takes it away with its first lease. */
const forBinding = 30;

/** `reason`: in words what failed; the driver tells the same with a remedy. `undo`: takes away what was not there before. */
export type Brought = { readonly reason: string | null; readonly undo: () => void };

/**
 * Gives the addresses their permanent copies. An IPv6 socket binds only to an address that an interface has, so those are
 * put on the loopback interface for a moment too. Never throws, and neither does `undo`. `alone`: no other process announces
 * them, and this one does not yet: a lease that there is has been left by one that died, and may end before a listener binds.
 */
export function bringAddresses(
  { permanent }: Pick<LeaseOptions, 'permanent'>,
  addresses: readonly string[],
  open: () => AddressKernel = openNetlink,
  alone = false,
): Brought {
  const added: ((kernel: AddressKernel) => void)[] = [];
  const work = () => {
    if (permanent === 'off' || addresses.length === 0) return;
    using(open, kernel => {
      const stands = (each: KernelAddress) => !(alone && isOurs(each) && each.valid < forBinding);
      const there = new Set(
        kernel
          .addresses()
          .filter(stands)
          .map(({ address }) => address),
      );
      const routed = new Set(kernel.localRoutes(ourProtocol).map(({ address }) => address));
      for (const address of addresses) {
        if (permanent === 'route' && !routed.has(address)) {
          const route = { address, protocol: ourProtocol };
          kernel.addLocalRoute(route);
          added.push(again => again.deleteLocalRoute(route));
        }
        if (there.has(address) || (permanent === 'route' && !isIpv6(address))) continue;
        const copy = { address, bits: hostBits(address), link: loopback.index };
        const lifetime = permanent === 'lo' ? forever : forBinding;
        kernel.setAddress({ ...copy, lifetime, protocol: ourProtocol });
        added.push(again => again.deleteAddress(copy));
      }
    });
  };
  return {
    reason: inWords(work),
    undo: () => {
      for (const remove of added.splice(0)) inWords(() => using(open, remove));
    },
  };
}

function using(open: () => AddressKernel, work: (kernel: AddressKernel) => void): void {
  const kernel = open();
  try {
    work(kernel);
  } finally {
    kernel.close();
  }
}

function inWords(work: () => void): string | null {
  try {
    work();
    return null;
  } catch (thrown) {
    return reasonOf(thrown);
  }
}
