/**
 * Passive evidence: the backends of one pool compared on the live traffic that they share. Pure: fed with the counters of
 * each backend every 50 ms or so, it gives findings.
 *
 * Statistics rather than thresholds. A share of bad answers (k of n) is held against p, the siblings' share with a margin:
 * were p the truth, at least k of n would be bad with a chance of at most exp(−n · KL(k/n ‖ p)) (Chernoff–Hoeffding). A
 * backend is out when that is below exp(−22), about 10⁻¹⁰: small samples remove nobody, and looking millions of times a day
 * finds nothing in noise. n and k fade with several half-lives at once: the short ones find a hard fault within tens of
 * queries, the long ones a rare one. (The bound holds for faded sums too: their weights are at most 1.)
 *
 * A window that is half full of a good past sees half of a fault. So a cumulative sum runs beside them (E. S. Page, "Continuous
 * inspection schemes", Biometrika 41, 1954): of the log-likelihood that a share of `changes` is bad rather than p, held at 0 where it would fall
 * below. It begins where the fault does, so as few queries decide as can, also when doubt has taken most of the traffic away meanwhile. As it
 * chooses its own stretch of time and p moves, the bound does not hold for it: what it finds must stand against what the siblings did in
 * that very time too.
 *
 * - The siblings' share is that of the best third of them, so that other sick ones do not excuse the first.
 * - What fails everywhere is no difference, and no evidence.
 * - Failures are those for which the front had a second opinion (`blamed…`), and queries that were never answered.
 */
import type { Finding } from './evidence.ts';

/** Cumulative counters of one backend, in this order in a row. All grow but `overdue`. */
export const liveField = {
  size: 10,
  queries: 0,
  answers: 1,
  nxdomain: 2,
  timeout: 3,
  silent: 4,
  servfail: 5,
  refused: 6,
  malformed: 7,
  network: 8,
  late: 9,
} as const;

export type SiblingRules = {
  /** −ln of the chance of a mistake at which a backend is out. */
  readonly certainty: number;
  /** Least share of failures of its own that takes a backend out, 0 … 1; a lower one makes it suspect. */
  readonly least: number;
  /** Each query goes to any backend, whoever asked: a run of slow names does not meet one backend alone. */
  readonly spread: boolean;
  /** Moreover at random, so that all get the same mix of questions. */
  readonly mixed: boolean;
};

export const defaultSiblingRules: SiblingRules = { certainty: 22, least: 0.05, spread: true, mixed: true };

/** What the policy of a pool lets be compared. */
export function rulesOfPolicy(policy: string): Pick<SiblingRules, 'spread' | 'mixed'> {
  const mixed = policy === 'least-outstanding' || policy === 'weighted-random' || policy === 'fastest';
  return { mixed, spread: mixed || policy === 'round-robin' };
}

/** Half-lives of the faded sums, ms. */
const halfLives = [30, 100, 250, 1000, 4000, 16_000, 64_000] as const;
const scales = halfLives.length;
/** Faded sums of one backend on one scale: what ended, failures of its own, answers, NXDOMAIN among these. */
const sum = { size: 4, ended: 0, bad: 1, answers: 2, nxdomain: 3 } as const;
/** Shares of failures that a cumulative sum looks for. */
const changes = [0.1, 0.3, 0.8] as const;
/** Scales on which the siblings' share is taken for it: how it usually is, and the last moments. */
const usual = 4;
const lastMoments = [0, 1, 2] as const;
/** So much of the certainty has to come from what the siblings did in the same time: a fault may have begun everywhere. */
const concurrent = 0.7;
const enough = 0.25;
/** The scale with which it fades. */
const changeFades = 5;
/** Kinds of failure, for the reason in words. */
const kinds = ['SERVFAIL', 'REFUSED', 'malformed', 'network error', 'no answer'] as const;
/** No share of failures below this is held against anybody; and so many times the siblings' share is not either. */
const floor = 0.01;
const margin = 3;
/** Fewest failures that say anything. */
const fewest = 6;
/** Fewest unanswered queries in a row that say anything: slow names come in runs. */
const fewestSilent = 9;
/** An unanswered query counts this long (ms) after another backend was quicker: it may be slow, not lost. */
const patience = 1000;
/** Shares of NXDOMAIN may differ by so much. */
const tolerance = 0.06;
/** Fewest answers, of the backend and of a sibling, before NXDOMAIN shares are compared. */
const fewestAnswers = 40;
/** So many of the siblings must differ from a backend before it is the one that lies. */
const jury = 0.75;
/** Scales on which NXDOMAIN shares are compared, from this one on: short ones see single clients. */
const firstForNxdomain = 3;
/** A silence that is shorter (ms) takes no backend out: two looks at live traffic. */
const shortestSilence = 80;
/** Fewest queries of the siblings during a silence. */
const fewestAsked = 8;
/** In pools larger than this the siblings are looked at once for all. */
const largePool = 8;
/** The score of what is worth doubt only. */
const doubtful = 0.9;

class Member {
  readonly before = new Float64Array(liveField.size);
  readonly sums = new Float64Array(scales * sum.size);
  /** Failures by kind, on the scale `kindScale`. */
  readonly byKind = new Float64Array(kinds.length);
  /** The times of the last ticks within `patience`, and the counter `silent` at each. */
  readonly past: { at: number; silent: number }[] = [];
  lost = 0;
  overdue = 0;
  /** What ended in this tick with an answer or an error, and how many of these were failures. */
  ended = 0;
  bad = 0;
  /** Of each of `changes`: the sum, and what ended and failed since it was 0. */
  readonly change = Array.from(changes, () => ({ sum: 0, ended: 0, bad: 0, allEnded: 0, allBad: 0 }));
  /** The pool's and its own numbers when its silence began. */
  streak = { at: 0, asked: 0, answered: 0, own: 0, blamed: 0 };
  fresh = true;

  forget(): void {
    this.sums.fill(0);
    this.byKind.fill(0);
    this.past.length = 0;
    this.overdue = 0;
    this.ended = this.bad = 0;
    for (const change of this.change) change.sum = change.ended = change.bad = 0;
    this.fresh = true;
  }
}
const kindScale = 3;

/** The backends of one pool, by their place in the pool. */
export class Siblings {
  readonly #rules: SiblingRules;
  readonly #members: readonly Member[];
  readonly #fade = new Float64Array(scales);
  #at = -1;
  /** Failures of one backend in one tick, by kind. */
  readonly #grown = new Float64Array(kinds.length);
  /** Faded sums of all members, in this tick. */
  readonly #whole = new Float64Array(scales * sum.size);
  /** The best third, and the middle one, of a large pool on each scale; NaN until somebody asks in this tick. */
  readonly #thirds = new Float64Array(scales);
  readonly #middles = new Float64Array(scales);
  /** What ended at all members in time, and failures among it: since the start, and before this tick. */
  #ended = 0;
  #bad = 0;
  #endedBefore = 0;
  #badBefore = 0;
  /** Queries and answers of all members, since the start. */
  #asked = 0;
  #answered = 0;

  constructor(size: number, rules: SiblingRules = defaultSiblingRules) {
    this.#rules = rules;
    this.#members = Array.from({ length: size }, () => new Member());
  }

  /** Begins a tick at `at` (ms). Then comes `observe` for each backend, then `find`. */
  begin(at: number): void {
    const passed = this.#at < 0 ? 0 : Math.max(0, at - this.#at);
    this.#at = at;
    for (let scale = 0; scale < scales; scale++) this.#fade[scale] = 0.5 ** (passed / halfLives[scale]!);
    this.#whole.fill(0);
    this.#endedBefore = this.#ended;
    this.#badBefore = this.#bad;
    this.#thirds.fill(Number.NaN);
    this.#middles.fill(Number.NaN);
  }

  /**
   * Takes in the numbers of one backend: `counts` in the order of `liveField`, copied; `overdue` queries in a row passed the
   * hedge delay without any answer. One that does not serve is nobody's sibling, and what was known of it is forgotten.
   */
  observe(index: number, counts: Float64Array, overdue: number, serving: boolean): void {
    const member = this.#members[index]!;
    const { before } = member;
    if (!serving || member.fresh || counts[liveField.queries]! < before[liveField.queries]!) {
      member.forget();
      member.fresh = !serving;
      before.set(counts);
      member.lost = this.#lost(member, counts);
      this.#answers(member);
      return;
    }
    const lostBefore = member.lost;
    member.lost = Math.max(lostBefore, this.#lost(member, counts));
    const lost = member.lost - lostBefore;
    const failures = this.#grown;
    for (let kind = 0; kind < 4; kind++) failures[kind] = grown(member, counts, liveField.servfail + kind);
    failures[4] = lost;
    let bad = 0;
    for (let kind = 0; kind < kinds.length; kind++) {
      bad += failures[kind]!;
      member.byKind[kind] = member.byKind[kind]! * this.#fade[kindScale]! + failures[kind]!;
    }
    const answers = grown(member, counts, liveField.answers);
    const ended = Math.max(answers + failures[3]! + lost, bad);
    // What never came is known late, beside what ended meanwhile.
    member.ended = ended - lost;
    member.bad = bad - lost;
    this.#ended += member.ended;
    this.#bad += member.bad;
    const nxdomain = grown(member, counts, liveField.nxdomain);
    const { sums } = member;
    for (let scale = 0, at = 0; scale < scales; scale++, at += sum.size) {
      const fade = this.#fade[scale]!;
      sums[at] = sums[at]! * fade + ended;
      sums[at + sum.bad] = sums[at + sum.bad]! * fade + bad;
      sums[at + sum.answers] = sums[at + sum.answers]! * fade + answers;
      sums[at + sum.nxdomain] = sums[at + sum.nxdomain]! * fade + nxdomain;
      for (let field = at; field < at + sum.size; field++) this.#whole[field]! += sums[field]!;
    }
    this.#asked += grown(member, counts, liveField.queries);
    this.#answered += answers;
    before.set(counts);
    member.overdue = overdue;
    if (answers > 0 || overdue === 0) this.#answers(member);
  }

  /** A backend has had no traffic for a long time, and is not observed: it is nobody's sibling until it is again. */
  forget(index: number): void {
    const member = this.#members[index]!;
    if (!member.fresh) member.forget();
  }

  /** The strongest finding against a backend; null when there is none worth a word. */
  find(index: number): Finding | null {
    const member = this.#members[index]!;
    if (member.fresh) return null;
    let worst = stronger(this.#silence(member), this.#change(member));
    for (let scale = 0; scale < scales; scale++) {
      worst = stronger(worst, this.#failures(member, scale));
      if (scale >= firstForNxdomain) worst = stronger(worst, this.#lies(member, scale));
    }
    return worst;
  }

  /**
   * Losses so far: another backend answered, and this one has not even after `patience`. What nobody answered speaks against nobody.
   */
  #lost(member: Member, counts: Float64Array): number {
    const { past } = member;
    past.push({ at: this.#at, silent: counts[liveField.silent]! });
    while (past.length > 1 && past[1]!.at <= this.#at - patience) past.shift();
    return past[0]!.at <= this.#at - patience ? past[0]!.silent - counts[liveField.late]! : 0;
  }

  /** It answers: if it falls silent, it does so from here on. */
  #answers({ streak, before }: Member): void {
    streak.at = this.#at;
    streak.asked = this.#asked;
    streak.answered = this.#answered;
    streak.own = before[liveField.queries]!;
    streak.blamed = before[liveField.silent]!;
  }

  #silence(member: Member): Finding | null {
    const { overdue, streak, before } = member;
    if (overdue < fewestSilent) return null;
    const own = before[liveField.queries]! - streak.own;
    // Where a backend may get all the slow names, each one counts only when another backend was quicker.
    const blamed = this.#rules.spread ? own : before[liveField.silent]! - streak.blamed;
    const length = Math.min(overdue, own, blamed);
    const asked = this.#asked - streak.asked - own;
    if (length < fewestSilent || asked < fewestAsked) return null;
    const unanswered = Math.max(0, 1 - (this.#answered - streak.answered) / asked);
    const score =
      (-length * Math.log(Math.min(1, Math.max(2 * floor, 2 * unanswered)))) / this.#rules.certainty;
    const detail = `no answer to ${length} queries in a row, while its siblings answered ${percent(1 - unanswered)}`;
    // It may have stood still for a moment, as processes do: that is doubt until it has lasted.
    const sure = this.#at - streak.at >= shortestSilence;
    return { kind: 'silent', score: sure ? score : Math.min(doubtful, score), detail };
  }

  #failures(member: Member, scale: number): Finding | null {
    const at = scale * sum.size;
    const bad = member.sums[at + sum.bad]!;
    const ended = member.sums[at]!;
    if (bad < fewest || bad < floor * ended) return null;
    const siblings = this.#shareOfOthers(member, scale);
    const share = bad / ended;
    const score = chernoff(ended, share, Math.max(floor, margin * siblings)) / this.#rules.certainty;
    if (score <= 0) return null;
    return {
      kind: share >= 0.5 ? 'failing' : 'sporadic',
      score: share < this.#rules.least ? Math.min(doubtful, score) : score,
      detail: this.#words(member, share, ended, siblings),
    };
  }

  /** Takes in this tick; the strongest finding of the cumulative sums. */
  #change(member: Member): Finding | null {
    const { ended, bad, change } = member;
    member.ended = member.bad = 0;
    // Most of the time nothing fails anywhere.
    if (bad === 0 && change.every(({ sum }) => sum === 0)) return null;
    let siblings = this.#shareOfOthers(member, usual);
    for (const scale of lastMoments) siblings = Math.max(siblings, this.#middle(member, scale));
    const p = Math.max(floor, margin * siblings);
    const fade = this.#fade[changeFades]!;
    let worst: Finding | null = null;
    for (const [index, share] of changes.entries()) {
      const { [index]: each } = change;
      if (!each) continue;
      const gain =
        share <= p ? -Infinity : bad * Math.log(share / p) + (ended - bad) * Math.log((1 - share) / (1 - p));
      if (each.sum === 0) {
        each.allEnded = this.#endedBefore;
        each.allBad = this.#badBefore;
      }
      each.sum = each.sum * fade + gain;
      if (each.sum <= 0) {
        each.sum = each.ended = each.bad = 0;
        continue;
      }
      each.ended += ended;
      each.bad += bad;
      if (each.bad < fewest) continue;
      const seen = each.bad / each.ended;
      // The sum chose its own stretch of time, and so the worst: a bit above `least` is not enough.
      const beyond = chernoff(each.ended, seen, this.#rules.least);
      const others = this.#ended - each.allEnded - each.ended;
      const theirs = this.#bad - each.allBad - each.bad;
      const apart = differ(each.ended, each.bad, others, Math.max(0, theirs));
      const score = Math.min(each.sum, apart / concurrent) / this.#rules.certainty;
      worst = stronger(worst, {
        kind: seen >= 0.5 ? 'failing' : 'sporadic',
        score: beyond < this.#rules.certainty * enough ? Math.min(doubtful, score) : score,
        detail: this.#words(member, seen, each.ended, siblings),
      });
    }
    return worst;
  }

  #words(member: Member, share: number, ended: number, siblings: number): string {
    const most = member.byKind.indexOf(Math.max(...member.byKind));
    return `${percent(share)} of the last ${Math.round(ended)} queries failed, mostly ${kinds[most]}; ${percent(siblings)} at its siblings`;
  }

  /** The siblings' share of failures. In a large pool it does not matter that the backend itself is among them. */
  #shareOfOthers(member: Member, scale: number): number {
    if (this.#members.length <= largePool) return this.#bestThird(member, scale);
    if (Number.isNaN(this.#thirds[scale])) this.#thirds[scale] = this.#bestThird(null, scale);
    return this.#thirds[scale]!;
  }

  /** The share of failures of the best third of all but one, half a failure added: few queries prove little. */
  #bestThird(but: Member | null, scale: number): number {
    const at = scale * sum.size;
    const others = this.#members.filter(other => other !== but && !other.fresh && other.sums[at]! > 0);
    others.sort((a, b) => a.sums[at + sum.bad]! / a.sums[at]! - b.sums[at + sum.bad]! / b.sums[at]!);
    let ended = 0;
    let bad = 0;
    for (const { sums } of others.slice(0, Math.ceil(others.length / 3))) {
      ended += sums[at]!;
      bad += sums[at + sum.bad]!;
    }
    return (bad + 0.5) / (ended + 1);
  }

  /** The share of failures of the middle one of the siblings, of the last moments: one that had luck does not excuse the others from them. */
  #middle(member: Member, scale: number): number {
    const large = this.#members.length > largePool;
    if (large && !Number.isNaN(this.#middles[scale])) return this.#middles[scale]!;
    const at = scale * sum.size;
    const shares: number[] = [];
    for (const other of this.#members) {
      if ((other === member && !large) || other.fresh || other.sums[at] === 0) continue;
      shares.push(other.sums[at + sum.bad]! / other.sums[at]!);
    }
    shares.sort((a, b) => a - b);
    const middle = shares[shares.length >> 1] ?? 0;
    if (large) this.#middles[scale] = middle;
    return middle;
  }

  #lies(member: Member, scale: number): Finding | null {
    if (!this.#rules.mixed) return null;
    const at = scale * sum.size;
    const answers = member.sums[at + sum.answers]!;
    if (answers < fewestAnswers) return null;
    const share = member.sums[at + sum.nxdomain]! / answers;
    const rest = this.#whole[at + sum.answers]! - answers;
    const average = (this.#whole[at + sum.nxdomain]! - member.sums[at + sum.nxdomain]!) / rest;
    // Spares the comparison, one by one, where nothing is to be found.
    if (!(Math.abs(share - average) > tolerance / 2)) return null;
    const scores: number[] = [];
    let all = 0;
    let others = 0;
    for (const other of this.#members) {
      if (other === member || other.fresh) continue;
      others++;
      const theirs = other.sums[at + sum.answers]!;
      if (theirs < fewestAnswers) continue;
      const reference = other.sums[at + sum.nxdomain]! / theirs;
      all += reference;
      // What the sibling's own sample may be off by.
      const room = tolerance + 1 / Math.sqrt(theirs);
      const higher = chernoff(answers, share, Math.min(1, reference + room));
      const lower = chernoff(answers, 1 - share, Math.min(1, 1 - reference + room));
      scores.push(Math.max(higher, lower));
    }
    // The one that lies may be the only other with enough answers to be compared with.
    if (scores.length === 0 || scores.length < others * jury) return null;
    scores.sort((a, b) => b - a);
    const score = scores[Math.ceil(scores.length * jury) - 1]! / this.#rules.certainty;
    if (score <= 0) return null;
    const detail = `NXDOMAIN in ${percent(share)} of its answers, ${percent(all / scores.length)} at its siblings: it may lie`;
    // Of two, nobody can say which one lies.
    return { kind: 'lies', score: scores.length > 1 ? score : Math.min(doubtful, score), detail };
  }
}

function grown(member: Member, counts: Float64Array, field: number): number {
  return Math.max(0, counts[field]! - member.before[field]!);
}

/** The surer of two; of two that are sure the first, which comes from a shorter time and tells better what happens now. */
function stronger(a: Finding | null, b: Finding | null): Finding | null {
  return a && (!b || Math.min(1, a.score) >= Math.min(1, b.score)) ? a : b;
}

/** −ln of the bound on the chance that a share of `share` or more of `n` is bad where `p` is the truth; 0 where it is no more. */
export function chernoff(n: number, share: number, p: number): number {
  if (share <= p) return 0;
  const rest = share >= 1 ? 0 : (1 - share) * Math.log((1 - share) / (1 - p));
  return n * (share * Math.log(share / p) + rest);
}

/** How surely two samples, `bad` of `n` each, are not of one share: the log of the ratio of likelihoods. */
function differ(n: number, bad: number, m: number, badToo: number): number {
  if (n <= 0 || m <= 0 || bad / n <= badToo / m) return 0;
  const share = (bad + badToo) / (n + m);
  return chernoff(n, bad / n, share) + chernoff(m, 1 - badToo / m, 1 - share);
}

function percent(share: number): string {
  const value = share * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : value.toFixed(0)}%`;
}
