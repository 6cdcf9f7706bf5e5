/**
 * Who of all that wait gives way when a table is full: the newest work of the network of clients that has most. Things are
 * numbered from 1; each belongs to a network. Networks with as many things as each other form a list, so that the heaviest
 * and its newest thing are found, and anything is added and removed, in a few memory accesses.
 *
 * The books are kept only while a table is more than half full (`on`), because each query pays for them.
 */

const none = 0;

export class Fairness {
  /** Whether books are kept. */
  on = false;
  readonly #shift: number;
  // By thing.
  readonly #networkOf: Int32Array;
  readonly #newer: Int32Array;
  readonly #older: Int32Array;
  // By network, a number from 1.
  readonly #high: Int32Array;
  readonly #low: Int32Array;
  readonly #count: Int32Array;
  readonly #newest: Int32Array;
  /** In its chain of the hash table; in the list of free ones. */
  readonly #chain: Int32Array;
  /** Neighbours among those with as many things. */
  readonly #next: Int32Array;
  readonly #previous: Int32Array;
  readonly #hash: Int32Array;
  readonly #seed: number;
  /** First of the networks with so many things. */
  readonly #withCount: Int32Array;
  #free = none;
  #used = 0;
  #most = 0;

  /** For things numbered 1 … things. `seed`: 32 unpredictable bits. Memory is touched only while `on`. */
  constructor(things: number, seed: number) {
    this.#seed = seed;
    const column = () => new Int32Array(things + 1);
    this.#networkOf = column();
    this.#newer = column();
    this.#older = column();
    this.#high = column();
    this.#low = column();
    this.#count = column();
    this.#newest = column();
    this.#chain = column();
    this.#next = column();
    this.#previous = column();
    this.#withCount = column();
    const bits = Math.max(4, Math.ceil(Math.log2(things)));
    this.#hash = new Int32Array(2 ** bits);
    this.#shift = 32 - bits;
  }

  /** Begins with empty books. */
  begin(): void {
    this.on = true;
    this.#networkOf.fill(0);
    this.#hash.fill(0);
    this.#withCount.fill(0);
    this.#free = none;
    this.#used = 0;
    this.#most = 0;
  }

  /** Keeps no books any more. */
  end(): void {
    this.on = false;
  }

  /** Things of the network that has most; 0 when there is none. */
  get most(): number {
    return this.#most;
  }

  /** Things of the network with this key. */
  of(high: number, low: number): number {
    const network = this.#find(high, low);
    return network === none ? 0 : this.#count[network]!;
  }

  /** The newest thing of the network that has most; 0 when there is none. */
  get first(): number {
    return this.#most === 0 ? none : this.#newest[this.#withCount[this.#most]!]!;
  }

  /** The next older thing of the same network; 0 when there is none. */
  after(thing: number): number {
    return this.#older[thing]!;
  }

  /** A thing that is not in the books belongs to the network with this key, and is its newest. */
  add(thing: number, high: number, low: number): void {
    let network = this.#find(high, low);
    if (network === none) network = this.#enter(high, low);
    this.#networkOf[thing] = network;
    const newest = this.#newest[network]!;
    this.#older[thing] = newest;
    this.#newer[thing] = none;
    if (newest !== none) this.#newer[newest] = thing;
    this.#newest[network] = thing;
    this.#leaveCount(network);
    const count = ++this.#count[network]!;
    this.#joinCount(network);
    if (count > this.#most) this.#most = count;
  }

  /** Takes a thing out of the books; one that is not in them is let be. */
  remove(thing: number): void {
    const network = this.#networkOf[thing]!;
    if (network === none) return;
    this.#networkOf[thing] = none;
    const newer = this.#newer[thing]!;
    const older = this.#older[thing]!;
    if (newer === none) this.#newest[network] = older;
    else this.#older[newer] = older;
    if (older !== none) this.#newer[older] = newer;
    this.#leaveCount(network);
    const count = --this.#count[network]!;
    if (count === 0) this.#forget(network);
    else this.#joinCount(network);
    // The network with most went down by one: it is among those with one less, or there is none.
    if (this.#most > 0 && this.#withCount[this.#most] === none) this.#most--;
  }

  #chainOf(high: number, low: number): number {
    let hash = Math.imul(this.#seed ^ high, 0x85ebca6b);
    hash ^= hash >>> 13;
    hash = Math.imul(hash ^ low, 0xc2b2ae35);
    hash ^= hash >>> 16;
    return Math.imul(hash, 0x9e3779b1) >>> this.#shift;
  }

  #find(high: number, low: number): number {
    let network = this.#hash[this.#chainOf(high, low)]!;
    while (network !== none && (this.#high[network] !== high || this.#low[network] !== low)) {
      network = this.#chain[network]!;
    }
    return network;
  }

  #enter(high: number, low: number): number {
    let network = this.#free;
    if (network === none) network = ++this.#used;
    else this.#free = this.#chain[network]!;
    this.#high[network] = high;
    this.#low[network] = low;
    this.#count[network] = 0;
    this.#newest[network] = none;
    const chain = this.#chainOf(high, low);
    this.#chain[network] = this.#hash[chain]!;
    this.#hash[chain] = network;
    return network;
  }

  #forget(network: number): void {
    const chain = this.#chainOf(this.#high[network]!, this.#low[network]!);
    let at = this.#hash[chain]!;
    if (at === network) this.#hash[chain] = this.#chain[network]!;
    else {
      while (this.#chain[at] !== network) at = this.#chain[at]!;
      this.#chain[at] = this.#chain[network]!;
    }
    this.#chain[network] = this.#free;
    this.#free = network;
  }

  #leaveCount(network: number): void {
    const count = this.#count[network]!;
    if (count === 0) return;
    const next = this.#next[network]!;
    const previous = this.#previous[network]!;
    if (previous === none) this.#withCount[count] = next;
    else this.#next[previous] = next;
    if (next !== none) this.#previous[next] = previous;
  }

  #joinCount(network: number): void {
    const count = this.#count[network]!;
    const head = this.#withCount[count]!;
    this.#next[network] = head;
    this.#previous[network] = none;
    if (head !== none) this.#previous[head] = network;
    this.#withCount[count] = network;
  }
}
