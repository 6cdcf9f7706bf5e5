/**
 * What the backends of one pool share: how much of it evidence may take out, and the verdict that everybody fails alike.
 * Pure.
 */

/** Most backends of a pool of `size` that live traffic may keep out at once: `share` of it, always leaving one. */
export function mostOut(size: number, share: number): number {
  return Math.max(0, Math.min(size - 1, Math.max(1, Math.round(size * share))));
}

/** How a backend stands when its pool is looked at as a whole. */
export type Standing = {
  /** Nobody but the evidence decides over it. */
  readonly auto: boolean;
  /** Given queries by an operator's word. */
  readonly forcedUp: boolean;
  /** The evidence wants it out. */
  readonly condemned: boolean;
  /** The failure is its own beyond doubt: nobody listens there, or live traffic saw its siblings do better. */
  readonly own: boolean;
};

/** A verdict ends so many ms after the first backend is good again: the others get time to show it too. */
const grace = 3000;

export const everybodyFails =
  'all backends of the pool fail alike, the way to them or to the Internet is suspected; kept in';

/** Whether a pool fails as a whole. */
export class Everybody {
  #until = -Infinity;
  /** When the verdict began; null while there is none. */
  since: number | null = null;

  /** Looks at all backends of the pool at `at`; gives whether the verdict stands. Of one backend nothing can be said. */
  look(standings: readonly Standing[], at: number): boolean {
    const judged = standings.filter(({ auto }) => auto);
    const all =
      judged.length > 1 &&
      judged.every(({ condemned }) => condemned) &&
      judged.some(({ own }) => !own) &&
      !standings.some(({ forcedUp }) => forcedUp);
    if (all) this.#until = at + grace;
    if (at >= this.#until) this.since = null;
    else this.since ??= at;
    return this.since !== null;
  }
}
