/** Prometheus text exposition, format 0.0.4: samples gathered by family, then written out. */
import type { MetricFamily } from './families.ts';

/** Content-Type of the text. */
export const expositionType = 'text/plain; version=0.0.4; charset=utf-8';

/** Values of a family's labels, in the order in which the family declares them. */
export type LabelValues = readonly string[];

/** Takes samples. */
export interface Samples {
  /** One value of a counter or gauge. */
  set(family: MetricFamily, labels: LabelValues, value: number): void;
  /** One histogram: counts of single buckets (not cumulated) and their upper bounds, the last of them Infinity. */
  histogram(
    family: MetricFamily,
    labels: LabelValues,
    bounds: readonly number[],
    counts: ArrayLike<number>,
    sum: number,
  ): void;
}

const escapeHelp = (text: string) => text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
const escapeLabel = (text: string) => escapeHelp(text).replaceAll('"', '\\"');

function number(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}

export class Exposition implements Samples {
  readonly #lines = new Map<MetricFamily, string[]>();

  set(family: MetricFamily, labels: LabelValues, value: number): void {
    this.#linesOf(family).push(`${family.name}${braced(family, labels)} ${number(value)}`);
  }

  histogram(
    family: MetricFamily,
    labels: LabelValues,
    bounds: readonly number[],
    counts: ArrayLike<number>,
    sum: number,
  ): void {
    const lines = this.#linesOf(family);
    let count = 0;
    for (const [bucket, bound] of bounds.entries()) {
      count += counts[bucket] ?? 0;
      lines.push(`${family.name}_bucket${braced(family, labels, `le="${number(bound)}"`)} ${number(count)}`);
    }
    lines.push(`${family.name}_sum${braced(family, labels)} ${number(sum)}`);
    lines.push(`${family.name}_count${braced(family, labels)} ${number(count)}`);
  }

  /** All of it; families in the order in which they were first met. Ends with a line feed. */
  text(): string {
    let text = '';
    for (const [{ name, help, type }, lines] of this.#lines) {
      text += `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`;
    }
    return text;
  }

  #linesOf(family: MetricFamily): string[] {
    let lines = this.#lines.get(family);
    if (!lines) {
      lines = [];
      this.#lines.set(family, lines);
    }
    return lines;
  }
}

function braced({ labels }: MetricFamily, values: LabelValues, more?: string): string {
  const pairs = labels.map((label, index) => `${label}="${escapeLabel(values[index] ?? '')}"`);
  if (more !== undefined) pairs.push(more);
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}
