/** What the announcer was told and decided lately, as lines of JSON, within bounds: for `chorus routes --replay`. */
import type { Evidence } from '#route/evidence.ts';

/** Lines kept, and characters of them all. */
const mostLines = 5000;
const mostCharacters = 2_000_000;

export class RouteRecord {
  readonly #lines: string[] = [];
  #characters = 0;
  #last = '';

  /** Takes a turn down, where it differs from the one before. */
  take(now: number, evidence: Evidence): void {
    const { budget, ...rest } = evidence;
    const text = JSON.stringify({ ...rest, budget: Object.fromEntries(budget) });
    if (text === this.#last) return;
    this.#last = text;
    const line = `{"at":${Math.round(now)},"evidence":${text}}`;
    this.#lines.push(line);
    this.#characters += line.length;
    while (this.#lines.length > mostLines || this.#characters > mostCharacters) {
      this.#characters -= this.#lines.shift()?.length ?? 0;
    }
  }

  lines(): readonly string[] {
    return this.#lines;
  }
}
