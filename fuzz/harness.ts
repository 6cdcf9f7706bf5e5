/** What all fuzz targets share: replay the corpus, change inputs, keep and make small what fails. */

import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';

/** Something to be fuzzed. */
export type Target = {
  readonly name: string;
  /** Inputs to start from, besides the files of corpus/NAME. */
  seeds(): readonly Uint8Array[];
  /** Parts that are put into inputs. */
  readonly words: readonly Uint8Array[];
  /** Returns whether the input was understood. Throws on a fault: that is a crash. Ends for every input. */
  judge(input: Uint8Array): boolean;
};

export type FuzzOptions = {
  /** Inputs to make after the corpus. */
  readonly count: number;
  /** The same seed makes the same inputs. */
  readonly seed: number;
  /** Called before each input; a watcher can tell by it that an input does not end. */
  readonly before?: (input: Uint8Array, done: number) => void;
  /** Where crashes are kept; default fuzz/crashes. */
  readonly crashes?: string;
};

export type FuzzResult = {
  readonly target: string;
  /** Inputs judged, the corpus included. */
  readonly inputs: number;
  /** How many of them were understood. */
  readonly understood: number;
  /** Files with an input each that failed, made small. The run ends at the tenth. */
  readonly crashes: readonly string[];
};

const mostCrashes = 10;
const here = new URL('.', import.meta.url);

/** The files of corpus/NAME by name. */
export function corpusOf(name: string): ReadonlyMap<string, Uint8Array> {
  const folder = new URL(`corpus/${name}/`, here);
  const files = readdirSync(folder).sort();
  return new Map(files.map(file => [file, new Uint8Array(readFileSync(new URL(file, folder)))]));
}

/** Runs a target. Throws nothing for a crash: they are in the result. */
export function fuzzTarget(target: Target, options: FuzzOptions): FuzzResult {
  const random = new Random(options.seed);
  const pool = [...corpusOf(target.name).values(), ...target.seeds()];
  const crashes: string[] = [];
  const faults = new Set<string>();
  let inputs = 0;
  let understood = 0;
  const run = (input: Uint8Array): boolean => {
    options.before?.(input, inputs++);
    const { fault, good } = outcome(target, input);
    if (good) understood++;
    if (fault !== undefined && !faults.has(fault)) {
      faults.add(fault);
      crashes.push(save(target.name, shrink(target, input, fault), fault, options.crashes));
    }
    return good;
  };
  const corpus = pool.length;
  for (const input of pool.slice()) run(input);
  for (let i = 0; i < options.count && crashes.length < mostCrashes; i++) {
    const input = mutate(random, random.pick(pool), pool, target.words);
    // Inputs that are understood lead deeper: some are changed again.
    if (run(input) && random.below(20) === 0) {
      if (pool.length < corpus + 500) pool.push(input);
      else pool[corpus + random.below(500)] = input;
    }
  }
  return { target: target.name, inputs, understood, crashes };
}

/** What a fault is known by: its text without numbers. */
function outcome(target: Target, input: Uint8Array): { fault?: string; good: boolean } {
  try {
    return { good: target.judge(input) };
  } catch (error) {
    const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    return { fault: text.split('\n')[0]!.replace(/\d+/g, 'N').slice(0, 200), good: false };
  }
}

/** The input with all parts left out that the fault does not need. */
function shrink(target: Target, input: Uint8Array, fault: string): Uint8Array {
  for (let part = input.length >> 1; part > 0; part >>= 1) {
    for (let at = 0; at < input.length; ) {
      const less = Uint8Array.from([...input.subarray(0, at), ...input.subarray(at + part)]);
      if (outcome(target, less).fault === fault) input = less;
      else at += part;
    }
  }
  return input;
}

/** Writes a crash and, beside it, its fault. Gives the file's path. */
export function save(
  name: string,
  input: Uint8Array,
  fault: string,
  folder = new URL('crashes', here).pathname,
): string {
  mkdirSync(folder, { recursive: true });
  const digest = createHash('sha256').update(input).digest('hex').slice(0, 12);
  const file = `${folder}/${name}-${digest}`;
  writeFileSync(`${file}.bin`, input);
  writeFileSync(`${file}.txt`, `${fault}\n`);
  return `${file}.bin`;
}
