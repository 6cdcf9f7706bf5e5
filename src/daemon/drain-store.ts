/**
 * Where a drain survives a restart: `drain.json` in the folder `state`. A file that cannot be understood keeps the front
 * drained: somebody drained it, and to serve nothing by mistake is less harm than to announce a machine under repair.
 */

import { chownSync, closeSync, mkdirSync, openSync, readSync } from 'node:fs';
import { mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import type { DrainOrder } from '#route/evidence.ts';

/** Most bytes of the file that are read. */
export const drainFileLimit = 16 * 1024;
/** Most characters of a name or a reason that are kept. */
export const drainTextLimit = 200;
/** The longest drain that ends by itself, ms: a year. */
export const longestDrain = 366 * 86_400_000;

const fileName = 'drain.json';
const time = z.iso.datetime().transform(text => Date.parse(text));
const shape = z.object({ since: time, who: z.string(), reason: z.string(), until: time.nullable() });

/** What was found: a drain or none, and what is wrong with the file. */
export type KeptDrain = { readonly order: DrainOrder | null; readonly problem: ChorusError | null };

/** A text for a line of a log or a terminal: without control characters, of bounded length. */
export function plainText(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ')
    .trim()
    .slice(0, drainTextLimit)
    .toWellFormed()
    .trim();
}

/** Reads the content of the file. `now`: time of day in ms since 1970. */
export function parseDrain(text: string, file: string, now: number): KeptDrain {
  const broken = (reason: string): KeptDrain => ({
    order: { since: now, who: 'nobody known', reason: `${file} is broken`, until: null, stop: false },
    problem: new ChorusError('DRAIN_FILE_BROKEN', { file, reason }),
  });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return broken('it is not JSON');
  }
  const found = shape.safeParse(value);
  if (!found.success) {
    const [issue] = found.error.issues;
    return broken(`${issue?.path.join('.') || 'it'}: ${issue?.message ?? 'not as expected'}`);
  }
  const { since, who, reason, until } = found.data;
  // A clock that went back must not make the drain longer than it was meant to be.
  const end = until === null ? null : Math.min(until, now + Math.max(0, until - since));
  if (end !== null && end <= now) return { order: null, problem: null };
  const order = { since, who: plainText(who), reason: plainText(reason), until: end, stop: false };
  return { order, problem: null };
}

/** The content of the file for a drain. */
export function formatDrain({ since, who, reason, until }: DrainOrder): string {
  const day = (ms: number) => new Date(ms).toISOString();
  return `${JSON.stringify({ since: day(since), who, reason, until: until === null ? null : day(until) }, null, 2)}\n`;
}

/**
 * Makes the folder where it is not there, for the user that Chorus becomes: later it may not. Gives what stands in the way; a
 * folder that is there is left as it is.
 */
export function prepareFolder(
  folder: string,
  account: { readonly uid: number; readonly gid: number } | null,
): ChorusError | null {
  try {
    const made = mkdirSync(folder, { recursive: true, mode: 0o755 });
    if (made !== undefined && account && process.geteuid?.() === 0)
      chownSync(folder, account.uid, account.gid);
    return null;
  } catch (error) {
    return new ChorusError('STATE_UNWRITABLE', { folder, reason: reasonOf(error) });
  }
}

/** Keeps a drain across restarts. */
export interface DrainStore {
  /** Never throws. */
  read(now: number): KeptDrain;
  /** Keeps a drain, or with null that there is none. Gives what stands in the way; never throws. Writes follow each other. */
  write(order: DrainOrder | null): Promise<ChorusError | null>;
}

/** A store in a folder, which is made when it is not there. Null: nothing is kept. */
export class DrainFolder implements DrainStore {
  readonly #file: string | null;
  #last: Promise<unknown> = Promise.resolve();

  constructor(folder: string | null) {
    this.#file = folder === null ? null : join(folder, fileName);
  }

  read(now: number): KeptDrain {
    const file = this.#file;
    if (file === null) return { order: null, problem: null };
    let text: string;
    try {
      text = readBounded(file);
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : '';
      if (code === 'ENOENT' || code === 'ENOTDIR') return { order: null, problem: null };
      // There is a file, and it may hold a drain.
      return {
        order: {
          since: now,
          who: 'nobody known',
          reason: `${file} cannot be read`,
          until: null,
          stop: false,
        },
        problem: new ChorusError('DRAIN_FILE_BROKEN', { file, reason: reasonOf(error) }),
      };
    }
    return parseDrain(text, file, now);
  }

  write(order: DrainOrder | null): Promise<ChorusError | null> {
    const result = this.#last.then(() => this.#put(order));
    this.#last = result;
    return result;
  }

  async #put(order: DrainOrder | null): Promise<ChorusError | null> {
    const file = this.#file;
    if (file === null) return order && new ChorusError('DRAIN_NOT_KEPT', { reason: '`state` is off' });
    try {
      if (order === null) await rm(file, { force: true });
      else {
        await mkdir(dirname(file), { recursive: true, mode: 0o755 });
        await replace(file, formatDrain(order));
      }
      await sync(dirname(file));
      return null;
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? error.code : '';
      if (order === null && (code === 'ENOENT' || code === 'ENOTDIR')) return null;
      return new ChorusError(order ? 'DRAIN_NOT_KEPT' : 'DRAIN_STILL_KEPT', {
        file,
        reason: reasonOf(error),
      });
    }
  }
}

function readBounded(file: string): string {
  const descriptor = openSync(file, 'r');
  try {
    const bytes = Buffer.alloc(drainFileLimit);
    return bytes.toString('utf8', 0, readSync(descriptor, bytes, 0, drainFileLimit, 0));
  } finally {
    closeSync(descriptor);
  }
}

/** Whole or not at all: a power cut leaves the old file or the new one. */
async function replace(file: string, text: string): Promise<void> {
  const fresh = `${file}.new`;
  await rm(fresh, { force: true });
  const handle = await open(fresh, 'wx', 0o644);
  try {
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
}

async function sync(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
