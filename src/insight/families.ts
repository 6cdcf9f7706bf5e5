/** Metric families: each declared once, with its help and unit, and listed in registry.ts. */

export type MetricType = 'counter' | 'gauge' | 'histogram';

/** A family on /metrics. Prometheus base units only; a unit ends the name, before `_total`. */
export type MetricFamily = {
  readonly name: string;
  readonly help: string;
  readonly type: MetricType;
  readonly unit?: 'seconds' | 'bytes';
  /** Names of its labels; every sample has all of them. */
  readonly labels: readonly string[];
};

/** The rule that a family breaks, in words; null when it keeps all. */
export function familyFault({ name, help, type, unit, labels }: MetricFamily): string | null {
  if (!/^chorus_[a-z][a-z0-9]*(_[a-z0-9]+)*$/.test(name)) return `${name}: not chorus_ and lower-case words`;
  if ((type === 'counter') !== name.endsWith('_total'))
    return `${name}: counters, and only they, end in _total`;
  if (/_(milliseconds|microseconds|ms|us|minutes|kilobytes|kib|mib|percent)(_|$)/.test(name)) {
    return `${name}: not a base unit`;
  }
  if (unit !== undefined && !name.replace(/_total$/, '').endsWith(`_${unit}`))
    return `${name}: does not end in ${unit}`;
  if (unit === undefined && /_(seconds|bytes)(_total)?$/.test(name))
    return `${name}: its unit is not declared`;
  if (!/^[A-Z].*\.$/.test(help)) return `${name}: its help is not a sentence`;
  for (const label of labels)
    if (!/^[a-z][a-z0-9_]*$/.test(label) || label === 'le') return `${name}: label ${label}`;
  return null;
}
