/**
 * A thread that stores and looks up in a shared cache, over and over in a few pages, until its count is done; posts what it found
 * wrong. Checks bytes and no more, so that most of its time goes into the cache, where threads meet.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { Cache } from '#cache/cache.ts';
import { makeArena } from '#kit/arena.ts';
import { query as ask, encodeMessage } from '#wire/message.ts';
import { parseRecord } from '#wire/record.ts';
import { AnswerScan, QueryScan, scanAnswer, scanQuery } from '#wire/scan.ts';

type Data = { memory: SharedArrayBuffer; names: number; count: number; seed: number };
const { memory, names, count, seed }: Data = workerData;
const cache = new Cache(memory, true);
const [ttl, staleTtl, longest] = [10, 30, 100];
cache.apply({ staleFor: 1000, staleTtl, failureTtl: 2, maxFailureTtl: 8 });
const arena = makeArena(65_536 + names * 64);
const [answerAt, outAt] = [arena.reserve(4096), arena.reserve(4096)];
const { u8, i32 } = arena;

const addressOf = (number: number) => [192, 0, number >> 8, number & 255];
const questions = Array.from({ length: names }, (_, number) => {
  const bytes = encodeMessage(ask(`n${number}.example.`, 'A'));
  const at = arena.reserve(64);
  u8.set(bytes, at);
  const scan = new QueryScan();
  scanQuery(u8, at, bytes.length, cache.seed, scan);
  return { scan, at, end: bytes.length };
});
/** An answer with so many records, or with none: a failure. */
function message(number: number, records: number): Uint8Array {
  const record = parseRecord(`n${number}.example. ${ttl} IN A ${addressOf(number).join('.')}`);
  const answers = Array.from({ length: records }, () => record);
  return encodeMessage({
    ...ask(`n${number}.example.`, 'A'),
    qr: true,
    rcode: records === 0 ? 2 : 0,
    answers,
  });
}
const messages = questions.map((_, number) =>
  [0, 1, 20, longest].map(records => {
    const bytes = message(number, records);
    const scan = new AnswerScan();
    scanAnswer(bytes, 0, bytes.length, scan);
    return { bytes, scan };
  }),
);

const found = { fresh: 0, stale: 0, failures: 0 };
const wrong: string[] = [];

/** What is wrong with a hit of `length` bytes, if anything. */
function fault(number: number, length: number): string | undefined {
  const { at, end } = questions[number]!;
  for (let i = 12; i < end; i++) if (u8[outAt + i] !== u8[at + i]) return 'another question';
  const records = u8[outAt + 7]!;
  if (length !== end + records * 16) return `${length} bytes with ${records} records`;
  if ((u8[outAt + 3]! & 15) !== (records === 0 ? 2 : 0)) return `code ${u8[outAt + 3]! & 15}`;
  if (cache.hitFailure !== (records === 0)) return 'failure or not';
  found[records === 0 ? 'failures' : cache.hitStale ? 'stale' : 'fresh']++;
  for (let p = outAt + end; p < outAt + length; p += 16) {
    const left = (u8[p + 6]! << 24) | (u8[p + 7]! << 16) | (u8[p + 8]! << 8) | u8[p + 9]!;
    if (cache.hitStale ? left !== staleTtl : left < 1 || left > ttl) return `TTL ${left}`;
    if (u8[p + 14] !== number >> 8 || u8[p + 15] !== (number & 255)) return 'another address';
  }
  return undefined;
}

let state = seed;
for (let i = 0; i < count; i++) {
  // Xorshift: each bit is as good as the others.
  state ^= state << 13;
  state ^= state >>> 17;
  state ^= state << 5;
  const number = (state >>> 8) % names;
  const { scan } = questions[number]!;
  const now = 1 + Math.floor(i / 100);
  if ((state & 15) < 12) {
    const length =
      (state & 3) === 0
        ? cache.lookupStale(u8, i32, scan, now, outAt, 4096)
        : cache.lookup(u8, i32, scan, now, outAt, 4096);
    const what = length > 0 ? fault(number, length) : undefined;
    if (what !== undefined && wrong.length < 5) wrong.push(`${number}: ${what}`);
  } else {
    const { bytes, scan: answer } = messages[number]![state & 3]!;
    u8.set(bytes, answerAt);
    if ((state & 3) === 0) cache.storeFailure(u8, answerAt, bytes.length, 0, scan, u8, now);
    else cache.store(u8, answerAt, bytes.length, answer, scan, u8, now, ttl);
  }
}
parentPort!.postMessage({ found, wrong });
