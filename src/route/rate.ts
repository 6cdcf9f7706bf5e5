/** Rates are measured, and swing: two digits of them mean something. Pure. */

/** A rate with two significant digits. */
export function coarseRate(rate: number): number {
  if (!(rate > 0)) return 0;
  const unit = 10 ** (Math.floor(Math.log10(rate)) - 1);
  return unit >= 1 ? Math.round(rate / unit) * unit : Number(rate.toPrecision(2));
}
