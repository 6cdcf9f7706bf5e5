/** The text of /metrics. */
import { Exposition } from './exposition.ts';
import type { Reading } from './reading.ts';
import { metricSources } from './registry.ts';

export { expositionType } from './exposition.ts';

/** Everything that one reading says, as Prometheus text. */
export function metricsText(reading: Reading): string {
  const exposition = new Exposition();
  for (const source of metricSources) source.collect(reading, exposition);
  return exposition.text();
}
