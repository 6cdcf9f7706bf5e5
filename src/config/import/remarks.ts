/** What became of each thing that the file says. */
import type { Place } from './problems.ts';

/** `approximated`: Chorus does something near it. `dropped`: nothing of it is left. */
export const verdicts = ['kept', 'approximated', 'dropped'] as const;
export type Verdict = (typeof verdicts)[number];

/** One remark, for all places that say the same thing. */
export type Remark = {
  readonly verdict: Verdict;
  /** The words of the file: `lb_algo wlc`. */
  readonly what: string;
  readonly places: readonly Place[];
  readonly why: string;
  /** What an operator does about it; empty where nothing needs doing. */
  readonly todo: string;
};

type Kept = Remark & { readonly places: Place[] };

/** Gathers remarks; those that differ in their places only become one. */
export class Remarks {
  readonly #remarks = new Map<string, Kept>();

  add(verdict: Verdict, what: string, place: Place, why: string, todo = ''): void {
    this.#put({ verdict, what, places: [place], why, todo });
  }

  /** Takes over the remarks of another. */
  take(other: Remarks): void {
    for (const remark of other.#remarks.values()) this.#put(remark);
  }

  /** Dropped ones first, then approximated ones; each kind in the order of its first place. */
  list(): Remark[] {
    return verdicts
      .toReversed()
      .flatMap(verdict => [...this.#remarks.values()].filter(remark => remark.verdict === verdict));
  }

  #put({ places, ...rest }: Remark): void {
    const key = JSON.stringify(rest);
    const known = this.#remarks.get(key);
    if (!known) this.#remarks.set(key, { ...rest, places: [...places] });
    else {
      for (const place of places) {
        if (!known.places.some(({ file, line }) => file === place.file && line === place.line))
          known.places.push(place);
      }
    }
  }
}
