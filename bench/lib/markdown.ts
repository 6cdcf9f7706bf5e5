/** Results as Markdown tables. */
import type { Metric, Row } from '../cases/case.ts';
import { isMet, type Result } from './result.ts';
import { pairedRatio, spread } from './stats.ts';

/** A number with so many digits after the point, and thousands set apart. */
export function format(value: number | null | undefined, digits: number): string {
  if (typeof value !== 'number' || !Number.isFinite(value)) return '–';
  return value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = `|${head.map((_, index) => (index === 0 ? '---' : '--:')).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

function cell(row: Row, metric: Metric, withSpread: boolean): string {
  const values = row.values[metric.key];
  if (!values?.length) return '–';
  const { median, min, max } = spread(values);
  const middle = format(median, metric.digits);
  if (!withSpread || values.length < 2) return middle;
  return `**${middle}** (${format(min, metric.digits)}–${format(max, metric.digits)})`;
}

/** The table of one case: medians, the spread of the first figure, and the ratio to the reference. */
export function caseTable({ outcome }: Result): string {
  const { metrics, rows, reference } = outcome;
  const first = metrics[0]!;
  const against = rows.find(row => row.name === reference);
  const grouped = rows.some(({ group }) => group);
  const head = metrics.map(metric => (metric.unit ? `${metric.label}, ${metric.unit}` : metric.label));
  const body = rows.map((row, index) => {
    const cells = metrics.map(metric => cell(row, metric, metric === first));
    const mine = row.values[first.key];
    const theirs = against?.values[first.key];
    const ratio = mine && theirs ? pairedRatio(mine, theirs) : Number.NaN;
    const group = row.group === rows[index - 1]?.group ? '' : (row.group ?? '');
    return [
      ...(grouped ? [group] : []),
      row.label,
      cells[0]!,
      ...(against ? [format(ratio, 2)] : []),
      ...cells.slice(1),
    ];
  });
  const leading = [...(grouped ? [''] : []), '', head[0]!];
  return table([...leading, ...(against ? [`× ${against.label}`] : []), ...head.slice(1)], body);
}

function goalRow(result: Result): string[][] {
  return result.outcome.goals.map(goal => {
    const met = isMet(goal);
    const number = (value: number) => `${format(value, goal.digits)}${goal.unit ? ` ${goal.unit}` : ''}`;
    return [
      `[${result.title}](#${result.name})`,
      goal.text,
      number(goal.measured),
      `${goal.atLeast ? '≥' : '≤'} ${number(goal.bound)}`,
      met === null ? 'not measured' : met ? 'met' : '**missed**',
    ];
  });
}

/** The page of all results: goals first, then each case with its picture. */
export function page(results: readonly Result[]): string {
  const goals = table(['case', 'goal', 'measured', 'bound', ''], results.flatMap(goalRow));
  const sections = results.map(result => {
    const { machine, options } = result;
    const failures = result.outcome.rows
      .filter(row => row.failed)
      .map(row => `- ${row.group ? `${row.group}: ` : ''}${row.label}: ${row.failed?.replace(/\s+/g, ' ')}`);
    return [
      `## <a id="${result.name}"></a>${result.title}`,
      result.about,
      `![${result.title}](${result.name}.svg)`,
      caseTable(result),
      ...(failures.length ? [`Not measured, or not to the end:\n${failures.join('\n')}`] : []),
      `${result.measured}, commit ${result.commit}; ${result.outcome.span ?? `${options.rounds} × ${options.seconds} s`}; ${machine.cores} × ` +
        `${machine.processor}, Linux ${machine.kernel}${result.pinned ? ', pinned' : ''}; load before ${format(result.loadBefore, 1)}.`,
    ].join('\n\n');
  });
  const versions = Object.entries(results[0]?.machine.versions ?? {}).map(
    ([name, version]) => `${name} ${version}`,
  );
  return [
    '# Results',
    'Written by `npm run bench`; do not edit. Medians over the rounds, with the least and the greatest in brackets; a ratio is ' +
      'the median of the ratios of each round. [How it is measured](../README.md).',
    goals,
    ...sections,
    `Versions: ${versions.join(', ')}.`,
    '',
  ].join('\n\n');
}
