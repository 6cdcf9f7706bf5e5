/** The addresses of this machine, for listeners on all of them. */
import os from 'node:os';

/** What `os.networkInterfaces` gives, as far as it is used. */
export type Interfaces = Readonly<
  Record<string, readonly { readonly address: string; readonly family: string }[] | undefined>
>;

/**
 * The machine's addresses of the family of `wildcard` (`0.0.0.0` or `::`), link-local ones with their scope. Of
 * 127.0.0.0/8 it knows only those that an interface has, usually 127.0.0.1.
 */
export function localAddresses(wildcard: string, interfaces: Interfaces = os.networkInterfaces()): string[] {
  const family = wildcard.includes(':') ? 'IPv6' : 'IPv4';
  const found = new Set<string>();
  for (const [name, addresses] of Object.entries(interfaces)) {
    for (const { address, family: its } of addresses ?? []) {
      if (its === family) found.add(/^fe[89ab]/i.test(address) ? `${address}%${name}` : address);
    }
  }
  return [...found];
}
