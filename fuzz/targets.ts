/** All fuzz targets. A new one adds its line: `fuzz` is given options and gives a result. */

import * as codec from './codec.ts';
import type { FuzzOptions, FuzzResult } from './harness.ts';
import * as scan from './scan.ts';
import * as zone from './zone.ts';

export const targets: Readonly<
  Record<string, { fuzz(options: FuzzOptions): FuzzResult | Promise<FuzzResult> }>
> = {
  codec,
  scan,
  zone,
};
