/**
 * What a front keeps in etcd: a key for each of its service addresses, `/chorus/FARM/1/ADDRESS/MEMBER/INSTANCE`, under its own
 * lease, with a small JSON object. The 1 is the protocol. What does not fit, by whoever wrote it, gives undefined.
 */
import { type AddressState, addressStates } from './report.ts';

/** Number of the protocol; fronts of another one do not count on each other. */
export const protocol = 1;

/** Longest value that is looked at, in characters. */
export const mostValue = 4096;
const mostReason = 200;
const memberForm = /^[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}$/;
const instanceForm = /^[0-9a-f]{16}$/;
const addressForm = /^[0-9a-f.:]{2,45}$/;

/** What a front finds of an address: `down` speaks of evidence, whatever is announced. */
export type Found = 'well' | 'down' | 'unknown';
const findings: readonly Found[] = ['well', 'down', 'unknown'];

/** Whose key it is. */
export type Place = { readonly address: string; readonly member: string; readonly instance: string };

/** What a front says of one service address. */
export type Entry = {
  /** `down` from the moment of the permission, so that nobody counts on it any more. */
  readonly state: AddressState;
  readonly found: Found;
  /** Since when it finds that: time of day in ms since 1970. */
  readonly since: number;
  /** It stands in at least one router; false: wanted, but no session carries it. */
  readonly there: boolean;
  /** It has recognised that everybody finds the address down. */
  readonly everybody: boolean;
  readonly reason: string;
};

/** All keys of a farm begin with this. */
export function farmPrefix(farm: string): string {
  return `/chorus/${farm}/`;
}

/** All keys of a service address begin with this. */
export function addressPrefix(farm: string, address: string): string {
  return `${farmPrefix(farm)}${protocol}/${address}/`;
}

export function keyOf(farm: string, { address, member, instance }: Place): string {
  return `${addressPrefix(farm, address)}${member}/${instance}`;
}

/** Whose key it is; undefined where it is none of this protocol. */
export function placeOf(farm: string, key: string): Place | undefined {
  const prefix = `${farmPrefix(farm)}${protocol}/`;
  if (!key.startsWith(prefix) || key.length > prefix.length + 160) return undefined;
  const [address, member, instance, ...more] = key.slice(prefix.length).split('/');
  if (address === undefined || member === undefined || instance === undefined || more.length > 0)
    return undefined;
  const good = addressForm.test(address) && memberForm.test(member) && instanceForm.test(instance);
  return good ? { address, member, instance } : undefined;
}

export function valueFor(entry: Entry): string {
  const { state, found, since, there, everybody, reason } = entry;
  return JSON.stringify({ state, found, since: Math.round(since), there, everybody, reason: plain(reason) });
}

/** What a value says; undefined where it is none. */
export function entryOf(value: string): Entry | undefined {
  if (value.length > mostValue) return undefined;
  let read: unknown;
  try {
    read = JSON.parse(value);
  } catch {
    return undefined;
  }
  if (typeof read !== 'object' || read === null) return undefined;
  const { state, found, since, there, everybody, reason } = read as Readonly<Record<string, unknown>>;
  const knownState = addressStates.find(known => known === state);
  const knownFound = findings.find(known => known === found);
  if (knownState === undefined || knownFound === undefined) return undefined;
  if (typeof since !== 'number' || !Number.isSafeInteger(since) || since < 0) return undefined;
  if (typeof there !== 'boolean' || typeof everybody !== 'boolean' || typeof reason !== 'string')
    return undefined;
  return { state: knownState, found: knownFound, since, there, everybody, reason: plain(reason) };
}

/** Fit for a line of a log or a terminal. */
function plain(text: string): string {
  return text.slice(0, mostReason).replace(/[^\P{C}]/gu, '?');
}
