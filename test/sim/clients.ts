/**
 * The clients: stubs as they are in operating systems. One asks a server, waits (5 s), asks the next one with a new id, and
 * gives up after so many; it asks the next at once after SERVFAIL or REFUSED, and the same one over TCP after TC. Questions
 * come at random times whether or not earlier ones were answered.
 *
 * A packet that a stub sends is a *transmission*. Its number is in its source address and port, so that each reply is
 * known to belong to one of them.
 */
import { origin } from '#front/ports.ts';
import { Chance, Zipf } from './chance.ts';
import { kinds } from './kinds.ts';
import { queryFlag, reading, readings, readReply, seen, writeQuery } from './messages.ts';
import { type Names, nameBound, nameKind, stormNames, zoneOf } from './names.ts';
import type { Report } from './report.ts';
import type { Scenario } from './scenario.ts';
import type { Tracer } from './tracer.ts';

const portsUsed = 60_000;
const firstPort = 1024;
const free = 0;
/** The stub waits for it. */
const active = 1;
/** The stub has gone on, or given up; the front does not know. */
const abandoned = 2;
const fewest = 4096;
/** A failure in such a name is no fault of the farm's. */
const excused = new Set<number>([nameKind.bogus, nameKind.bogusTold, nameKind.dead]);

/** The rest of the farm, as clients see it. */
export interface Ground {
  readonly workers: number;
  plan(at: number, kind: number, a: number, b: number): void;
  /** A packet of transmission `t` reaches worker `worker`. */
  arrive(worker: number, t: number): void;
  /** A transmission waits for a question, in so many packets; 0: it waits no more. */
  waiting(worker: number, question: number, packets: number): void;
}

/** What makes two questions one: name, type and flags (of queryFlag). */
export function questionKey(name: number, type: number, flags: number): number {
  return (name << 7) | (type << 5) | flags;
}

export class Clients {
  /** Transmissions that the front has not answered yet. */
  open = 0;
  readonly #scenario: Scenario;
  readonly #names: Names;
  readonly #report: Report;
  readonly #tracer: Tracer;
  readonly #ground: Ground;
  readonly #timing: Chance;
  readonly #content: Chance;
  readonly #zipf: Zipf | null;
  readonly #stormZipf: Zipf | null;
  readonly #begin: number;
  #serial = 0;

  // Columns of transmissions.
  #capacity = 0;
  #state = new Uint8Array(0);
  #id = new Uint16Array(0);
  #name = new Int32Array(0);
  #letters = new Int32Array(0);
  #type = new Uint8Array(0);
  #flags = new Uint8Array(0);
  #client = new Int32Array(0);
  #tries = new Uint8Array(0);
  #stream = new Uint8Array(0);
  #server = new Uint8Array(0);
  #started = new Float64Array(0);
  #sentAt = new Float64Array(0);
  #arrivals = new Uint8Array(0);
  #replies = new Uint8Array(0);
  /** How often the number was used: tells an old patience from a new one. */
  #use = new Int32Array(0);
  /** Free numbers, used in turn, so that a reply that comes too late or twice finds nobody. */
  #freeRing = new Int32Array(0);
  #freeFirst = 0;
  #freeCount = 0;

  // Patience: all wait equally long, so it ends in the order in which it began.
  #patience = new Int32Array(fewest * 2);
  #patienceAt = new Float64Array(fewest);
  #patienceFirst = 0;
  #patienceCount = 0;

  constructor(
    scenario: Scenario,
    names: Names,
    seed: number,
    begin: number,
    report: Report,
    tracer: Tracer,
    ground: Ground,
  ) {
    this.#scenario = scenario;
    this.#names = names;
    this.#begin = begin;
    this.#report = report;
    this.#tracer = tracer;
    this.#ground = ground;
    this.#timing = new Chance(seed, 1);
    this.#content = new Chance(seed, 2);
    const { names: count, exponent } = scenario.clients;
    this.#zipf = count === 'unique' ? null : new Zipf(count, exponent);
    const storm = scenario.storm;
    this.#stormZipf = storm && storm.names !== 'random' ? new Zipf(storm.names, exponent) : null;
    this.#grow();
  }

  /** Plans the first questions. */
  begin(): void {
    const { clients, storm } = this.#scenario;
    if (clients.rate > 0) this.#planNext(this.#begin, clients.rate, kinds.arrival);
    if (storm) this.#planNext(this.#begin + storm.from, storm.rate, kinds.stormArrival);
  }

  #planNext(from: number, rate: number, kind: number): void {
    this.#ground.plan(from + this.#timing.exponential(1000 / rate), kind, 0, 0);
  }

  /** A new question of every day. */
  arrival(now: number): void {
    const { clients, duration } = this.#scenario;
    if (now >= this.#begin + duration) return;
    this.#planNext(now, clients.rate, kinds.arrival);
    const name = this.#zipf ? this.#zipf.draw(this.#content) : this.#serial++ % stormNames;
    this.#ask(name, now);
  }

  /** A new question of the storm. */
  stormArrival(now: number): void {
    const storm = this.#scenario.storm;
    if (!storm || now >= this.#begin + Math.min(storm.until, this.#scenario.duration)) return;
    this.#planNext(now, storm.rate, kinds.stormArrival);
    const number = this.#stormZipf ? this.#stormZipf.draw(this.#content) : this.#serial++;
    // In the storm's zone: a name's zone is its number modulo 64.
    this.#ask(((stormNames + number * 64 + storm.zone) % nameBound) | stormNames, now);
  }

  #ask(name: number, now: number): void {
    const { clients } = this.#scenario;
    const chance = this.#content;
    let flags = 0;
    if (chance.happens(clients.edns)) flags |= queryFlag.edns;
    if ((flags & queryFlag.edns) !== 0 && chance.happens(clients.dnssecOk)) flags |= queryFlag.dnssecOk;
    if (chance.happens(clients.cd)) flags |= queryFlag.cd;
    if (chance.happens(clients.updates)) flags = queryFlag.update;
    const type = chance.happens(0.25) ? 1 : 0;
    const letters = chance.happens(clients.mixed) ? chance.word() : 0;
    const client = chance.below(clients.count);
    const stream = chance.happens(clients.tcp);
    this.#report.lookups++;
    this.#send(name, letters, type, flags, client, 1, chance.below(clients.servers), stream, now, now);
  }

  #send(
    name: number,
    letters: number,
    type: number,
    flags: number,
    client: number,
    tries: number,
    server: number,
    stream: boolean,
    started: number,
    now: number,
  ): void {
    if (this.#freeCount < fewest / 2) this.#grow();
    const chance = this.#content;
    const t = this.#freeRing[this.#freeFirst]!;
    this.#freeFirst = (this.#freeFirst + 1) % this.#freeRing.length;
    this.#freeCount--;
    this.#state[t] = active;
    this.#id[t] = chance.below(65_536);
    this.#name[t] = name;
    this.#letters[t] = letters;
    this.#type[t] = type;
    this.#flags[t] = flags;
    this.#client[t] = client;
    this.#tries[t] = tries;
    this.#server[t] = server;
    this.#stream[t] = stream ? 1 : 0;
    this.#started[t] = started;
    this.#sentAt[t] = now;
    this.#arrivals[t] = 0;
    this.#replies[t] = 0;
    this.#startPatience(t, now);
    const lost = !stream && chance.happens(this.#scenario.clients.loss);
    if (this.#tracer.speaking) {
      const how = `${stream ? ' over TCP' : ''}${lost ? ', lost' : ''}`;
      this.#tracer.say(now, `client ${client} asks ${this.#text(t)}, try ${tries}${how}`);
    }
    if (lost) return;
    const copies = !stream && chance.happens(this.#scenario.clients.doubled) ? 2 : 1;
    // Both are counted before the first goes: it may be answered at once.
    this.#arrivals[t] = copies;
    this.open += copies;
    const worker = (Math.imul(t, 0x9e3779b1) >>> 8) % this.#ground.workers;
    this.#ground.waiting(worker, questionKey(name, type, flags), copies);
    for (let i = 0; i < copies; i++) this.#ground.arrive(worker, t);
  }

  /** Writes the packet of transmission `t` at `at`, and its origin at `from`; gives its length. */
  write(u8: Uint8Array, i32: Int32Array, at: number, from: number, t: number): number {
    const port = firstPort + (t % portsUsed);
    u8[from + origin.family] = 2;
    u8[from + origin.family + 1] = 0;
    u8[from + origin.port] = port >> 8;
    u8[from + origin.port + 1] = port;
    u8[from + origin.address4] = 10;
    u8[from + origin.address4 + 1] = this.#client[t]! >> 8;
    u8[from + origin.address4 + 2] = this.#client[t]!;
    u8[from + origin.address4 + 3] = 1 + Math.floor(t / portsUsed);
    i32[(from + origin.length) >> 2] = 16;
    i32[(from + origin.transport) >> 2] = this.#stream[t]!;
    return writeQuery(
      u8,
      at,
      this.#id[t]!,
      this.#name[t]!,
      this.#letters[t]!,
      this.#type[t]!,
      this.#flags[t]!,
    );
  }

  /** A reply of `length` bytes at `at` from worker `worker`, to the origin at `from`. */
  reply(u8: Uint8Array, from: number, at: number, length: number, worker: number, now: number): void {
    const port = (u8[from + origin.port]! << 8) | u8[from + origin.port + 1]!;
    const t = port - firstPort + (u8[from + origin.address4 + 3]! - 1) * portsUsed;
    const report = this.#report;
    if (t < 0 || t >= this.#capacity || this.#state[t] === free) {
      report.violate(now, `a reply to nobody, or a second one to transmission ${t}`);
      return;
    }
    const first = this.#replies[t] === 0;
    if (++this.#replies[t]! > this.#arrivals[t]!) {
      report.violate(
        now,
        `${this.#replies[t]} replies to ${this.#text(t)}, which arrived ${this.#arrivals[t]} times`,
      );
      return;
    }
    this.open--;
    const name = this.#name[t]!;
    const flags = this.#flags[t]!;
    if (first) this.#ground.waiting(worker, questionKey(name, this.#type[t]!, flags), 0);
    const read = readReply(
      u8,
      at,
      length,
      this.#id[t]!,
      name,
      this.#letters[t]!,
      this.#type[t]!,
      flags,
      this.#names,
    );
    report.replied(now - this.#sentAt[t]!);
    this.#tracer.note(now, kinds.reply, t, read);
    if (this.#tracer.speaking) {
      const ede = seen.ede < 0 ? '' : ` (EDE ${seen.ede})`;
      const since = (now - this.#sentAt[t]!).toFixed(2);
      this.#tracer.say(now, `reply to ${this.#text(t)}: ${readings[read]}${ede} after ${since} ms`);
    }
    if (read === reading.wrong) report.violate(now, `a wrong answer to ${this.#text(t)}`);
    if (this.#state[t] === active) this.#take(t, read, now);
    this.#release(t);
  }

  /** What the stub does with a reply that it waits for. */
  #take(t: number, read: number, now: number): void {
    const report = this.#report;
    const flags = this.#flags[t]!;
    const name = this.#name[t]!;
    this.#state[t] = abandoned;
    if (read === reading.truncated && this.#stream[t] === 0) {
      report.overTcp++;
      this.#again(t, kinds.overTcp, now);
      return;
    }
    const update = (flags & queryFlag.update) !== 0;
    const storming = this.storming(name);
    if (read === reading.right || read === reading.lie) {
      if (read === reading.lie) report.lies++;
      report.done(now - this.#started[t]!, storming);
      report.ede(seen.ede, false);
      return;
    }
    report.ede(seen.ede, true);
    const failing = update || this.failing(name, this.#started[t]!, now);
    if (failing) {
      report.excused++;
      if (storming) report.done(now - this.#started[t]!, true);
      return;
    }
    report.failed(now - this.#begin, readings[read]!, this.#tries[t]!);
    if (this.#tries[t]! < this.#scenario.clients.attempts) this.#again(t, kinds.again, now);
    else report.givenUp++;
  }

  /** Whether a failure of this name is the truth. */
  failing(name: number, from: number, until: number): boolean {
    if (excused.has(this.#names.kindOf(name))) return true;
    if (this.#names.kindOf(name) === nameKind.slow && this.#scenario.backend.slow >= 300) return true;
    for (const fault of this.#scenario.faults) {
      if (fault.kind !== 'zone-fails' || fault.zone !== zoneOf(name)) continue;
      if (until - this.#begin >= fault.from && from - this.#begin < fault.until + 5000) return true;
    }
    return false;
  }

  /** Whether the question is one of the storm's. */
  storming(name: number): boolean {
    const storm = this.#scenario.storm;
    return storm !== null && zoneOf(name) === storm.zone;
  }

  /** Plans the next transmission of the lookup that `t` belongs to; it is made when `t` may be gone. */
  #again(t: number, kind: number, now: number): void {
    // The number stays taken until then: one more arrival than the front will ever answer.
    this.#holds[t] = 1;
    this.#ground.plan(now + 0.2, kind, t, 0);
  }
  #holds = new Uint8Array(0);

  /** The stub asks again: the next server, or the same over TCP. */
  repeat(t: number, overTcp: boolean, now: number): void {
    this.#holds[t] = 0;
    const servers = this.#scenario.clients.servers;
    const server = overTcp ? this.#server[t]! : (this.#server[t]! + 1) % servers;
    const tries = this.#tries[t]! + (overTcp ? 0 : 1);
    if (!overTcp) this.#report.retransmitted++;
    this.#send(
      this.#name[t]!,
      this.#letters[t]!,
      this.#type[t]!,
      this.#flags[t]!,
      this.#client[t]!,
      tries,
      server,
      overTcp || this.#stream[t] === 1,
      this.#started[t]!,
      now,
    );
    this.#release(t);
  }

  /** Gives the number of `t` back when nothing more can come of it. */
  #release(t: number): void {
    if (this.#state[t] !== abandoned || this.#replies[t]! < this.#arrivals[t]! || this.#holds[t] !== 0)
      return;
    this.#state[t] = free;
    this.#use[t]!++;
    this.#freeRing[(this.#freeFirst + this.#freeCount++) % this.#freeRing.length] = t;
  }

  #startPatience(t: number, now: number): void {
    const room = this.#patienceAt.length;
    if (this.#patienceCount === room) {
      const order = new Int32Array(room * 4);
      const times = new Float64Array(room * 2);
      for (let i = 0; i < room; i++) {
        const from = (this.#patienceFirst + i) % room;
        order[i * 2] = this.#patience[from * 2]!;
        order[i * 2 + 1] = this.#patience[from * 2 + 1]!;
        times[i] = this.#patienceAt[from]!;
      }
      this.#patience = order;
      this.#patienceAt = times;
      this.#patienceFirst = 0;
    }
    const place = (this.#patienceFirst + this.#patienceCount++) % this.#patienceAt.length;
    this.#patience[place * 2] = t;
    this.#patience[place * 2 + 1] = this.#use[t]!;
    this.#patienceAt[place] = now + this.#scenario.clients.timeout;
    if (this.#patienceCount === 1) this.#ground.plan(this.#patienceAt[place]!, kinds.patience, 0, 0);
  }

  /** Ends the patience of those who have waited long enough. */
  patience(now: number): void {
    while (this.#patienceCount > 0 && this.#patienceAt[this.#patienceFirst]! <= now) {
      const t = this.#patience[this.#patienceFirst * 2]!;
      const use = this.#patience[this.#patienceFirst * 2 + 1]!;
      this.#patienceFirst = (this.#patienceFirst + 1) % this.#patienceAt.length;
      this.#patienceCount--;
      if (this.#use[t] !== use || this.#state[t] !== active) continue;
      this.#state[t] = abandoned;
      if (this.#arrivals[t]! > 0) {
        const failing = this.failing(this.#name[t]!, this.#started[t]!, now);
        if (!failing && (this.#flags[t]! & queryFlag.update) === 0) {
          this.#report.failed(now - this.#begin, 'no answer', this.#tries[t]!);
        }
      }
      if (this.#tries[t]! < this.#scenario.clients.attempts) {
        this.#holds[t] = 1;
        this.repeat(t, false, now);
      } else {
        this.#report.givenUp++;
        this.#release(t);
      }
    }
    if (this.#patienceCount > 0) {
      this.#ground.plan(this.#patienceAt[this.#patienceFirst]!, kinds.patience, 0, 0);
    }
  }

  /** Each transmission with a packet that was never answered, in words. */
  unanswered(): string[] {
    const texts: string[] = [];
    for (let t = 0; t < this.#capacity; t++) {
      if (this.#state[t] === free || this.#replies[t]! >= this.#arrivals[t]!) continue;
      texts.push(`${this.#text(t)} of ${(this.#sentAt[t]! - this.#begin).toFixed(2)} ms`);
    }
    return texts;
  }

  #text(t: number): string {
    const flags = this.#flags[t]!;
    const marks = Object.entries(queryFlag).filter(([, bit]) => (flags & bit) !== 0);
    const name = `${this.#name[t]!.toString(16)}/${this.#type[t] === 1 ? 'AAAA' : 'A'}`;
    return `#${t}.${this.#use[t]} ${name}${marks.map(([mark]) => ` ${mark}`).join('')}`;
  }

  #grow(): void {
    const before = this.#capacity;
    const after = Math.max(fewest, before * 2);
    const wider = <T extends { set(from: T): void }>(from: T, to: T): T => {
      to.set(from);
      return to;
    };
    this.#state = wider(this.#state, new Uint8Array(after));
    this.#id = wider(this.#id, new Uint16Array(after));
    this.#name = wider(this.#name, new Int32Array(after));
    this.#letters = wider(this.#letters, new Int32Array(after));
    this.#type = wider(this.#type, new Uint8Array(after));
    this.#flags = wider(this.#flags, new Uint8Array(after));
    this.#client = wider(this.#client, new Int32Array(after));
    this.#tries = wider(this.#tries, new Uint8Array(after));
    this.#stream = wider(this.#stream, new Uint8Array(after));
    this.#server = wider(this.#server, new Uint8Array(after));
    this.#started = wider(this.#started, new Float64Array(after));
    this.#sentAt = wider(this.#sentAt, new Float64Array(after));
    this.#arrivals = wider(this.#arrivals, new Uint8Array(after));
    this.#replies = wider(this.#replies, new Uint8Array(after));
    this.#use = wider(this.#use, new Int32Array(after));
    this.#holds = wider(this.#holds, new Uint8Array(after));
    const ring = new Int32Array(after);
    for (let i = 0; i < this.#freeCount; i++) {
      ring[i] = this.#freeRing[(this.#freeFirst + i) % this.#freeRing.length]!;
    }
    for (let t = before; t < after; t++) ring[this.#freeCount++] = t;
    this.#freeRing = ring;
    this.#freeFirst = 0;
    this.#capacity = after;
  }
}
