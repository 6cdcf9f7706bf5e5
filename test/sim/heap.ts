/** What is to happen, in the order of time; what is due at one time comes in the order in which it was planned. */

const minimum = 1024;

/** A binary heap in typed arrays: an event is a kind and two numbers, and costs no allocation. */
export class Events {
  /** The event that `next` took. */
  at = 0;
  kind = 0;
  a = 0;
  b = 0;
  #count = 0;
  #serial = 0;
  #capacity = minimum;
  /** By place in the heap: when, and which node. */
  #times = new Float64Array(minimum);
  #nodes = new Int32Array(minimum);
  /** By node. */
  #serials = new Float64Array(minimum);
  #kinds = new Uint8Array(minimum);
  #as = new Int32Array(minimum);
  #bs = new Int32Array(minimum);
  /** Nodes beyond `#count` places of `#nodes` are the free ones. */
  constructor() {
    for (let i = 0; i < minimum; i++) this.#nodes[i] = i;
  }

  get count(): number {
    return this.#count;
  }
  /** When the next event is due; Infinity when there is none. */
  get due(): number {
    return this.#count === 0 ? Infinity : this.#times[0]!;
  }

  plan(at: number, kind: number, a: number, b: number): void {
    if (this.#count === this.#capacity) this.#grow();
    const times = this.#times;
    const nodes = this.#nodes;
    let place = this.#count++;
    const node = nodes[place]!;
    this.#serials[node] = this.#serial++;
    this.#kinds[node] = kind;
    this.#as[node] = a;
    this.#bs[node] = b;
    // The newest has the highest serial: among equals it stays behind.
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (times[parent]! <= at) break;
      times[place] = times[parent]!;
      nodes[place] = nodes[parent]!;
      place = parent;
    }
    times[place] = at;
    nodes[place] = node;
  }

  /** Takes the next event into the fields; false when there is none. */
  next(): boolean {
    if (this.#count === 0) return false;
    const times = this.#times;
    const nodes = this.#nodes;
    const taken = nodes[0]!;
    this.at = times[0]!;
    this.kind = this.#kinds[taken]!;
    this.a = this.#as[taken]!;
    this.b = this.#bs[taken]!;
    const count = --this.#count;
    const at = times[count]!;
    const node = nodes[count]!;
    nodes[count] = taken;
    if (count === 0) return true;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= count) break;
      if (child + 1 < count && this.#before(child + 1, child)) child++;
      const childAt = times[child]!;
      if (childAt > at || (childAt === at && this.#serials[nodes[child]!]! > this.#serials[node]!)) break;
      times[place] = childAt;
      nodes[place] = nodes[child]!;
      place = child;
    }
    times[place] = at;
    nodes[place] = node;
    return true;
  }

  #before(one: number, other: number): boolean {
    const a = this.#times[one]!;
    const b = this.#times[other]!;
    return a < b || (a === b && this.#serials[this.#nodes[one]!]! < this.#serials[this.#nodes[other]!]!);
  }

  #grow(): void {
    const capacity = this.#capacity * 2;
    this.#times = copied(this.#times, new Float64Array(capacity));
    this.#nodes = copied(this.#nodes, new Int32Array(capacity));
    this.#serials = copied(this.#serials, new Float64Array(capacity));
    this.#kinds = copied(this.#kinds, new Uint8Array(capacity));
    this.#as = copied(this.#as, new Int32Array(capacity));
    this.#bs = copied(this.#bs, new Int32Array(capacity));
    for (let i = this.#capacity; i < capacity; i++) this.#nodes[i] = i;
    this.#capacity = capacity;
  }
}

function copied<T extends Float64Array | Int32Array | Uint8Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
