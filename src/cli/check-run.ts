/** Makes one check and shows it. Loads no more than a check needs: it is run every few seconds by others. */
import { closeSync, openSync, readSync, writeSync } from 'node:fs';
import { systemClock } from '#health/clock.ts';
import { systemDatagrams } from '#health/datagrams.ts';
import { checkLine, mayStream, runCheck } from '#insight/check.ts';
import type { CheckLine } from '#insight/check-options.ts';
import { planCheck } from '#insight/check-plan.ts';

/** Gives the exit code. @throws ChorusError USAGE. */
export async function checkOnce({ words, options, json }: CheckLine): Promise<number> {
  const plan = planCheck(words, options);
  const streams = mayStream(plan) ? (await import('#health/streams.ts')).systemStreams : systemDatagrams;
  const world = { clock: systemClock, random: await systemRandom(), datagrams: systemDatagrams, streams };
  const report = await runCheck(plan, world, () => import('#insight/answer-text.ts'), json);
  say(`${json ? JSON.stringify(report, null, 2) : checkLine(report, plan)}\n`);
  return report.exit;
}

/** Writes to standard output, without the streams of Node where the kernel takes it at once. */
function say(text: string): void {
  const bytes = Buffer.from(text);
  let written = 0;
  try {
    written = writeSync(1, bytes);
  } catch {
    // Nobody reads, or not yet: the stream knows.
  }
  if (written < bytes.length) process.stdout.write(bytes.subarray(written));
}

/** Chance from the kernel without loading node:crypto, which costs as much as all else here; by that where there is none. */
async function systemRandom(): Promise<(bound: number) => number> {
  const word = new Uint32Array(1);
  try {
    const file = openSync('/dev/urandom', 'r');
    const pool = new Uint32Array(64);
    readSync(file, pool);
    closeSync(file);
    let used = 0;
    return bound => {
      if (used === pool.length) throw new RangeError('more chance than a check needs');
      return pool[used++]! % bound;
    };
  } catch {
    const { randomFillSync } = await import('node:crypto');
    return bound => randomFillSync(word)[0]! % bound;
  }
}
