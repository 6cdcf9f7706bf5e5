/** Monotonic time, with one zero for all threads: that of `performance.now()` is each thread's own start. */

const base = Number(process.hrtime.bigint() / 1000n) / 1000 - performance.now();

/** Milliseconds with fractions since an arbitrary moment that all threads of the process share. */
export function now(): number {
  return base + performance.now();
}
