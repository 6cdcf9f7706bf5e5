/** How long an answer may be kept. */
import type { AnswerScan } from '#wire/scan.ts';
import { rcode } from './compose.ts';
import type { PlanCache } from './plan.ts';

export type Lifetime = { ttl: number };

/**
 * Writes to `out` how long (s) the scanned answer may be kept. False: it says nothing that the cache should know. True with a
 * `ttl` of 0: it may not be kept itself, but what is kept of its question is out of date.
 *
 * - An answer with data: its least TTL, within `minTtl` … `maxTtl`.
 * - A name or type that does not exist: only with an SOA, min(its TTL, its minimum) (RFC 2308 5), at most `maxNegativeTtl`.
 * - Either with more records than can be counted down, and NXDOMAIN without an SOA: 0.
 * - Failures, NOERROR without data and SOA (it may be a referral) and what is truncated: false.
 */
export function answerLifetime(answer: AnswerScan, rules: PlanCache, out: Lifetime): boolean {
  out.ttl = 0;
  if (answer.truncated) return false;
  if (answer.rcode !== rcode.noerror && answer.rcode !== rcode.nxdomain) return false;
  const data = answer.rcode === rcode.noerror && answer.matching > 0;
  if (!data && answer.negativeTtl < 0) return answer.rcode === rcode.nxdomain;
  if (!answer.regular) return true;
  const least = data ? answer.leastTtl : Math.min(answer.negativeTtl, answer.leastTtl);
  out.ttl = Math.min(Math.max(least, rules.minTtl), data ? rules.maxTtl : rules.maxNegativeTtl);
  return true;
}
