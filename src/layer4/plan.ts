/** What the kernel is to balance: services with their backends, as configuration and health have them. Pure. */
import type { BackendState } from '#balance/board.ts';
import { serves } from '#health/judge.ts';
import { isIpv6 } from '#net/address.ts';

/**
 * - `serves`: takes new flows. `drains`: takes none, what it has goes on. `gone`: takes none, and its TCP connections are
 *   reset so that their clients ask another at once.
 */
export type BackendRole = 'serves' | 'drains' | 'gone';

export type Layer4Backend = {
  readonly name: string;
  readonly address: string;
  readonly port: number;
  readonly weight: number;
  readonly role: BackendRole;
};

/** One address and port of clients; all of its backends are of the family of its address. */
export type Layer4Service = {
  readonly address: string;
  readonly port: number;
  readonly udp: boolean;
  readonly tcp: boolean;
  readonly backends: readonly Layer4Backend[];
};

/** What a backend's state makes of it: those that the front would give queries serve. */
export function roleOf(state: BackendState): BackendRole {
  return serves(state) ? 'serves' : state === 'draining' ? 'drains' : 'gone';
}

/** A backend of a pool, as health and configuration know it. */
export type PoolMember = Omit<Layer4Backend, 'role'> & { readonly state: BackendState };

/** The backends of a service: those of its family. Where the pool fails open, those that are down serve, as in the front. */
export function backendsFor(
  address: string,
  members: readonly PoolMember[],
  failOpen: boolean,
): Layer4Backend[] {
  const own = members.filter(member => isIpv6(member.address) === isIpv6(address));
  return own.map(({ name, address, port, weight, state }) => ({
    name,
    address,
    port,
    weight,
    role: failOpen && state === 'down' ? 'serves' : roleOf(state),
  }));
}
