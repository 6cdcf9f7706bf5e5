/**
 * Questions as they were sent: each attempt is one message to one backend on one channel. A query in flight has one or, when it is
 * hedged or asked again, several. An attempt whose query has ended without it is an orphan: its answer still tells
 * something about its backend. A table of a fixed size; attempts are numbers from 1.
 */

/** Attempts under way at once, in one worker. */
export const maxAttempts = 81_920;

const crowdedFrom = (maxAttempts * 7) / 8;

/** Fields of an attempt; index `attempt * attemptFields + field`. */
export const attemptField = {
  /** Chain of (channel, id); free list. */
  next: 0,
  nextOfChannel: 1,
  previousOfChannel: 2,
  channel: 3,
  id: 4,
  slot: 5,
  /** The query; 0: an orphan. */
  query: 6,
  /** The next attempt of the same query. */
  nextOfQuery: 7,
  marks: 8,
  /** An orphan: hash of the name it asked for, and its type, to know its answer by. */
  nameHash: 9,
  type: 10,
} as const;
const fields = 11;

/**
 * Marks of an attempt. `troubled`: the network says that it is lost, which may be forged. `doubted`: an answer came that does
 * not fit. `blamed`: the backend has been blamed, or is not to be. `overdue`: it took longer than the hedge delay.
 * `company`: asked because another took long. What is slow there may well be slow here, so silence is no evidence.
 */
export const attemptMark = {
  stream: 1,
  troubled: 2,
  doubted: 4,
  blamed: 8,
  timedOut: 16,
  overdue: 32,
  company: 64,
} as const;

const buckets = 32_768;
const bucketShift = 17;

export class Attempts {
  readonly #f = new Int32Array((maxAttempts + 1) * fields);
  /** When each was sent, ms. */
  readonly sent: Float64Array = new Float64Array(maxAttempts + 1);
  /** When an orphan is waited for no more, ms. */
  readonly deadline: Float64Array = new Float64Array(maxAttempts + 1);
  count = 0;
  readonly #byId = new Int32Array(buckets);
  readonly #byChannel: Int32Array;
  #free = 0;
  #used = 0;

  /** `channels`: bound of channel numbers. */
  constructor(channels: number) {
    this.#byChannel = new Int32Array(channels);
  }

  get(attempt: number, name: number): number {
    return this.#f[attempt * fields + name]!;
  }
  set(attempt: number, name: number, value: number): void {
    this.#f[attempt * fields + name] = value;
  }
  /** Whether the attempt has the mark. */
  is(attempt: number, mark: number): boolean {
    return (this.#f[attempt * fields + attemptField.marks]! & mark) !== 0;
  }
  mark(attempt: number, mark: number): void {
    this.#f[attempt * fields + attemptField.marks]! |= mark;
  }

  /** Whether there is little room left: none is kept then for what nobody waits for. */
  get crowded(): boolean {
    return this.count >= crowdedFrom;
  }

  get full(): boolean {
    return this.#free === 0 && this.#used === maxAttempts;
  }

  #bucket(channel: number, id: number): number {
    return (Math.imul(channel, 0x9e3779b1) ^ Math.imul(id, 0x85ebca6b)) >>> bucketShift;
  }

  /** Enters an attempt, found by channel and id from now on; 0 when the table is full. */
  add(query: number, slot: number, channel: number, id: number, marks: number, now: number): number {
    let attempt = this.#free;
    if (attempt !== 0) this.#free = this.get(attempt, attemptField.next);
    else if (this.#used < maxAttempts) attempt = ++this.#used;
    else return 0;
    const f = this.#f;
    const at = attempt * fields;
    const bucket = this.#bucket(channel, id);
    const head = this.#byChannel[channel]!;
    f[at + attemptField.next] = this.#byId[bucket]!;
    this.#byId[bucket] = attempt;
    f[at + attemptField.nextOfChannel] = head;
    f[at + attemptField.previousOfChannel] = 0;
    if (head !== 0) this.set(head, attemptField.previousOfChannel, attempt);
    this.#byChannel[channel] = attempt;
    f[at + attemptField.channel] = channel;
    f[at + attemptField.id] = id;
    f[at + attemptField.slot] = slot;
    f[at + attemptField.query] = query;
    f[at + attemptField.nextOfQuery] = 0;
    f[at + attemptField.marks] = marks;
    this.sent[attempt] = now;
    this.count++;
    return attempt;
  }

  /** The attempt that waits on `channel` with this id; 0 when there is none. */
  find(channel: number, id: number): number {
    let attempt = this.#byId[this.#bucket(channel, id)]!;
    while (
      attempt !== 0 &&
      (this.get(attempt, attemptField.id) !== id || this.get(attempt, attemptField.channel) !== channel)
    ) {
      attempt = this.get(attempt, attemptField.next);
    }
    return attempt;
  }

  /** One of the attempts on `channel`; follow with the field `nextOfChannel`. 0 when there is none. */
  anyOf(channel: number): number {
    return this.#byChannel[channel] ?? 0;
  }

  /** Takes an attempt out. The caller has taken it off its query. */
  remove(attempt: number): void {
    const channel = this.get(attempt, attemptField.channel);
    const bucket = this.#bucket(channel, this.get(attempt, attemptField.id));
    const after = this.get(attempt, attemptField.next);
    let at = this.#byId[bucket]!;
    if (at === attempt) this.#byId[bucket] = after;
    else {
      while (this.get(at, attemptField.next) !== attempt) at = this.get(at, attemptField.next);
      this.set(at, attemptField.next, after);
    }
    const next = this.get(attempt, attemptField.nextOfChannel);
    const previous = this.get(attempt, attemptField.previousOfChannel);
    if (previous === 0) this.#byChannel[channel] = next;
    else this.set(previous, attemptField.nextOfChannel, next);
    if (next !== 0) this.set(next, attemptField.previousOfChannel, previous);
    this.set(attempt, attemptField.next, this.#free);
    this.#free = attempt;
    this.count--;
  }
}
