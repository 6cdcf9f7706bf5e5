/**
 * Messages of etcd's HTTP/JSON gateway (etcd 3.4 and later: paths below /v3/): what is sent, and what of a reply is understood.
 * Keys and values are base64, 64-bit numbers texts, and a field with its zero value is left out (protobuf's JSON form).
 * A reply that does not fit gives undefined, whatever it is.
 */

/** A key as it stands in etcd. */
export type Row = {
  readonly key: string;
  readonly value: string;
  /** Revision of the store at its last change. */
  readonly mod: number;
  /** `0`: none. */
  readonly lease: string;
};

/** If all keys were last changed at these revisions (0: they do not exist), `change` is done; else the keys below `otherwise` are given. */
export type Txn = {
  readonly compare: readonly { readonly key: string; readonly mod: number }[];
  readonly change:
    | { readonly put: string; readonly value: string; readonly lease: string }
    | { readonly remove: string };
  readonly otherwise: string;
};

/** What came of a `Txn`. `rows`: what is below `otherwise`, where it was not done. */
export type TxnReply = { readonly done: boolean; readonly revision: number; readonly rows: readonly Row[] };

/** Keys below a prefix; `more`: there are more than were asked for. */
export type RangeReply = { readonly revision: number; readonly rows: readonly Row[]; readonly more: boolean };

/** A change of a key; null: it is gone. */
export type Change = { readonly key: string; readonly mod: number; readonly row: Row | null };

export type WatchMessage =
  | { readonly kind: 'changes'; readonly revision: number; readonly changes: readonly Change[] }
  /** The watch is over; the store must be read anew. */
  | { readonly kind: 'over'; readonly reason: string };

/** Most keys that are taken from one message. */
export const mostRows = 4096;

type Json = Readonly<Record<string, unknown>>;

/** The end of a range that holds every key with this prefix: the prefix with its last octet raised by one. Prefixes here end in "/". */
export function endOf(prefix: string): string {
  const octets = Buffer.from(prefix);
  octets[octets.length - 1] = (octets[octets.length - 1] ?? 0) + 1;
  return octets.toString('base64');
}

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** Body for /v3/kv/range. */
export function rangeRequest(prefix: string): Json {
  return { key: base64(prefix), range_end: endOf(prefix), limit: String(mostRows) };
}

/** Body for /v3/kv/txn. */
export function txnRequest({ compare, change, otherwise }: Txn): Json {
  return {
    compare: compare.map(({ key, mod }) => ({
      target: 'MOD',
      result: 'EQUAL',
      key: base64(key),
      mod_revision: String(mod),
    })),
    success: [
      'put' in change
        ? { request_put: { key: base64(change.put), value: base64(change.value), lease: change.lease } }
        : { request_delete_range: { key: base64(change.remove) } },
    ],
    failure: [{ request_range: rangeRequest(otherwise) }],
  };
}

/** Body for /v3/watch. `from`: the first revision whose changes are told. */
export function watchRequest(prefix: string, from: number): Json {
  return {
    create_request: { key: base64(prefix), range_end: endOf(prefix), start_revision: String(from) },
  };
}

/** The id and seconds of a lease that was granted. */
export function readGrant(reply: unknown): { readonly lease: string; readonly ttl: number } | undefined {
  const json = object(reply);
  const lease = leaseId(json?.ID);
  const ttl = whole(json?.TTL);
  return lease === undefined || lease === '0' || !ttl ? undefined : { lease, ttl };
}

/** Seconds that a renewed lease has; 0: there is no such lease (any more). */
export function readRenewal(reply: unknown): number | undefined {
  const result = object(object(reply)?.result);
  return result === undefined ? undefined : whole(result.TTL);
}

export function readRange(reply: unknown): RangeReply | undefined {
  const json = object(reply);
  const revision = whole(object(json?.header)?.revision);
  const rows = readRows(json?.kvs);
  if (json === undefined || !revision || rows === undefined) return undefined;
  return { revision, rows, more: json.more === true };
}

export function readTxn(reply: unknown): TxnReply | undefined {
  const json = object(reply);
  const revision = whole(object(json?.header)?.revision);
  if (json === undefined || !revision) return undefined;
  if (json.succeeded === true) return { done: true, revision, rows: [] };
  if (json.succeeded !== undefined && json.succeeded !== false) return undefined;
  const first: unknown = Array.isArray(json.responses) ? json.responses[0] : undefined;
  const rows = readRows(object(object(first)?.response_range)?.kvs);
  return object(first) === undefined || rows === undefined ? undefined : { done: false, revision, rows };
}

/** One line of a watch. */
export function readWatch(line: unknown): WatchMessage | undefined {
  const json = object(line);
  if (json === undefined) return undefined;
  if (json.error !== undefined) return { kind: 'over', reason: readError(json) ?? 'etcd ended the watch' };
  const result = object(json.result);
  if (result === undefined) return undefined;
  if (result.canceled === true) {
    const compacted = result.compact_revision !== undefined;
    const why = compacted ? 'etcd has forgotten the changes since' : 'etcd cancelled it';
    return {
      kind: 'over',
      reason: typeof result.cancel_reason === 'string' ? clip(result.cancel_reason) : why,
    };
  }
  const revision = whole(object(result.header)?.revision);
  const events = result.events === undefined ? [] : result.events;
  if (revision === undefined || !Array.isArray(events) || events.length > mostRows) return undefined;
  const changes: Change[] = [];
  for (const event of events as readonly unknown[]) {
    const { type, kv } = object(event) ?? {};
    const key = text(object(kv)?.key);
    const mod = whole(object(kv)?.mod_revision);
    if (key === undefined || !mod) return undefined;
    const row = type === 'DELETE' ? null : readRow(kv);
    if (row === undefined) return undefined;
    changes.push({ key, mod, row });
  }
  return { kind: 'changes', revision, changes };
}

/** The token of /v3/auth/authenticate. */
export function readToken(reply: unknown): string | undefined {
  const token = object(reply)?.token;
  return typeof token === 'string' && /^[\x21-\x7e]{1,4096}$/.test(token) ? token : undefined;
}

/** What etcd says went wrong: 3.4 has it in `error`, later ones in `message`, streams in an object. */
export function readError(reply: unknown): string | undefined {
  const json = object(reply);
  const inner = object(json?.error);
  for (const said of [json?.message, inner?.message, json?.error])
    if (typeof said === 'string' && said !== '') return clip(said);
  return undefined;
}

function readRows(list: unknown): readonly Row[] | undefined {
  if (list === undefined || list === null) return [];
  if (!Array.isArray(list) || list.length > mostRows) return undefined;
  const rows = (list as readonly unknown[]).map(readRow);
  return rows.every(row => row !== undefined) ? rows : undefined;
}

function readRow(kv: unknown): Row | undefined {
  const json = object(kv);
  const key = text(json?.key);
  const value = json?.value === undefined ? '' : text(json.value);
  const mod = whole(json?.mod_revision);
  const lease = json?.lease === undefined ? '0' : leaseId(json.lease);
  if (key === undefined || value === undefined || !mod || lease === undefined) return undefined;
  return { key, value, mod, lease };
}

function object(value: unknown): Json | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
}

/** Left out: 0. */
function whole(value: unknown): number | undefined {
  if (value === undefined) return 0;
  const number =
    typeof value === 'string' && /^\d{1,16}$/.test(value)
      ? Number(value)
      : typeof value === 'number'
        ? value
        : -1;
  return Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

function leaseId(value: unknown): string | undefined {
  const digits = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : value;
  return typeof digits === 'string' && /^-?\d{1,19}$/.test(digits) ? digits : undefined;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value)
    ? Buffer.from(value, 'base64').toString()
    : undefined;
}

function clip(said: string): string {
  return said.slice(0, 200).replace(/[^\P{C}]/gu, '?');
}
