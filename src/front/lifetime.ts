/** How long an answer may be kept. */
import type { AnswerScan } from '#wire/scan.ts';
import { rcode } from './compose.ts';
import type { PlanCache } from './plan.ts';

export type Lifetime = { ttl: number; failure: boolean };

/**
 * Writes to `out` how long (s) the scanned answer may be kept; false when it may not be.
 *
 * - An answer with data: its least TTL, within `minTtl` … `maxTtl`.
 * - A name or type that does not exist: only with an SOA, min(its TTL, its minimum) (RFC 2308 5), at most `maxNegativeTtl`.
 * - SERVFAIL: `failureTtl` (RFC 9520 3.2).
 * - Anything else, and what is truncated: not at all.
 */
export function answerLifetime(answer: AnswerScan, rules: PlanCache, out: Lifetime): boolean {
  out.failure = false;
  out.ttl = 0;
  if (answer.truncated || !answer.regular) return false;
  if (answer.rcode === rcode.servfail) {
    out.failure = true;
    out.ttl = rules.failureTtl;
  } else if (answer.rcode === rcode.noerror && answer.matching > 0) {
    out.ttl = Math.min(Math.max(answer.leastTtl, rules.minTtl), rules.maxTtl);
  } else if ((answer.rcode === rcode.nxdomain || answer.rcode === rcode.noerror) && answer.negativeTtl >= 0) {
    const ttl = Math.min(answer.negativeTtl, answer.leastTtl);
    out.ttl = Math.min(Math.max(ttl, rules.minTtl), rules.maxNegativeTtl);
  }
  return out.ttl > 0;
}
