/** `fuzz/run.ts [target] --count N --seed S`: exit 0 when nothing failed, 1 on a crash or an input without end. */

import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { type FuzzResult, save } from './harness.ts';
import { targets } from './targets.ts';

/** What the worker is given. `beat`: 0 inputs begun, 1 octets of the input at hand. */
type Job = { target: string; count: number; seed: number; beat: Int32Array; input: Uint8Array };

/** An input that takes longer than this has no end. */
const patience = 20_000;

if (isMainThread) await main();
else await work(workerData as Job);

async function work({ target, count, seed, beat, input }: Job): Promise<void> {
  const before = (bytes: Uint8Array, done: number) => {
    input.set(bytes);
    beat[1] = bytes.length;
    Atomics.store(beat, 0, done + 1);
  };
  parentPort?.postMessage(await targets[target]!.fuzz({ count, seed, before }));
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      count: { type: 'string', default: '100000' },
      seed: { type: 'string', default: String(Date.now() % 0x100000000) },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  const count = Number(values.count);
  const seed = Number(values.seed);
  const chosen = positionals.length > 0 ? positionals : Object.keys(targets);
  const unknown = chosen.filter(name => !Object.hasOwn(targets, name));
  if (values.help || unknown.length > 0 || !Number.isSafeInteger(count) || !Number.isSafeInteger(seed)) {
    for (const name of unknown) console.error(`there is no fuzz target "${name}"`);
    console.error(`usage: fuzz/run.ts [${Object.keys(targets).join(' | ')}]… [--count N] [--seed S]`);
    process.exit(values.help ? 0 : 64);
  }
  let failed = false;
  for (const target of chosen) {
    console.log(`${target}: ${count} inputs, --seed ${seed}`);
    const result = await run(target, count, seed);
    console.log(`${target}: ${result.inputs} inputs judged, ${result.understood} understood`);
    for (const file of result.crashes) console.error(`${target}: crash in ${file}`);
    failed ||= result.crashes.length > 0;
  }
  process.exit(failed ? 1 : 0);
}

/** Runs one target in a thread that can be stopped when an input does not end. */
function run(target: string, count: number, seed: number): Promise<FuzzResult> {
  const beat = new Int32Array(new SharedArrayBuffer(8));
  const input = new Uint8Array(new SharedArrayBuffer(1 << 16));
  const job: Job = { target, count, seed, beat, input };
  const worker = new Worker(new URL(import.meta.url), { workerData: job });
  return new Promise((resolve, reject) => {
    let last = -1;
    const timer = setInterval(() => {
      const done = Atomics.load(beat, 0);
      if (done > 0 && done === last) {
        const file = save(target, input.slice(0, beat[1]), `no end after ${patience} ms`);
        finish();
        void worker.terminate().then(() => resolve({ target, inputs: done, understood: 0, crashes: [file] }));
        return;
      }
      last = done;
      console.log(`${target}: ${done} inputs`);
    }, patience);
    const finish = () => clearInterval(timer);
    worker.once('message', (result: FuzzResult) => {
      finish();
      resolve(result);
    });
    worker.once('error', error => {
      finish();
      reject(error);
    });
  });
}
