/**
 * Which backend has which slot of the board. A backend keeps its slot across reloads as long as its pool, name, address
 * and port stay; a slot is given to another backend only after the last query of the one before has ended.
 */
import { type Board, maxBackends, viewField } from '#balance/board.ts';
import { ChorusError } from '#kit/errors.ts';

/** What makes a backend the same one. */
export type BackendIdentity = {
  readonly pool: string;
  readonly name: string;
  readonly address: string;
  readonly port: number;
};

/** The identity as a key: equal keys, equal backends. */
export function backendKey({ pool, name, address, port }: BackendIdentity): string {
  return JSON.stringify([pool, name, address, port]);
}

/** Slots for one snapshot, not in force before `commit`. */
export type SlotProposal = {
  readonly slots: ReadonlyMap<string, number>;
  /** Keys that had no slot before. */
  readonly fresh: readonly string[];
};

export class Slots {
  readonly #board: Board;
  readonly #used = new Map<string, number>();
  /** Backends that left while queries to them were in flight. */
  readonly #leaving = new Map<string, number>();
  /** Slots of a proposal that is neither in force nor given up: they are not to be freed. */
  #pending: ReadonlySet<number> = new Set();
  /** The one that has been free for longest first: an engine may still be closing what a slot had open. */
  readonly #free: number[] = Array.from({ length: maxBackends }, (_, index) => index);

  constructor(board: Board) {
    this.#board = board;
  }

  /**
   * Finds a slot for each backend. Fresh slots are cleared; their state, and that of one that comes back, is `starting`,
   * so that workers may use them as soon as they commit. Throws BACKENDS_FULL, then nothing has changed. End with `commit` or `abort`, one at a time.
   */
  propose(backends: readonly BackendIdentity[]): SlotProposal {
    this.sweep();
    const keys = new Set(backends.map(backendKey));
    const missing = [...keys].filter(key => !this.#used.has(key) && !this.#leaving.has(key));
    if (missing.length > this.#free.length) {
      throw new ChorusError('BACKENDS_FULL', { count: keys.size, limit: maxBackends });
    }
    const slots = new Map<string, number>();
    for (const key of keys) {
      const leaving = this.#leaving.get(key);
      // Usable as soon as workers commit, like a fresh one: health speaks only after that.
      if (leaving !== undefined) this.#board.setState(leaving, 'starting');
      const known = this.#used.get(key) ?? leaving;
      slots.set(key, known ?? this.#take());
    }
    this.#pending = new Set(slots.values());
    return { slots, fresh: missing };
  }

  /** Puts a proposal in force; backends that are not in it leave. */
  commit(proposal: SlotProposal): void {
    this.#pending = new Set();
    for (const [key, slot] of this.#used) {
      if (!proposal.slots.has(key)) this.#leaving.set(key, slot);
    }
    this.#used.clear();
    for (const [key, slot] of proposal.slots) {
      this.#used.set(key, slot);
      this.#leaving.delete(key);
    }
  }

  /** Gives back what a proposal took. */
  abort(proposal: SlotProposal): void {
    this.#pending = new Set();
    for (const key of proposal.fresh) this.#release(proposal.slots.get(key)!);
    for (const [key, slot] of this.#leaving)
      if (proposal.slots.has(key)) this.#board.setState(slot, 'absent');
  }

  /** Frees the slots of backends that left and have no query in flight any more; gives how many still leave. */
  sweep(): number {
    for (const [key, slot] of this.#leaving) {
      if (this.#pending.has(slot) || this.#outstanding(slot) > 0) continue;
      this.#leaving.delete(key);
      this.#release(slot);
    }
    return this.#leaving.size;
  }

  #take(): number {
    const slot = this.#free.shift()!;
    this.#board.clear(slot);
    this.#board.setState(slot, 'starting');
    return slot;
  }

  #release(slot: number): void {
    this.#board.setState(slot, 'absent');
    this.#free.push(slot);
  }

  #outstanding(slot: number): number {
    let sum = 0;
    for (let worker = 0; worker < this.#board.workers; worker++)
      sum += this.#board.view(worker)[slot * viewField.size + viewField.outstanding]!;
    return sum;
  }
}
