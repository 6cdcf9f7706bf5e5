/** Makes service addresses such that listeners can bind to them, before the first lease. */
import { reasonOf } from '#kit/errors.ts';
import { isIpv6 } from '#net/address.ts';
import { type AddressKernel, openNetlink } from '#net/netlink.ts';
import { forever } from '#net/rtnetlink.ts';
import { hostBits, loopback, ourProtocol } from './leases.ts';
import type { LeaseOptions } from './options.ts';

/** An IPv6 address is there so long for a listener to bind to it, s. The driver takes it away with its first lease. */
const forBinding = 30;

/**
 * Gives the addresses their permanent copies. An IPv6 socket binds only to an address that an interface has, so those are
 * put on the loopback interface for a moment too. Gives in words what failed; the driver tells the same with a remedy.
 */
export function bringAddresses(
  { permanent }: Pick<LeaseOptions, 'permanent'>,
  addresses: readonly string[],
  open: () => AddressKernel = openNetlink,
): string | null {
  if (permanent === 'off' || addresses.length === 0) return null;
  try {
    const kernel = open();
    try {
      const there = new Set(kernel.addresses().map(({ address }) => address));
      for (const address of addresses) {
        if (permanent === 'route') kernel.addLocalRoute({ address, protocol: ourProtocol });
        if (there.has(address) || (permanent === 'route' && !isIpv6(address))) continue;
        kernel.setAddress({
          address,
          bits: hostBits(address),
          link: loopback.index,
          lifetime: permanent === 'lo' ? forever : forBinding,
          protocol: ourProtocol,
        });
      }
    } finally {
      kernel.close();
    }
    return null;
  } catch (thrown) {
    return reasonOf(thrown);
  }
}
