/** What is wrong with a file of keepalived, and where. */
import { ChorusError } from '#kit/errors.ts';
import { formatProblem, type Problem } from '../problem.ts';

/** A place in a file. `line` and `column` count from 1. */
export type Place = { readonly file: string; readonly line: number; readonly column: number };

/** Problems kept at most; then reading ends. */
const most = 50;

/** Thrown within the importer when there is nothing more to be learnt; the problems are told already. */
export class Enough extends Error {}

/** Gathers problems, so that an operator sees all of them at once. */
export class Problems {
  readonly #found: { readonly file: string; readonly problem: Problem }[] = [];

  /** Whether there is none. */
  get none(): boolean {
    return this.#found.length === 0;
  }

  /** Notes a problem. @throws Enough when there are too many. */
  add(
    place: Place,
    what: string,
    more: { readonly expected?: string | undefined; readonly suggestion?: string | undefined } = {},
  ): void {
    const { file, line, column } = place;
    this.#found.push({ file, problem: { line, column, what, ...more } });
    if (this.#found.length >= most) throw new Enough();
  }

  /** Notes a problem that makes reading on pointless. @throws Enough always. */
  fatal(place: Place, what: string, expected?: string): never {
    this.add(place, what, { expected });
    throw new Enough();
  }

  /** The error that tells them all. */
  error(file: string): ChorusError {
    const lines = [...new Set(this.#found.map(found => formatProblem(found.problem, found.file)))];
    if (this.#found.length >= most) lines.push('… and perhaps more');
    return new ChorusError('IMPORT_INVALID', { file, count: lines.length, problems: lines.join('\n') });
  }
}

/** A text of a file as it is shown in a message: in quotes, shortened. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 37)}…` : text);
}
