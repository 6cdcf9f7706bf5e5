/** A thread that stores and looks up in a shared cache until its count is done; posts what it found wrong. */
import { parentPort, workerData } from 'node:worker_threads';
import { Cache } from '#cache/cache.ts';
import { makeArena } from '#kit/arena.ts';
import { query as ask, decodeMessage, encodeMessage } from '#wire/message.ts';
import { formatRecord, parseRecord } from '#wire/record.ts';
import { AnswerScan, QueryScan, scanAnswer, scanQuery } from '#wire/scan.ts';

const {
  memory,
  names,
  count,
  seed,
}: { memory: SharedArrayBuffer; names: number; count: number; seed: number } = workerData;
const cache = new Cache(memory, true);
const staleTtl = 30;
cache.apply({ staleFor: 1000, staleTtl, failureTtl: 2, maxFailureTtl: 8 });
const arena = makeArena(16_384);
const [queryAt, answerAt, outAt] = [arena.reserve(512), arena.reserve(4096), arena.reserve(4096)];
const scan = new QueryScan();
const answer = new AnswerScan();
let state = seed;
const found = { fresh: 0, stale: 0, failures: 0 };
const wrong: string[] = [];

/** What is wrong with a hit, if anything. */
function fault(bytes: Uint8Array, name: string, address: string): string | undefined {
  const message = decodeMessage(bytes);
  if (message.questions[0]?.name !== name) return `another question: ${message.questions[0]?.name}`;
  if (cache.hitFailure) {
    found.failures++;
    return message.rcode === 2 && message.answers.length === 0 ? undefined : 'no failure';
  }
  found[cache.hitStale ? 'stale' : 'fresh']++;
  for (const record of message.answers) {
    if (!formatRecord(record).includes(address)) return formatRecord(record);
    if (cache.hitStale ? record.ttl !== staleTtl : record.ttl < 1 || record.ttl > 10)
      return `TTL ${record.ttl}`;
  }
  return message.rcode === 0 && message.answers.length > 0 ? undefined : 'no answer';
}

for (let i = 0; i < count; i++) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  const number = (state >>> 8) % names;
  const name = `n${number}.example.`;
  const address = `192.0.${number >> 8}.${number & 255}`;
  const now = 1 + Math.floor(i / 1000);
  const asked = encodeMessage(ask(name, 'A'));
  arena.u8.set(asked, queryAt);
  scanQuery(arena.u8, queryAt, asked.length, cache.seed, scan);
  const stale = (state & 7) === 0;
  const length = stale
    ? cache.lookupStale(arena.u8, arena.i32, scan, now, outAt, 4096)
    : cache.lookup(arena.u8, arena.i32, scan, now, outAt, 4096);
  if (length > 0) {
    const what = fault(arena.u8.slice(outAt, outAt + length), name, address);
    if (what !== undefined && wrong.length < 5) wrong.push(`${name}: ${what}`);
  } else if ((state & 16) !== 0) {
    const bytes = encodeMessage({ ...ask(name, 'A'), qr: true, rcode: 2 });
    arena.u8.set(bytes, answerAt);
    cache.storeFailure(arena.u8, answerAt, bytes.length, 0, scan, arena.u8, now);
  } else {
    const records = Array.from({ length: 1 + ((state >>> 5) & 7) }, () =>
      parseRecord(`${name} 10 IN A ${address}`),
    );
    const bytes = encodeMessage({ ...ask(name, 'A'), qr: true, answers: records });
    arena.u8.set(bytes, answerAt);
    scanAnswer(arena.u8, answerAt, bytes.length, answer);
    cache.store(arena.u8, answerAt, bytes.length, answer, scan, arena.u8, now, 10);
  }
}
parentPort!.postMessage({ found, wrong });
