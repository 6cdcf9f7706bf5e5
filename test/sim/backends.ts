/** The nameservers behind the front, as a model: what becomes of a query that reaches one, and when. */
import type { Chance } from './chance.ts';
import { type Names, nameKind, zoneOf } from './names.ts';

/** What may be wrong with a backend, or with what stands behind it. */
export const faultKinds = [
  /** Nothing comes back. */
  'silent',
  /** Its process is dead: the kernel says so (ICMP), connections are reset. */
  'killed',
  /** Dead, and its host bounds what it says (Linux: six at once, then one a second to each peer). */
  'killed-quietly',
  /** Stopped: what comes in is answered when the fault ends. */
  'stalled',
  'servfail',
  'refused',
  /** Answers `ms` later than it would. */
  'slow',
  'drops',
  /** Answers with an id that nobody used. */
  'wrong-id',
  /** Answers another question than was asked, with the right id. */
  'wrong-question',
  /** Noise behind the right id. */
  'garbage',
  /** The right answer, cut off somewhere. */
  'cut',
  /** FORMERR to all that has EDNS, as old servers do. */
  'formerr-edns',
  /** NXDOMAIN for names that exist. */
  'lies',
  /** TC set on every answer over UDP. */
  'truncates',
  /** Everything twice. */
  'doubles',
  /** What it does not know by heart takes forever: its way to the Internet is cut. */
  'uplink',
  /** The authoritative servers of zone `zone` fail: SERVFAIL after `ms`. Of `all` backends, as a rule. */
  'zone-fails',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** A fault, from … until (ms of the run). It hits `share` of the queries (absent: all). */
export type Fault = {
  readonly kind: FaultKind;
  readonly backend: number | 'all';
  readonly from: number;
  readonly until: number;
  readonly share?: number;
  readonly ms?: number;
  readonly zone?: number;
};

/** How backends are when nothing is wrong. Times in ms. */
export type BackendModel = {
  /** The way there and back: median, and deviation of the logarithm. */
  readonly way: number;
  readonly waySpread: number;
  /** Share of the questions that it knows by heart, and how long the others take. */
  readonly known: number;
  readonly search: number;
  readonly searchSpread: number;
  /** How long names with slow authoritative servers take, and until it gives up on dead ones. */
  readonly slow: number;
  readonly dead: number;
  /** Queries per second that it can do; what would wait longer than `queue` ms is lost. 0: no bound. */
  readonly capacity: number;
  readonly queue: number;
};

export const defaultBackend: BackendModel = {
  way: 0.3,
  waySpread: 0.3,
  known: 1,
  search: 25,
  searchSpread: 0.8,
  slow: 800,
  dead: 2500,
  capacity: 0,
  queue: 400,
};

/** What comes back. */
export const outcome = {
  nothing: 0,
  /** What is true of the name. */
  truth: 1,
  servfail: 2,
  /** SERVFAIL with EDE 6. */
  bogus: 3,
  refused: 4,
  formerr: 5,
  lie: 6,
  wrongId: 7,
  wrongQuestion: 8,
  garbage: 9,
  cut: 10,
  truncated: 11,
  /** The network's word that nobody listens. */
  unreachable: 12,
} as const;
export const outcomeNames = Object.keys(outcome);

const icmpBurst = 6;
const icmpEvery = 1000;

export class Backends {
  /** The result of `decide`: what comes back, after how many ms, and whether twice. */
  outcome = 0;
  delay = 0;
  twice = false;
  readonly #model: BackendModel;
  readonly #names: Names;
  readonly #chance: Chance;
  readonly #faults: readonly Fault[];
  readonly #freeAt: Float64Array;
  readonly #icmpLeft: Float64Array;
  readonly #icmpAt: Float64Array;

  constructor(count: number, model: BackendModel, names: Names, faults: readonly Fault[], chance: Chance) {
    this.#model = model;
    this.#names = names;
    this.#faults = faults;
    this.#chance = chance;
    this.#freeAt = new Float64Array(count);
    this.#icmpLeft = new Float64Array(count).fill(icmpBurst);
    this.#icmpAt = new Float64Array(count);
  }

  /**
   * What backend `backend` does with a query that leaves the front at `now`: for name `name` (−1: one that every resolver
   * knows), with or without EDNS and CD, over UDP or TCP.
   */
  decide(backend: number, name: number, edns: boolean, cd: boolean, stream: boolean, now: number): void {
    const chance = this.#chance;
    const model = this.#model;
    this.twice = false;
    this.delay = chance.lognormal(model.way, model.waySpread);
    if (!this.#served(backend, now)) {
      this.outcome = outcome.nothing;
      return;
    }
    this.#resolve(name, cd, stream);
    for (const fault of this.#faults) {
      if (now < fault.from || now >= fault.until) continue;
      if (fault.backend !== 'all' && fault.backend !== backend) continue;
      if (!chance.happens(fault.share ?? 1)) continue;
      this.#suffer(fault, backend, name, edns, stream, now);
    }
  }

  /** Whether a backend of bounded strength takes the query on; adds the wait to the delay. */
  #served(backend: number, now: number): boolean {
    const { capacity, queue } = this.#model;
    if (capacity === 0) return true;
    const wait = Math.max(0, this.#freeAt[backend]! - now);
    if (wait > queue) return false;
    this.#freeAt[backend] = now + wait + 1000 / capacity;
    this.delay += wait;
    return true;
  }

  #resolve(name: number, cd: boolean, stream: boolean): void {
    const chance = this.#chance;
    const model = this.#model;
    this.outcome = outcome.truth;
    if (name < 0) return;
    const kind = this.#names.kindOf(name);
    if (!this.#known(name)) this.delay += chance.lognormal(model.search, model.searchSpread);
    if (kind === nameKind.slow) this.delay += chance.lognormal(model.slow, 0.5);
    else if (kind === nameKind.dead) {
      this.delay += chance.lognormal(model.dead, 0.2);
      this.outcome = outcome.servfail;
    } else if (kind === nameKind.bogus && !cd) this.outcome = outcome.servfail;
    else if (kind === nameKind.bogusTold && !cd) this.outcome = outcome.bogus;
    else if (kind === nameKind.large && !stream) this.outcome = outcome.truncated;
  }

  /** What one resolver knows by heart they all do: it is what everybody asks for. */
  #known(name: number): boolean {
    return this.#model.known >= 1 || this.#names.roll(name, 2) < this.#model.known;
  }

  #suffer(fault: Fault, backend: number, name: number, edns: boolean, stream: boolean, now: number): void {
    const ms = fault.ms ?? 0;
    switch (fault.kind) {
      case 'silent':
      case 'drops':
        this.outcome = outcome.nothing;
        return;
      case 'killed':
      case 'killed-quietly':
        this.delay = this.#chance.lognormal(this.#model.way, this.#model.waySpread);
        this.outcome =
          fault.kind === 'killed' || stream || this.#mayTell(backend, now)
            ? outcome.unreachable
            : outcome.nothing;
        return;
      case 'stalled':
        this.delay += fault.until - now;
        return;
      case 'slow':
        this.delay += ms;
        return;
      case 'servfail':
        this.#instead(outcome.servfail);
        return;
      case 'refused':
        this.#instead(outcome.refused);
        return;
      case 'formerr-edns':
        if (edns) this.#instead(outcome.formerr);
        return;
      case 'lies':
        this.#instead(outcome.lie);
        return;
      case 'wrong-id':
        this.#instead(outcome.wrongId);
        return;
      case 'wrong-question':
        this.#instead(outcome.wrongQuestion);
        return;
      case 'garbage':
        this.#instead(outcome.garbage);
        return;
      case 'cut':
        this.#instead(outcome.cut);
        return;
      case 'truncates':
        if (!stream) this.#instead(outcome.truncated);
        return;
      case 'doubles':
        this.twice = true;
        return;
      case 'uplink':
        if (name >= 0 && !this.#known(name)) this.outcome = outcome.nothing;
        return;
      case 'zone-fails':
        if (name < 0 || zoneOf(name) !== fault.zone) return;
        this.delay += ms;
        this.outcome = outcome.servfail;
        return;
      default:
        throw new TypeError(`no fault is called ${fault.kind satisfies never}`);
    }
  }

  /** Answers so, at once: what fails fast does not resolve first. What was silent stays silent. */
  #instead(what: number): void {
    if (this.outcome === outcome.nothing || this.outcome === outcome.unreachable) return;
    this.outcome = what;
    this.delay = this.#chance.lognormal(this.#model.way, this.#model.waySpread);
  }

  /** Whether the host of a dead process sends another ICMP message. */
  #mayTell(backend: number, now: number): boolean {
    const left = Math.min(icmpBurst, this.#icmpLeft[backend]! + (now - this.#icmpAt[backend]!) / icmpEvery);
    this.#icmpAt[backend] = now;
    this.#icmpLeft[backend] = left >= 1 ? left - 1 : left;
    return left >= 1;
  }
}
