/** The contract of a metric source: one file in sources/ and a line in registry.ts. */
import type { Samples } from './exposition.ts';
import type { MetricFamily } from './families.ts';
import type { Reading } from './reading.ts';

export type MetricSource = {
  /** The families that it gives samples of, and no others. */
  readonly families: readonly MetricFamily[];
  /** Gives the samples of one moment. Pure. */
  readonly collect: (reading: Reading, samples: Samples) => void;
};
