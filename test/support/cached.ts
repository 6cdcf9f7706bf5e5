/** Questions and answers in and out of a cache, for tests. */
import assert from 'node:assert/strict';
import { Cache } from '#cache/cache.ts';
import { makeArena } from '#kit/arena.ts';
import type { EdnsOption } from '#wire/edns/registry.ts';
import { query as ask, decodeMessage, encodeMessage, type Message } from '#wire/message.ts';
import { formatRecord, parseRecord } from '#wire/record.ts';
import { AnswerScan, QueryScan, scanAnswer, scanQuery, verdict } from '#wire/scan.ts';

const arena = makeArena(262_144);
const queryAt = arena.reserve(1024);
const answerAt = arena.reserve(8192);
/** Bytes that a lookup may write to at most. */
export const lookRoom = 8000;
/** And behind them what must stay, as far as an offset of 16 bits reaches. */
const outBytes = 80_000;
const outAt = arena.reserve(outBytes);
const guard = new Uint8Array(outBytes).fill(0xa5);

export type Wanted = { name: string; type?: number; edns?: boolean; subnet?: string; cd?: boolean };

function query(cache: Cache, { name, type = 1, edns = false, subnet, cd = false }: Wanted): QueryScan {
  const options: EdnsOption[] = subnet
    ? [
        {
          kind: 'unknown',
          code: 8,
          bytes: Uint8Array.from([0, 1, 24, 0, ...subnet.split('.').slice(0, 3).map(Number)]),
        },
      ]
    : [];
  const message = ask(name, type);
  const bytes = encodeMessage({
    ...message,
    cd,
    ...(edns || subnet ? { edns: { udpSize: 1232, version: 0, do: false, options } } : {}),
  });
  arena.u8.set(bytes, queryAt);
  const scan = new QueryScan();
  assert.equal(scanQuery(arena.u8, queryAt, bytes.length, cache.seed, scan), verdict.plain);
  return scan;
}

/** `texts`: how many TXT records of 200 bytes the answer has besides its A record, which is `mark`. */
export type Extra = { texts?: number; mark?: string; rcode?: number };

/** Stores an answer. */
export function store(cache: Cache, wanted: Wanted, now: number, ttl: number, extra: Extra = {}): void {
  const scan = query(cache, wanted);
  const texts = `${wanted.name} ${ttl} IN TXT "${'x'.repeat(200)}"`;
  const bytes = encodeMessage({
    ...ask(wanted.name, wanted.type ?? 1),
    qr: true,
    aa: true,
    rcode: extra.rcode ?? 0,
    answers: [
      parseRecord(`${wanted.name} ${ttl} IN A ${extra.mark ?? '192.0.2.1'}`),
      ...Array.from({ length: extra.texts ?? 0 }, () => parseRecord(texts)),
    ],
  });
  arena.u8.set(bytes, answerAt);
  const answer = new AnswerScan();
  assert.ok(scanAnswer(arena.u8, answerAt, bytes.length, answer));
  cache.store(arena.u8, answerAt, bytes.length, answer, scan, arena.u8, now, ttl);
}

/** Stores a failure, `more` of it; gives how long it is kept. */
export function storeFailure(
  cache: Cache,
  wanted: Wanted,
  now: number,
  more: Partial<Message> & { grows?: boolean } = {},
): number {
  const scan = query(cache, wanted);
  const { grows, ...message } = more;
  const bytes = encodeMessage({ ...ask(wanted.name, wanted.type ?? 1), qr: true, rcode: 2, ...message });
  arena.u8.set(bytes, answerAt);
  const answer = new AnswerScan();
  assert.ok(scanAnswer(arena.u8, answerAt, bytes.length, answer));
  const { optAt } = answer;
  return cache.storeFailure(arena.u8, answerAt, bytes.length, optAt, scan, arena.u8, now, grows);
}

/** Looks up, with `stale` for an answer that may stand in. With a `room`, nothing may be written behind it. */
export function look(
  cache: Cache,
  wanted: Wanted,
  now: number,
  stale = false,
  room?: number,
): Uint8Array | null {
  const end = room ?? lookRoom;
  if (room !== undefined) arena.u8.set(guard, outAt);
  const scan = query(cache, wanted);
  const length = stale
    ? cache.lookupStale(arena.u8, arena.i32, scan, now, outAt, end)
    : cache.lookup(arena.u8, arena.i32, scan, now, outAt, end);
  assert.ok(length >= 0 && length <= end);
  if (room !== undefined) {
    const behind = arena.u8.subarray(outAt + room, outAt + outBytes);
    assert.equal(Buffer.compare(behind, guard.subarray(room)), 0, 'written behind its room');
  }
  return length === 0 ? null : arena.u8.slice(outAt, outAt + length);
}

/** What a lookup gave, in words: `fresh 192.0.2.1 20`, `stale 192.0.2.1 30` (address and TTL), `failure`, `nothing`. */
export function told(cache: Cache, wanted: Wanted, now: number, stale = false): string {
  const bytes = look(cache, wanted, now, stale);
  if (!bytes) return 'nothing';
  const message = decodeMessage(bytes);
  assert.equal(message.questions[0]?.name, wanted.name);
  assert.equal(cache.hitFailure, message.rcode === 2);
  if (cache.hitStale) assert.equal(cache.hitNegative, message.rcode === 3);
  if (cache.hitFailure) return 'failure';
  const [, ttl, , , address] = formatRecord(message.answers[0]!).split(/\s+/);
  return `${cache.hitStale ? 'stale' : 'fresh'} ${address} ${ttl}`;
}

export const makeCache = (budget = 1 << 20) => new Cache(Cache.create(budget, 42), true);
