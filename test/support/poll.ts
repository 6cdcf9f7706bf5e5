/** Waits for something that another process does, without guessing how long it takes. */
import { setTimeout as after } from 'node:timers/promises';

export type PollOptions = {
  /** Gives up after so many ms. */
  readonly deadline?: number;
  /** Looks again after so many ms. */
  readonly every?: number;
  /** Added to the failure message: for example a server's log. */
  readonly explain?: () => string;
};

/** Calls `look` until it gives something other than undefined or false; fails, saying `what`, at the deadline. */
export async function poll<T>(
  what: string,
  look: () => T | Promise<T>,
  { deadline = 30_000, every = 25, explain }: PollOptions = {},
): Promise<Exclude<T, undefined | false | null>> {
  const end = Date.now() + deadline;
  let reason = '';
  for (;;) {
    try {
      const seen = await look();
      if (seen !== undefined && seen !== false && seen !== null) {
        return seen as Exclude<T, undefined | false | null>;
      }
      reason = '';
    } catch (error) {
      reason = ` (${error instanceof Error ? error.message : String(error)})`;
    }
    if (Date.now() > end) {
      throw new Error(`waited ${deadline} ms in vain for ${what}${reason}\n${explain?.() ?? ''}`);
    }
    await after(every);
  }
}
