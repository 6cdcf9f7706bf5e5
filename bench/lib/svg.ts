/** Pictures of results: bars with spread, lines, and grids. */
import type { Metric, Outcome, Row, Series } from '../cases/case.ts';
import { format } from './markdown.ts';
import { type Spread, spread } from './stats.ts';

const width = 760;
const left = 220;
const right = 110;
const rowHeight = 30;
const top = 56;
const ink = '#1f2933';
const faint = '#d9dee3';
const ours = '#0b7285';
const others = '#98a2ad';
const well = '#d3f0e0';
const unwell = ['#fdecc8', '#fbc98e', '#f49b6c', '#e2664f'];

function text(x: number, y: number, content: string, extra = ''): string {
  const safe = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" ${extra}>${safe}</text>`;
}

function frame(height: number, title: string, subtitle: string, content: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" ` +
      `font-family="system-ui, sans-serif" font-size="13" fill="${ink}" role="img">`,
    `<title>${title.replaceAll('&', '&amp;')}</title>`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    text(16, 24, title, 'font-size="16" font-weight="600"'),
    text(16, 43, subtitle, 'font-size="12" fill="#616e7c"'),
    ...content,
    '</svg>',
    '',
  ].join('\n');
}

/** One bar for each row that was measured: the median, with a whisker from the least to the greatest. */
export function bars(title: string, metric: Metric, rows: readonly Row[]): string {
  const measured = rows.flatMap(row => {
    const values = row.values[metric.key];
    return values?.length ? [{ row, figure: spread(values) }] : [];
  });
  const lowest = Math.min(...measured.map(({ figure }) => figure.min));
  const highest = Math.max(...measured.map(({ figure }) => figure.max));
  // A server that is a hundred times slower would leave the others one pixel each.
  const logarithmic = lowest > 0 && highest / lowest > 30;
  const base = logarithmic ? 10 ** Math.floor(Math.log10(lowest)) : 0;
  const share = (value: number) =>
    logarithmic ? Math.log(value / base) / Math.log(highest / base) : value / (highest || 1);
  const x = (value: number) => left + Math.max(0, share(value)) * (width - left - right);
  const content = measured.flatMap(({ row, figure }, index) =>
    bar(row, figure, metric, top + index * rowHeight, x),
  );
  const unit = metric.unit ? `, ${metric.unit}` : '';
  const subtitle = `${metric.label}${unit}: median, least and greatest${logarithmic ? '; logarithmic scale' : ''}`;
  return frame(top + measured.length * rowHeight + 16, title, subtitle, content);
}

function bar(row: Row, figure: Spread, metric: Metric, y: number, x: (value: number) => number): string[] {
  const end = x(figure.median);
  const middle = y + rowHeight / 2;
  const colour = row.name.startsWith('chorus') ? ours : others;
  const whisker = `stroke="${ink}" stroke-width="1.2"`;
  const [low, high] = [x(figure.min), x(figure.max)];
  return [
    text(left - 10, middle + 4, row.label, 'text-anchor="end"'),
    `<rect x="${left}" y="${y + 5}" width="${Math.max(1, end - left).toFixed(1)}" height="${rowHeight - 10}" fill="${colour}"/>`,
    `<path d="M${low.toFixed(1)} ${middle}H${high.toFixed(1)}M${low.toFixed(1)} ${middle - 4}v8M${high.toFixed(1)} ${middle - 4}v8" ${whisker}/>`,
    text(Math.max(end, high) + 8, middle + 4, format(figure.median, metric.digits), 'font-weight="600"'),
  ];
}

/** Lines over seconds, from zero up. */
export function lines(title: string, series: readonly Series[]): string {
  const height = 300;
  const floor = height - 40;
  const points = series.flatMap(({ points }) => points);
  const most = Math.max(...points.map(([, value]) => value)) * 1.1 || 1;
  const end = Math.max(...points.map(([at]) => at)) || 1;
  const x = (at: number) => 70 + (at / end) * (width - 70 - right);
  const y = (value: number) => floor - (value / most) * (floor - top - 10);
  const step = niceStep(most / 4);
  const grid: string[] = [];
  for (let value = 0; value <= most; value += step) {
    grid.push(`<path d="M70 ${y(value).toFixed(1)}H${width - right}" stroke="${faint}"/>`);
    grid.push(text(62, y(value) + 4, format(value, 0), 'text-anchor="end"'));
  }
  for (let at = 0; at <= end; at += niceStep(end / 6))
    grid.push(text(x(at), floor + 20, `${at} s`, 'text-anchor="middle"'));
  const drawn = series.flatMap(({ label, points }, index) => {
    const path = points.map(([at, value]) => `${x(at).toFixed(1)} ${y(value).toFixed(1)}`).join('L');
    const last = points.at(-1)!;
    const colour = index === 0 ? ours : others;
    return [
      `<path d="M${path}" fill="none" stroke="${colour}" stroke-width="2"/>`,
      text(width - right + 8, y(last[1]) + 4, label, `fill="${colour}"`),
    ];
  });
  return frame(height, title, series[0]?.unit ?? '', [...grid, ...drawn]);
}

/**
 * A field for each group and server with the first figure, and small below it the second. The more the first is over
 * `bound`, by powers of ten, the redder.
 */
export function grid(
  title: string,
  [first, second]: readonly Metric[],
  rows: readonly Row[],
  bound: number,
): string {
  const groups = [...new Set(rows.map(({ group = '' }) => group))];
  const labels = [...new Set(rows.map(({ label }) => label))];
  const fieldWidth = (width - left - 16) / labels.length;
  const fieldHeight = 38;
  const x = (index: number) => left + index * fieldWidth;
  const y = (index: number) => top + 28 + index * fieldHeight;
  const heads = labels.flatMap((label, index) => {
    const words = label.length * 7 > fieldWidth ? label.split(' ') : [label];
    const style = 'text-anchor="middle" font-size="12" font-weight="600"';
    return words.map((word, line) =>
      text(x(index) + fieldWidth / 2, top + 18 - (words.length - 1 - line) * 14, word, style),
    );
  });
  const sides = groups.map((group, index) =>
    text(left - 10, y(index) + fieldHeight / 2 + 4, group, 'text-anchor="end"'),
  );
  const fields = rows.flatMap(row => {
    const [big, small] = [first, second].map(metric => metric && row.values[metric.key]?.[0]);
    if (!first || typeof big !== 'number') return [];
    const [atX, atY] = [x(labels.indexOf(row.label)), y(groups.indexOf(row.group ?? ''))];
    const degree = big <= bound ? -1 : Math.floor(Math.log10(Math.max(1, big / (bound || 1))));
    const colour = degree < 0 ? well : unwell[Math.min(degree, unwell.length - 1)];
    const middle = `x="${(atX + fieldWidth / 2).toFixed(1)}" text-anchor="middle"`;
    const figure = (metric: Metric, value: number) =>
      `${format(value, metric.digits)}${metric.unit ? ` ${metric.unit}` : ''}`;
    return [
      `<rect x="${(atX + 1).toFixed(1)}" y="${atY + 1}" width="${(fieldWidth - 2).toFixed(1)}" height="${fieldHeight - 2}" rx="3" fill="${colour}"/>`,
      `<text ${middle} y="${atY + 17}" font-weight="600">${figure(first, big)}</text>`,
      second && typeof small === 'number'
        ? `<text ${middle} y="${atY + 31}" font-size="11" fill="#52606d">${figure(second, small)}</text>`
        : '',
    ];
  });
  const subtitle = `${first?.label}${second ? `, and below ${second.label}` : ''}`;
  const height = y(groups.length) + 16;
  return frame(height, title, subtitle, [...heads, ...sides, ...fields.filter(Boolean)]);
}

/** 1, 2 or 5 times a power of ten, at least `least`. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return ([1, 2, 5, 10].find(factor => factor * power >= least) ?? 10) * power;
}

/** The picture of a case; undefined when nothing was measured. */
export function picture(title: string, outcome: Outcome): string | undefined {
  if (outcome.series?.length) return lines(title, outcome.series);
  const metric = outcome.metrics[0]!;
  if (outcome.rows.some(({ group, values }) => group && values[metric.key]?.length))
    return grid(title, outcome.metrics.slice(0, 2), outcome.rows, outcome.goals[0]?.bound ?? 0);
  return outcome.rows.some(row => row.values[metric.key]?.length)
    ? bars(title, metric, outcome.rows)
    : undefined;
}
