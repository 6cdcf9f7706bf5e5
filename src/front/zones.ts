/**
 * A guard against zones that fail and floods of random names below one. Each suffix of a name that may be a zone is judged by
 * what became of the questions under it that the cache could not answer. One where nearly all fail, and many, is *closed*:
 * a trickle of questions goes on to see whether it is well again, the rest are turned away. The most specific suffix that
 * carries the trouble closes, never the root or a top-level domain. A suffix that does not fail is bounded too, by how many
 * questions it may have outstanding, wide enough that only a flood meets it.
 *
 * Questions of different kinds (`kindOf`) are judged apart: names and types that a zone's servers do not answer are easily found, and
 * who asks them must not close the zone for those who look for addresses.
 *
 * While a worker is calm (few failures, few questions in flight) nothing can be in trouble, and the guard looks at nothing.
 * When it looks, a question costs a few entries of a table of a fixed size. Time and seeds are given; no I/O.
 */
import { fold } from '#kit/fold.ts';

/** What `admit` says of a question. */
export const admission = {
  /** To be asked; the guard did not look. */
  free: 0,
  /** To be asked, and counted as outstanding until `ended`. */
  counted: 1,
  /** Turned away: a suffix is closed. */
  failing: 2,
  /** Turned away: a suffix has too many outstanding. */
  crowded: 3,
} as const;

/** What became of a question. */
export const ending = {
  /** A backend answered; NXDOMAIN is an answer. */
  good: 0,
  /** All that were asked failed, with SERVFAIL. A refusal is cheap, and often the question's own fault: nothing is learnt of it. */
  bad: 1,
  /** As `bad`, of a question whose failure was known before: the failure cache bounds those. */
  badAgain: 2,
  /** No backend answered in time. */
  silent: 3,
  /** Nothing was learnt. */
  unknown: 4,
} as const;

const typeA = 1;
const typeOpt = 41;
const typeAaaa = 28;

/** The kind of a question: for an address; for other data; and whatever is odd, or passed on as it is. */
export function kindOf(type: number, klass: number, passed: boolean): number {
  // Types for questions only: RFC 6895 3.1.
  if (passed || klass !== 1 || type === 0 || type === typeOpt || (type >= 128 && type <= 255)) return 2;
  return type === typeA || type === typeAaaa ? 0 : 1;
}

/** Failures within about two seconds that make the guard look. */
const failuresToWatch = 32;
/** Questions in flight that make it look. */
const inFlightToWatch = 512;
/** It looks on for so long, ms. */
const watchTime = 10_000;
/** Counts are halved each so many ms: what happened more than a few of these ago does not count. */
const halfLife = 1000;
/** A count that passes this is halved at once with its counterpart, so that a long good past does not excuse the present. */
const mostCounted = 1024;
/** A suffix is doubtful when so many failed and hardly any did not; … */
const failuresToDoubt = 16;
/** … it closes when so many failed … */
const failuresToClose = 96;
/** … and so many for each that did not. */
const failuresToGood = 8;
/** … and not more than half of them below one longer suffix, which then will close itself; unless this many failed. */
const failuresInAnyCase = 2 * failuresToClose;
/** Failures that a closed suffix is said to have: at first, and at most. The less, the fewer good answers open it. */
const failuresWhenClosed = 16;
const mostWhenClosed = 32;
/** It opens again when one in so many answers is good. */
const shareToOpen = 4;
/**
 * One question in so many ms goes to a closed suffix; and another that has a longer suffix of which nothing bad is known, so
 * that those that are well are found in a flood.
 */
const trickleGap = 100;
/** And this many a second to all closed suffixes together; those that are answered well do not count. */
const trickleRate = 200;
/** Outstanding questions of a suffix of which nothing good is known while backends answer others; … */
const outstanding = 1024;
/** … of one that is doubtful; … */
const outstandingInDoubt = 128;
/** … of one that is answered; and of any while backends answer nothing, for then the fault is not the suffix's. */
const outstandingAnswered = 16_384;
const outstandingInSilence = 32_768;
/** Backends answer when one did within so many ms. */
const answersWithin = 500;
/** Good answers of late that make a suffix an answered one, if no more failed. */
const goodToBeAnswered = 8;
/** Good answers that make it well, if so many were good for each that failed: a closed suffix above it does not count then. */
const goodToBeWell = 2;
const goodToFailures = 4;
/** The part of its counts that a suffix leaves with those above it when it closes: 1/8. */
const shareLeftShift = 3;

/** Numbers of labels at which a suffix is judged: each for names as people write them, then zone cuts of ip6.arpa. */
const levels = [2, 3, 4, 5, 6, 8, 10, 14, 18] as const;
const deepestLevel = levels[levels.length - 1]!;
const isLevel = new Uint8Array(deepestLevel + 1);
for (const level of levels) isLevel[level] = 1;

const ways = 4;
/** Suffixes that are remembered. */
const entries = 16_384;
const setShift = 32 - Math.log2(entries / ways);

/** Fields of a suffix; index `suffix * fields + field`. */
const field = {
  tick: 0,
  good: 1,
  bad: 2,
  outstanding: 3,
  closed: 4,
  /** Closed: questions that may go before the trickle's next. */
  credit: 5,
  /**
   * Open: the longer suffix that has most of the failures, if one has more than half (R. Boyer, J. Moore, "MJRTY", 1981).
   */
  child: 6,
  /** Open: by how many it has more. Closed: how many questions were turned away since the last tick. */
  votes: 7,
} as const;
const fields = 8;
/**
 * Until when the guard looks, and when a backend last answered anything (ms); questions that may go to closed suffixes, and when that was
 * so (ms). In an array, for a field of an object would be a new object each time.
 */
const state = { watchUntil: 0, answered: 1, trickle: 2, trickleAt: 3 } as const;

export class Zones {
  /** Whether it guards at all. */
  on = true;
  readonly #closed: () => void;
  readonly #seed: number;
  readonly #tags = new Int32Array(entries);
  readonly #f = new Int32Array(entries * fields);
  /** When the next question of the trickle may go, ms; and the next that has a clean longer suffix. */
  readonly #next = new Float64Array(entries * 2);
  readonly #starts = new Uint8Array(128);
  // The suffixes of the name at hand, from the shortest.
  readonly #places = new Int32Array(levels.length);
  readonly #tagsHere = new Int32Array(levels.length);
  readonly #found = new Int32Array(levels.length);
  #failures = 0;
  #failureTick = 0;
  /** Doubles that change with packets; index `state`. */
  readonly #d = Float64Array.of(-Infinity, -Infinity, trickleRate / 2, 0);

  /**
   * `seed`: 32 unpredictable bits, so that nobody can choose names that share an entry. `closed` is called when a suffix
   * closes.
   */
  constructor(seed: number, closed: () => void) {
    this.#seed = seed;
    this.#closed = closed;
  }

  /**
   * Whether the question for the wire name of `length` bytes at `at`, which the cache could not answer, may be asked of a
   * backend (`admission`). `kind`: that of `kindOf`. `inFlight`: questions of this worker that wait for backends. `now` in ms.
   */
  admit(u8: Uint8Array, at: number, length: number, kind: number, inFlight: number, now: number): number {
    if (!this.on) return admission.free;
    if (inFlight >= inFlightToWatch) this.#d[state.watchUntil] = now + watchTime;
    else if (now >= this.#d[state.watchUntil]!) return admission.free;
    const count = this.#suffixes(u8, at, length, kind);
    const f = this.#f;
    let closed = 0;
    let well = false;
    // 1: a longer suffix than the one at hand is clean.
    let clean = 0;
    for (let i = count - 1; i >= 0; i--) {
      const suffix = this.#find(i, now);
      this.#found[i] = suffix;
      if (suffix < 0) {
        clean = 1;
        continue;
      }
      const e = suffix * fields;
      if (f[e + field.closed] === 0) {
        if (f[e + field.outstanding]! >= this.#room(e, now)) return admission.crowded;
        well ||= this.#well(e);
        if (f[e + field.bad] === 0) clean = 1;
      } else if (!well) {
        f[e + field.votes]!++;
        this.#d[state.watchUntil] = now + watchTime;
        if (f[e + field.credit]! <= 0 && now < this.#next[suffix * 2 + clean]!) return admission.failing;
        closed++;
      }
    }
    if (closed > 0 && !this.#takeFromTrickle(now)) return admission.failing;
    clean = 0;
    for (let i = count - 1; i >= 0; i--) {
      let suffix = this.#found[i]!;
      if (suffix < 0 || this.#tags[suffix] !== this.#tagsHere[i]) suffix = this.#make(i, now);
      const e = suffix * fields;
      f[e + field.outstanding]!++;
      if (f[e + field.closed] === 0) {
        if (f[e + field.bad] === 0) clean = 1;
      } else if (closed > 0) {
        if (f[e + field.credit]! > 0) f[e + field.credit]!--;
        else this.#next[suffix * 2 + clean] = now + trickleGap;
      }
    }
    return admission.counted;
  }

  /**
   * Whether a suffix of the name is closed or likely to be: a failure under it says more of it than of the backend that gave it.
   * `now` in ms.
   */
  doubtful(u8: Uint8Array, at: number, length: number, kind: number, now: number): boolean {
    if (!this.on || now >= this.#d[state.watchUntil]!) return false;
    const f = this.#f;
    for (let i = this.#suffixes(u8, at, length, kind) - 1; i >= 0; i--) {
      const suffix = this.#find(i, now);
      if (suffix < 0) continue;
      const e = suffix * fields;
      if (this.#well(e)) return false;
      if (f[e + field.closed] !== 0) return true;
      if (this.#doubted(e)) return true;
    }
    return false;
  }

  /** What the suffixes have outstanding, added up. For tests. */
  get outstanding(): number {
    let sum = 0;
    for (let suffix = 0; suffix < entries; suffix++) sum += this.#f[suffix * fields + field.outstanding]!;
    return sum;
  }

  /** Outstanding questions that a suffix may have. */
  #room(e: number, now: number): number {
    if (now - this.#d[state.answered]! > answersWithin) return outstandingInSilence;
    if (this.#doubted(e)) return outstandingInDoubt;
    const good = this.#f[e + field.good]!;
    return good >= goodToBeAnswered && good >= this.#f[e + field.bad]! ? outstandingAnswered : outstanding;
  }

  #doubted(e: number): boolean {
    const bad = this.#f[e + field.bad]!;
    return bad >= failuresToDoubt && bad >= failuresToGood * this.#f[e + field.good]!;
  }

  #well(e: number): boolean {
    const good = this.#f[e + field.good]!;
    return good >= goodToBeWell && good >= goodToFailures * this.#f[e + field.bad]!;
  }

  /**
   * A question that `admit` let pass has ended so (`ending`); `counted`: it was told `admission.counted`; `begun`: when it was
   * first asked, ms.
   */
  ended(
    u8: Uint8Array,
    at: number,
    length: number,
    kind: number,
    counted: boolean,
    how: number,
    begun: number,
    now: number,
  ): void {
    // Silence speaks against the name only where backends answered something else meanwhile.
    if (how === ending.silent) how = this.#d[state.answered]! > begun ? ending.bad : ending.unknown;
    else if (how !== ending.unknown) this.#d[state.answered] = now;
    if (!this.on && !counted) return;
    if (how === ending.bad) this.#noteFailure(now);
    if (!counted && (now >= this.#d[state.watchUntil]! || how === ending.unknown)) return;
    const count = this.#suffixes(u8, at, length, kind);
    const f = this.#f;
    // What a suffix that is closed, or well, hears is not told to those above it: they are judged by the rest.
    let told = how !== ending.unknown;
    let well = false;
    for (let i = count - 1; i >= 0; i--) {
      let suffix = this.#find(i, now);
      if (suffix < 0) {
        if (!told || how === ending.badAgain) continue;
        suffix = this.#make(i, now);
      }
      const e = suffix * fields;
      if (counted && f[e + field.outstanding]! > 0) f[e + field.outstanding]!--;
      if (!told) continue;
      if (f[e + field.closed] !== 0) {
        told = false;
        if (!well) this.#hear(e, how);
      } else if (how === ending.good) {
        this.#count(e, field.good, field.bad);
        well ||= this.#well(e);
      } else if (how === ending.bad) {
        this.#count(e, field.bad, field.good);
        this.#vote(e, i + 1 < count ? this.#tagsHere[i + 1]! : 0);
        if (this.#fails(e)) {
          this.#close(suffix, i, now);
          told = false;
        }
      }
    }
  }

  /** A closed suffix hears of one of its trickle. */
  #hear(e: number, how: number): void {
    const f = this.#f;
    if (how !== ending.good) {
      f[e + field.credit] = 0;
      if (++f[e + field.bad]! < mostWhenClosed) return;
      f[e + field.bad]! >>= 1;
      f[e + field.good]! >>= 1;
      return;
    }
    f[e + field.good]!++;
    this.#d[state.trickle] = Math.min(trickleRate, this.#d[state.trickle]! + 1);
    // Each that goes well lets two more pass, so that a zone that is well again is open within a few round trips.
    f[e + field.credit] = Math.min(mostCounted, f[e + field.credit]! + 2);
    if (f[e + field.good]! * shareToOpen >= f[e + field.bad]!) this.#begin(e, 0, 0);
  }

  /** Whether an open suffix has to close. */
  #fails(e: number): boolean {
    const f = this.#f;
    const bad = f[e + field.bad]!;
    if (bad < failuresToClose || bad < failuresToGood * f[e + field.good]!) return false;
    return f[e + field.votes]! * 2 < bad || bad >= failuresInAnyCase;
  }

  /** A failure under an open suffix was one of the longer suffix with tag `child`, or of none (0). */
  #vote(e: number, child: number): void {
    const f = this.#f;
    if (child !== 0 && f[e + field.child] === child) f[e + field.votes]!++;
    else if (f[e + field.votes]! > 0) f[e + field.votes]!--;
    else if (child !== 0) {
      f[e + field.child] = child;
      f[e + field.votes] = 1;
    }
  }

  /** Closes suffix number `i` of the name at hand. Those above it forget most of what it told them. */
  #close(suffix: number, i: number, now: number): void {
    const f = this.#f;
    const e = suffix * fields;
    const good = f[e + field.good]!;
    const bad = f[e + field.bad]!;
    for (let above = 0; above < i; above++) {
      const other = this.#find(above, now);
      if (other < 0) continue;
      const o = other * fields;
      if (f[o + field.closed] !== 0) continue;
      f[o + field.good] = Math.max(0, f[o + field.good]! - (good - (good >> shareLeftShift)));
      f[o + field.bad] = Math.max(0, f[o + field.bad]! - (bad - (bad >> shareLeftShift)));
      f[o + field.votes] = 0;
    }
    this.#begin(e, 1, failuresWhenClosed);
    this.#next.fill(now + trickleGap, suffix * 2, suffix * 2 + 2);
    this.#closed();
  }

  /** Begins anew, closed (1) or open (0). What is outstanding stays. */
  #begin(e: number, closed: number, bad: number): void {
    const f = this.#f;
    f[e + field.closed] = closed;
    f[e + field.good] = 0;
    f[e + field.bad] = bad;
    f[e + field.credit] = 0;
    f[e + field.child] = 0;
    f[e + field.votes] = 0;
  }

  #count(e: number, what: number, counterpart: number): void {
    const f = this.#f;
    if (++f[e + what]! < mostCounted) return;
    f[e + what]! >>= 1;
    f[e + counterpart]! >>= 1;
  }

  #noteFailure(now: number): void {
    const tick = Math.floor(now / halfLife);
    const passed = tick - this.#failureTick;
    if (passed > 0) {
      this.#failures = passed > 30 ? 0 : this.#failures >> passed;
      this.#failureTick = tick;
    }
    if (++this.#failures >= failuresToWatch) this.#d[state.watchUntil] = now + watchTime;
  }

  #takeFromTrickle(now: number): boolean {
    const passed = now - this.#d[state.trickleAt]!;
    if (passed > 0) {
      this.#d[state.trickle] = Math.min(trickleRate, this.#d[state.trickle]! + (passed * trickleRate) / 1000);
      this.#d[state.trickleAt] = now;
    }
    if (this.#d[state.trickle]! < 1) return false;
    this.#d[state.trickle]!--;
    return true;
  }

  /** The entry of suffix number `i` of the name at hand, its counts brought up to date; −1 when there is none. */
  #find(i: number, now: number): number {
    const place = this.#places[i]!;
    const tag = this.#tagsHere[i]!;
    for (let suffix = place; suffix < place + ways; suffix++) {
      if (this.#tags[suffix] !== tag) continue;
      const e = suffix * fields;
      const f = this.#f;
      const tick = Math.floor(now / halfLife);
      if (tick > f[e + field.tick]!) this.#age(e, tick);
      return suffix;
    }
    return -1;
  }

  #age(e: number, tick: number): void {
    const f = this.#f;
    const closed = f[e + field.closed] !== 0;
    let passed = Math.min(30, tick - f[e + field.tick]!);
    f[e + field.tick] = tick;
    // One that is closed and asked for stays so until it hears better; one that nobody asks for begins anew in time.
    if (closed && f[e + field.votes]! > 0) passed--;
    f[e + field.good]! >>= passed;
    f[e + field.bad]! >>= passed;
    f[e + field.votes] = closed ? 0 : f[e + field.votes]! >> passed;
    if (closed && f[e + field.bad]! * shareToOpen < failuresWhenClosed) this.#begin(e, 0, 0);
  }

  /** A new entry for suffix number `i` of the name at hand, in place of the one that matters least. */
  #make(i: number, now: number): number {
    const place = this.#places[i]!;
    const f = this.#f;
    const tick = Math.floor(now / halfLife);
    let least = place;
    let leastWeight = Infinity;
    for (let suffix = place; suffix < place + ways; suffix++) {
      const e = suffix * fields;
      const passed = Math.min(30, Math.max(0, tick - f[e + field.tick]!));
      const heard = (f[e + field.good]! + f[e + field.bad]!) >> passed;
      const weight =
        this.#tags[suffix] === 0
          ? -1
          : heard + f[e + field.outstanding]! + f[e + field.closed]! * mostCounted;
      if (weight < leastWeight) {
        leastWeight = weight;
        least = suffix;
      }
    }
    this.#tags[least] = this.#tagsHere[i]!;
    f.fill(0, least * fields, (least + 1) * fields);
    f[least * fields + field.tick] = tick;
    return least;
  }

  /**
   * Notes the suffixes of a name that are judged, from the shortest; gives how many. The name itself is one only where it is
   * the shortest suffix that may be a zone: a name that fails alone is the failure cache's.
   */
  #suffixes(u8: Uint8Array, at: number, length: number, kind: number): number {
    const starts = this.#starts;
    let labels = 0;
    for (let p = at; p < at + length && u8[p] !== 0; p += u8[p]! + 1) starts[labels++] = p - at;
    const first = shortest(u8, at, starts, labels);
    let hash = this.#seed ^ kind;
    let tag = ~this.#seed ^ Math.imul(kind, 0x9e3779b1);
    let count = 0;
    for (let level = 1; level <= labels && level <= deepestLevel; level++) {
      if (level === labels && level > first) break;
      const begin = at + starts[labels - level]!;
      for (let p = begin, end = begin + u8[begin]!; p <= end; p++) {
        const byte = fold[u8[p]!]!;
        hash = Math.imul(hash ^ byte, 0x9e3779b1);
        hash ^= hash >>> 15;
        tag = Math.imul(tag ^ byte, 0x85ebca6b);
        tag ^= tag >>> 13;
      }
      if (level < first || isLevel[level] === 0) continue;
      this.#places[count] = (Math.imul(hash, 0xc2b2ae35) >>> setShift) * ways;
      this.#tagsHere[count++] = tag | 1;
    }
    return count;
  }
}

/** Second labels below which countries register zones as below a top-level domain. Packed by `pack`. */
const registries = Int32Array.from(
  'co com net org gov edu ac mil or ne go gob gouv govt nom sch nhs asn ltd plc'.split(' '),
  name => [...name].reduce((packed, letter) => (packed << 8) | letter.charCodeAt(0), 0),
);
const arpa = 0x61727061;
const ip6 = 0x697036;

/** The letters of a label of at most four bytes as one word; 0 for a longer one. */
function pack(u8: Uint8Array, at: number): number {
  const length = u8[at]!;
  if (length > 4) return 0;
  let packed = 0;
  for (let i = 1; i <= length; i++) packed = (packed << 8) | fold[u8[at + i]!]!;
  return packed;
}

/** Labels of the shortest suffix that may be one owner's zone: neither a top-level domain nor what countries use as one. */
function shortest(u8: Uint8Array, at: number, starts: Uint8Array, labels: number): number {
  if (labels < 2) return 2;
  const top = at + starts[labels - 1]!;
  const second = at + starts[labels - 2]!;
  // Reverse zones are held by those who hold the addresses: from a /16 of IPv4 and a /32 of IPv6 on.
  if (pack(u8, top) === arpa) return pack(u8, second) === ip6 ? 10 : 4;
  if (u8[top] === 2 && u8[second]! <= 4 && registries.includes(pack(u8, second))) return 3;
  return 2;
}
