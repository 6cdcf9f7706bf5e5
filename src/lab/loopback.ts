import os from 'node:os';

/** Whether this machine has the IPv6 loopback address. */
export function hasIpv6Loopback(): boolean {
  return Object.values(os.networkInterfaces()).some(entries =>
    entries?.some(entry => entry.address === '::1'),
  );
}
