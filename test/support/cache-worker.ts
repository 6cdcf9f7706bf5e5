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
const arena = makeArena(16_384);
const [queryAt, answerAt, outAt] = [arena.reserve(512), arena.reserve(4096), arena.reserve(4096)];
const scan = new QueryScan();
const answer = new AnswerScan();
let state = seed;
let hits = 0;
const wrong: string[] = [];

for (let i = 0; i < count; i++) {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
  const number = (state >>> 8) % names;
  const name = `n${number}.example.`;
  const asked = encodeMessage(ask(name, 'A'));
  arena.u8.set(asked, queryAt);
  scanQuery(arena.u8, queryAt, asked.length, cache.seed, scan);
  const length = cache.lookup(arena.u8, arena.i32, scan, 1, outAt, 4096);
  if (length > 0) {
    hits++;
    const record = formatRecord(decodeMessage(arena.u8.slice(outAt, outAt + length)).answers[0]!);
    if (!record.includes(`192.0.${number >> 8}.${number & 255}`) && wrong.length < 5)
      wrong.push(`${name}: ${record}`);
  } else {
    const records = Array.from({ length: 1 + ((state >>> 4) & 7) }, () =>
      parseRecord(`${name} 1000 IN A 192.0.${number >> 8}.${number & 255}`),
    );
    const bytes = encodeMessage({ ...ask(name, 'A'), qr: true, answers: records });
    arena.u8.set(bytes, answerAt);
    scanAnswer(arena.u8, answerAt, bytes.length, answer);
    cache.store(arena.u8, answerAt, bytes.length, answer, scan, arena.u8, 1, 1000, false);
  }
}
parentPort!.postMessage({ hits, wrong });
