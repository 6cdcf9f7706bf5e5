/** Which members of a farm differ from their siblings by more than chance explains. Pure. */

/** How often something was seen of how many times it could have been. */
export type Share = { readonly hits: number; readonly of: number };

/** Chance that a farm whose members are all alike has one named, over the whole farm. */
export const falseAlarm = 0.01;

/**
 * The members whose share is higher than that of their siblings together, by Fisher's exact test at `alarm` divided by the
 * number of members. The worst is judged first and then left out, so that several sick ones do not hide each other.
 * One member at least is never named: there would be nothing to compare it with.
 */
export function highShares(members: readonly Share[], alarm = falseAlarm): Set<number> {
  const named = new Set<number>();
  const left = members.map((_, index) => index).filter(index => members[index]!.of > 0);
  const level = alarm / Math.max(1, left.length);
  while (left.length > 1) {
    let worst = left[0]!;
    for (const index of left) if (shareOf(members[index]!) > shareOf(members[worst]!)) worst = index;
    const rest = left.filter(index => index !== worst);
    const others = rest.map(index => members[index]!).reduce(sumOf, { hits: 0, of: 0 });
    if (chanceOf(members[worst]!, others) > level) break;
    named.add(worst);
    left.splice(left.indexOf(worst), 1);
  }
  return named;
}

function shareOf({ hits, of }: Share): number {
  return of === 0 ? 0 : hits / of;
}

/**
 * The chance that one of two groups has at least as many of the hits as `one` has, when both have the same true share: the
 * upper tail of the hypergeometric distribution (Fisher's exact test, one-sided).
 */
export function chanceOf(one: Share, other: Share): number {
  const hits = one.hits + other.hits;
  const all = one.of + other.of;
  const most = Math.min(one.of, hits);
  const choose = (n: number, k: number) => logFactorial(n) - logFactorial(k) - logFactorial(n - k);
  let term = Math.exp(choose(hits, one.hits) + choose(all - hits, one.of - one.hits) - choose(all, one.of));
  let sum = 0;
  for (let k = one.hits; k <= most; k++) {
    sum += term;
    term *= ((hits - k) * (one.of - k)) / ((k + 1) * (all - hits - one.of + k + 1));
  }
  return Math.min(1, sum);
}

/** ln n!, by Stirling's series above a small table. */
function logFactorial(n: number): number {
  if (n < small.length) return small[n]!;
  const x = n + 1;
  return (
    (x - 0.5) * Math.log(x) -
    x +
    Math.log(2 * Math.PI) / 2 +
    1 / (12 * x) -
    1 / (360 * x ** 3) +
    1 / (1260 * x ** 5)
  );
}

const small = [0];
for (let n = 1; n < 32; n++) small.push(small[n - 1]! + Math.log(n));

/** The latency that a share `p` (0 < p ≤ 1) of the sorted ones do not exceed; null when there are none. */
export function sortedPercentile(sorted: readonly number[], p: number): number | null {
  return sorted.length === 0 ? null : sorted[Math.ceil(p * sorted.length) - 1]!;
}

/** What counts as slow: so many times the siblings' median of the same figure, and so many ms more, of so many answers. */
const slow = {
  p50: { at: 0.5, times: 3, more: 10, answers: 10 },
  p95: { at: 0.95, times: 3, more: 50, answers: 40 },
} as const;

export type SlowFigure = keyof typeof slow;

/**
 * The figures by which each member is slow against its siblings; an empty list for most. `members`: latencies in ms, sorted. A figure beyond its
 * bound is named only where more answers lie beyond the bound than with the siblings, by the test of `highShares`: three
 * slow ones of forty may be chance.
 */
export function slowFigures(members: readonly (readonly number[])[], alarm = falseAlarm): SlowFigure[][] {
  const level = alarm / Math.max(1, members.length);
  const found = members.map(() => [] as SlowFigure[]);
  for (const figure of ['p50', 'p95'] as const) {
    const { at, times, more, answers } = slow[figure];
    const able = members.filter(member => member.length >= answers);
    const figures = able.map(member => sortedPercentile(member, at)!).toSorted((a, b) => a - b);
    if (able.length < 2) continue;
    for (const [index, member] of members.entries()) {
      if (member.length < answers) continue;
      const own = sortedPercentile(member, at)!;
      // The lower middle of the others.
      const middle = (figures.length - 2) >> 1;
      const usual = figures[figures.indexOf(own) <= middle ? middle + 1 : middle]!;
      const bound = Math.max(times * usual, usual + more);
      if (own <= bound) continue;
      const others = able.filter(other => other !== member).map(other => beyond(other, bound));
      const chance = chanceOf(beyond(member, bound), others.reduce(sumOf, { hits: 0, of: 0 }));
      if (chance <= level) found[index]!.push(figure);
    }
  }
  return found;
}

function beyond(latencies: readonly number[], bound: number): Share {
  return { hits: latencies.filter(latency => latency > bound).length, of: latencies.length };
}

function sumOf(a: Share, b: Share): Share {
  return { hits: a.hits + b.hits, of: a.of + b.of };
}
