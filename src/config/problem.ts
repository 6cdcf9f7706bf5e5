/** What is wrong with a configuration file, and where. */
import { ChorusError } from '#kit/errors.ts';

/** One problem. `line` and `column` count from 1. */
export type Problem = {
  readonly line: number;
  readonly column: number;
  /** What is wrong: `pools.default.policy: "fastets" is not right`. */
  readonly what: string;
  /** What was expected. */
  readonly expected?: string | undefined;
  /** What may have been meant. */
  readonly suggestion?: string | undefined;
};

/** `file:line:column: what is wrong; expected …; did you mean …?` */
export function formatProblem(problem: Problem, file: string): string {
  const { line, column, what, expected, suggestion } = problem;
  let text = `${file}:${line}:${column}: ${what}`;
  if (expected !== undefined) text += `; expected ${expected}`;
  if (suggestion !== undefined) text += `; did you mean ${suggestion}?`;
  return text;
}

/** Problems shown at most; a file that is no configuration at all would have thousands. */
const shownAtMost = 50;

/** The error that tells all problems of a file, in the order of its lines. */
export function invalid(problems: readonly Problem[], file: string): ChorusError {
  const sorted = problems.toSorted((a, b) => a.line - b.line || a.column - b.column);
  const lines = [...new Set(sorted.map(problem => formatProblem(problem, file)))];
  const shown = lines.slice(0, shownAtMost);
  if (lines.length > shownAtMost) shown.push(`… and ${lines.length - shownAtMost} more`);
  return new ChorusError('CONFIG_INVALID', { file, count: lines.length, problems: shown.join('\n') });
}
