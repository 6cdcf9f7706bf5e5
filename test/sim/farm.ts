/**
 * A farm in virtual time: the real fronts, cache, health and policies between modelled clients and backends. One seed
 * decides everything; two runs of a scenario with one seed are the same, event by event.
 */
import { Board, viewField } from '#balance/board.ts';
import { Cache } from '#cache/cache.ts';
import { frontCounters } from '#front/counters.ts';
import { Entropy } from '#front/entropy.ts';
import { Front, frontArenaBytes } from '#front/front.ts';
import type { Plan } from '#front/plan.ts';
import { type Egress, originBytes } from '#front/ports.ts';
import type { Hearing } from '#health/exchange.ts';
import type { HealthEvent } from '#health/health.ts';
import { defaultEvidence, type HealthTarget } from '#health/targets.ts';
import { makeArena } from '#kit/arena.ts';
import { Backends, outcome, outcomeNames } from './backends.ts';
import { Chance } from './chance.ts';
import { Clients, type Ground, questionKey } from './clients.ts';
import { Desk } from './desk.ts';
import { Events } from './heap.ts';
import { kinds } from './kinds.ts';
import { hasCd, hasEdns, queryFlag, typeIndex, writeAnswer } from './messages.ts';
import { Names, nameBytes, readName } from './names.ts';
import { Report } from './report.ts';
import type { Action, Scenario } from './scenario.ts';
import { Tracer } from './tracer.ts';
import { Watch } from './watch.ts';
import { cacheRules, pool } from './world.ts';

/** The clock at the start of a run, ms: any but 0. */
const begin = 1_000_000;
const channelsPerSlot = 8;
/** Of these, this one stands for TCP. */
const streamChannel = channelsPerSlot - 1;
/** Bytes kept of a query to a backend: more than any here has. */
const packetRoom = 96;
/** A worker looks at its deadlines up to so late, ms. */
const lateness = 0.6;
/** How long a run may go on after its last question, ms. */
const mostDrain = 60_000;
const poolName = 'default';
/** How often a question may be sent in all: eight times, once more over TCP, and again when that connection was closed. */
const mostSends = 10;

type Worker = {
  readonly front: Front;
  readonly watch: Watch;
  readonly counters: Float64Array;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly in: number;
  readonly origin: number;
  /** When its next look at deadlines is planned. */
  armed: number;
  pausedUntil: number;
};

/** Runs a scenario. `listener` is told all that happens, in words. Whatever goes wrong is in the report. */
export function simulate(
  scenario: Scenario,
  seed: number,
  listener: ((line: string) => void) | null = null,
): Report {
  return new Farm(scenario, seed, listener).run();
}

class Farm implements Ground {
  readonly workers: number;
  #now = begin;
  readonly #scenario: Scenario;
  readonly #events = new Events();
  readonly #report: Report;
  readonly #tracer: Tracer;
  readonly #names: Names;
  readonly #backends: Backends;
  readonly #network: Chance;
  readonly #noise: Chance;
  readonly #board: Board;
  readonly #workers: Worker[] = [];
  readonly #clients: Clients;
  readonly #desk: Desk | null;
  readonly #hearings: (Hearing | null)[] = [];
  #datagrams = true;
  #streams = true;
  #generation = 1;
  /** By worker and slot: whether there is a connection. */
  readonly #connected: Uint8Array;

  // Columns of queries to backends.
  #packets = new Uint8Array(packetRoom * 256);
  #lengths = new Int32Array(256);
  #channels = new Int32Array(256);
  /** Worker; −1 − index of the hearing for a probe. */
  #owners = new Int32Array(256);
  #references = new Int32Array(256);
  readonly #freePackets: number[] = [];
  #usedPackets = 0;

  constructor(scenario: Scenario, seed: number, listener: ((line: string) => void) | null) {
    this.#scenario = scenario;
    this.workers = scenario.workers;
    this.#report = new Report(scenario.name, seed, begin);
    this.#tracer = new Tracer(begin, listener);
    this.#names = new Names(scenario.mix, seed);
    this.#network = new Chance(seed, 3);
    this.#noise = new Chance(seed, 8);
    this.#backends = new Backends(
      scenario.backends,
      scenario.backend,
      this.#names,
      scenario.faults.map(fault => ({ ...fault, from: fault.from + begin, until: fault.until + begin })),
      new Chance(seed, 4),
    );
    this.#board = new Board(scenario.workers);
    this.#connected = new Uint8Array(scenario.workers * scenario.backends);
    const slots = Array.from({ length: scenario.backends }, (_, slot) => slot);
    for (const slot of slots) {
      this.#board.clear(slot);
      this.#board.setState(slot, 'up');
    }
    const cache = scenario.cache && Cache.create(1 << 20, seed | 0);
    const plan = this.#plan(slots);
    for (let index = 0; index < scenario.workers; index++) this.#addWorker(index, cache, plan, seed);
    this.#clients = new Clients(scenario, this.#names, seed, begin, this.#report, this.#tracer, this);
    this.#desk =
      scenario.health &&
      new Desk(this.#board, scenario.health.live, seed, {
        now: () => this.#now,
        wake: (at, index) => this.plan(at, kinds.clock, index, 0),
        probe: (backend, stream, bytes, hearing) => this.#probe(backend, stream, bytes, hearing),
        changed: event => this.#changed(event),
        noticed: what => this.#noticed(what),
      });
    this.#watch(slots);
  }

  #plan(slots: readonly number[]): Plan {
    const { cache, limits, pool: rules } = this.#scenario;
    const all = pool(this.#scenario.backends, 0, rules);
    return {
      generation: this.#generation++,
      allow: [{ bytes: [10, 0, 0, 0], bits: 8 }],
      identity: 'sim',
      version: 'Chorus',
      udpSize: 1232,
      pools: [{ ...all, backends: all.backends.filter(({ slot }) => slots.includes(slot)) }],
      defaultPool: 0,
      domains: [],
      limits,
      ...(cache && { cache: { ...cacheRules, ...cache } }),
    };
  }

  /** Lets health look after these backends. */
  #watch(slots: readonly number[]): void {
    const probes = this.#scenario.health?.probes ?? [];
    const { backends, policy } = pool(this.#scenario.backends, 0, this.#scenario.pool);
    const targets = backends
      .filter(({ slot }) => slots.includes(slot))
      .map(
        ({ name, slot, address, port }): HealthTarget => ({
          pool: poolName,
          name,
          slot,
          address,
          port,
          probes,
        }),
      );
    this.#desk?.health.apply(targets, [{ pool: poolName, policy, evidence: defaultEvidence }]);
  }

  #addWorker(index: number, cache: SharedArrayBuffer | null, plan: Plan, seed: number): void {
    const arena = makeArena(frontArenaBytes + 400_000);
    const counters = new Float64Array(frontCounters.size);
    const inAt = arena.reserve(65_600);
    const out = arena.reserve(66_000);
    const query = arena.reserve(65_600);
    const originAt = arena.reserve(originBytes);
    const random = new Chance(seed, 16 + index);
    const { u8, i32 } = arena;
    const egress: Egress = {
      replyRoom: 65_535,
      channels: this.#scenario.backends * channelsPerSlot,
      replySpace: () => out,
      reply: (from, length) => this.#clients.reply(u8, from, out, length, index, this.#now),
      querySpace: () => query,
      datagramChannel: slot => (this.#datagrams ? slot * channelsPerSlot + random.below(streamChannel) : -1),
      streamChannel: slot => (this.#streams ? slot * channelsPerSlot + streamChannel : -1),
      query: (channel, length) => this.#ask(index, channel, u8, query, length),
      relay: () => false,
    };
    const front = new Front({
      arena,
      egress,
      board: this.#board,
      worker: index,
      counters,
      cache: cache && new Cache(cache),
      entropy: new Entropy(words => {
        for (let i = 0; i < words.length; i++) words[i] = random.word();
      }),
      plan,
    });
    this.#workers.push({
      front,
      // A client whose packets were dropped seems to wait for ever, and to ask with those that come later.
      watch: new Watch(this.#report, plan.limits?.perClient ? Infinity : mostSends, mostTime(plan)),
      counters,
      u8,
      i32,
      in: inAt,
      origin: originAt,
      armed: Infinity,
      pausedUntil: 0,
    });
  }

  /** Runs to the end; a run is over when nobody waits for anything. */
  run(): Report {
    const { duration, actions, faults } = this.#scenario;
    this.#clients.begin();
    for (const [index, action] of actions.entries()) {
      this.plan(begin + action.at, kinds.action, index, 0);
    }
    for (const { kind, backend, from } of faults) {
      if (kind === 'killed' || kind === 'killed-quietly') this.#cutStreams(backend, begin + from);
    }
    const end = begin + duration;
    try {
      while (this.#events.due <= end) this.#step();
      while (this.#busy() && this.#events.due < end + mostDrain) this.#step();
    } catch (thrown) {
      const text = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
      this.#report.violate(this.#now, `thrown: ${text}`);
    }
    this.#desk?.health.stop();
    this.#close();
    return this.#report;
  }

  /** Packets that get no reply on purpose: those beyond a rate. */
  get #dropped(): number {
    let sum = 0;
    for (const { counters } of this.#workers) sum += counters[frontCounters.at.limitedDropped]!;
    return sum;
  }

  #busy(): boolean {
    if (this.#clients.open > this.#dropped) return true;
    for (const { front } of this.#workers) if (front.deadline() < Infinity) return true;
    return false;
  }

  #step(): void {
    const events = this.#events;
    events.next();
    const { at, kind, a, b } = events;
    this.#now = at;
    this.#report.events++;
    switch (kind) {
      case kinds.arrival:
        this.#clients.arrival(at);
        return;
      case kinds.stormArrival:
        this.#clients.stormArrival(at);
        return;
      case kinds.answer:
        this.#answer(a, b, at);
        return;
      case kinds.broken:
        this.#broken(a, b, at);
        return;
      case kinds.expire:
        this.#expire(a, at);
        return;
      case kinds.clock:
        this.#desk?.woken(a);
        return;
      case kinds.patience:
        this.#clients.patience(at);
        return;
      case kinds.again:
      case kinds.overTcp:
        this.#clients.repeat(a, kind === kinds.overTcp, at);
        return;
      case kinds.action:
        this.#act(this.#scenario.actions[a]!, at);
        return;
    }
  }

  plan(at: number, kind: number, a: number, b: number): void {
    this.#events.plan(at, kind, a, b);
  }

  waiting(index: number, question: number, packets: number): void {
    this.#workers[index]!.watch.waiting(question, packets);
  }

  arrive(index: number, t: number): void {
    const worker = this.#workers[index]!;
    this.#tracer.note(this.#now, kinds.arrival, index, t);
    const length = this.#clients.write(worker.u8, worker.i32, worker.in, worker.origin, t);
    worker.front.query(worker.in, length, worker.origin, this.#now);
    this.#arm(worker, index);
  }

  /** Sees to it that the worker looks at its deadlines in time. */
  #arm(worker: Worker, index: number): void {
    const due = worker.front.deadline();
    if (due >= worker.armed) return;
    worker.armed = Math.max(due, this.#now) + lateness * this.#network.unit();
    this.plan(worker.armed, kinds.expire, index, 0);
  }

  #expire(index: number, now: number): void {
    const worker = this.#workers[index]!;
    // An earlier look was planned since, and has been.
    if (worker.armed !== now) return;
    if (worker.pausedUntil > now) {
      // It reads what has arrived first.
      worker.armed = worker.pausedUntil + 0.001;
      this.plan(worker.armed, kinds.expire, index, 0);
      return;
    }
    this.#tracer.note(now, kinds.expire, index, 0);
    worker.front.expire(now);
    worker.armed = Infinity;
    const due = worker.front.deadline();
    if (due === Infinity) return;
    // A wheel may look early: not again before its next tick.
    worker.armed = Math.max(due, now + 1) + lateness * this.#network.unit();
    this.plan(worker.armed, kinds.expire, index, 0);
  }

  /** A front sends a query. */
  #ask(index: number, channel: number, u8: Uint8Array, at: number, length: number): void {
    const now = this.#now;
    const slot = Math.floor(channel / channelsPerSlot);
    const stream = channel % channelsPerSlot === streamChannel;
    const packet = this.#keep(u8, at, length, channel, index);
    const name = readName(u8, at + 12);
    const question = questionOf(u8, at, length, name);
    const id = (u8[at]! << 8) | u8[at + 1]!;
    const first = this.#workers[index]!.watch.sent(channel, id, question, slot * 2 + (stream ? 1 : 0), now);
    this.#report.sends++;
    if (first) this.#report.questions++;
    if (this.#clients.storming(name)) this.#report.stormSends++;
    this.#report.sent(slot, now - begin);
    this.#tracer.note(now, kinds.query, channel, id);
    this.#backends.decide(slot, name, hasEdns(u8, at), hasCd(u8, at), stream, now);
    this.#travel(packet, index, slot, stream, now);
    if (this.#tracer.speaking) {
      const what = outcomeNames[this.#backends.outcome];
      const how = `${stream ? 'TCP, ' : ''}id ${id}${first ? '' : ', again'}`;
      const then = this.#references[packet] === 0 ? 'nothing' : what;
      this.#tracer.say(
        now,
        `worker ${index} asks b${slot} for ${name.toString(16)} (${how}): ${then} in ${this.#backends.delay.toFixed(2)} ms`,
      );
    }
    if (this.#references[packet] === 0) this.#freePackets.push(packet);
  }

  /** Plans what comes back for a packet. */
  #travel(packet: number, owner: number, slot: number, stream: boolean, now: number): void {
    const { loss, doubled, held, late } = this.#scenario.network;
    const network = this.#network;
    const backends = this.#backends;
    let delay = backends.delay;
    if (stream) {
      // Lost segments are sent again; a new connection takes one more way there and back.
      if (network.happens(loss)) delay += 200;
      const place = owner * this.#scenario.backends + slot;
      if (owner < 0 || this.#connected[place] === 0) delay += this.#scenario.backend.way;
      if (owner >= 0) this.#connected[place] = backends.outcome === outcome.unreachable ? 0 : 1;
    } else if (network.happens(loss) || network.happens(loss)) return;
    if (network.happens(held)) delay += network.unit() * late;
    if (backends.outcome === outcome.nothing) return;
    if (backends.outcome === outcome.unreachable) {
      if (owner >= 0) this.plan(now + delay, kinds.broken, owner, this.#channels[packet]!);
      else this.#planAnswer(now + delay, packet, outcome.unreachable);
      return;
    }
    this.#planAnswer(now + delay, packet, backends.outcome);
    if (stream) return;
    if (backends.twice) this.#planAnswer(now + delay + 0.05, packet, backends.outcome);
    if (network.happens(doubled))
      this.#planAnswer(now + delay + network.unit() * 5, packet, backends.outcome);
  }

  #planAnswer(at: number, packet: number, what: number): void {
    this.#references[packet]!++;
    this.plan(at, kinds.answer, packet, what);
  }

  #answer(packet: number, what: number, now: number): void {
    const owner = this.#owners[packet]!;
    if (owner < 0) {
      this.#hear(packet, what);
      return;
    }
    const worker = this.#workers[owner]!;
    if (worker.pausedUntil > now) {
      this.plan(worker.pausedUntil, kinds.answer, packet, what);
      return;
    }
    const at = packet * packetRoom;
    const packets = this.#packets;
    const channel = this.#channels[packet]!;
    const slot = Math.floor(channel / channelsPerSlot);
    const length = this.#lengths[packet]!;
    const written = writeAnswer(worker.u8, worker.in, packets, at, length, what, this.#names, this.#noise);
    const id = (packets[at]! << 8) | packets[at + 1]!;
    const name = readName(packets, at + 12);
    if (what !== outcome.wrongId) {
      worker.watch.answered(channel, id, questionOf(packets, at, length, name));
    }
    this.#tracer.note(now, kinds.answer, channel, id);
    if (this.#tracer.speaking) {
      this.#tracer.say(now, `b${slot} answers ${name.toString(16)} (id ${id}): ${outcomeNames[what]}`);
    }
    this.#release(packet);
    worker.front.answer(channel, slot, worker.in, written, now);
    this.#arm(worker, owner);
  }

  #broken(owner: number, channel: number, now: number): void {
    const worker = this.#workers[owner]!;
    if (worker.pausedUntil > now) {
      this.plan(worker.pausedUntil, kinds.broken, owner, channel);
      return;
    }
    this.#tracer.note(now, kinds.broken, owner, channel);
    if (this.#tracer.speaking) {
      this.#tracer.say(now, `channel ${channel} of b${Math.floor(channel / channelsPerSlot)} is broken`);
    }
    worker.watch.broken(channel);
    worker.front.broken(channel, now);
    this.#arm(worker, owner);
  }

  /** Breaks the connections to a backend that dies. */
  #cutStreams(backend: number | 'all', at: number): void {
    for (let slot = 0; slot < this.#scenario.backends; slot++) {
      if (backend !== 'all' && backend !== slot) continue;
      for (let index = 0; index < this.workers; index++) {
        this.plan(at, kinds.broken, index, slot * channelsPerSlot + streamChannel);
      }
    }
  }

  #probe(backend: number, stream: boolean, bytes: Uint8Array, hearing: Hearing): void {
    this.#report.probes++;
    const index = this.#hearings.indexOf(null);
    const place = index < 0 ? this.#hearings.length : index;
    this.#hearings[place] = hearing;
    const packet = this.#keep(bytes, 0, bytes.length, backend * channelsPerSlot, -1 - place);
    const name = readName(bytes, 12);
    this.#backends.decide(backend, name, hasEdns(bytes, 0), hasCd(bytes, 0), stream, this.#now);
    this.#travel(packet, -1, backend, stream, this.#now);
    if (this.#references[packet] === 0) {
      this.#freePackets.push(packet);
      this.#hearings[place] = null;
    }
  }

  /** A probe hears something. */
  #hear(packet: number, what: number): void {
    const place = -1 - this.#owners[packet]!;
    const hearing = this.#hearings[place]!;
    const at = packet * packetRoom;
    const length = this.#lengths[packet]!;
    let answer: Uint8Array | null = null;
    if (what !== outcome.unreachable) {
      const written = writeAnswer(probeRoom, 0, this.#packets, at, length, what, this.#names, this.#noise);
      answer = probeRoom.slice(0, written);
    }
    if (this.#release(packet)) this.#hearings[place] = null;
    this.#tracer.note(this.#now, kinds.answer, -1, what);
    if (answer) hearing.message(answer);
    else hearing.failed('ECONNREFUSED');
  }

  #changed(event: HealthEvent): void {
    this.#report.changes.push({ ...event, at: event.at - begin });
    this.#tracer.note(this.#now, kinds.change, event.slot, event.to.length);
    if (this.#tracer.speaking) {
      this.#tracer.say(this.#now, `health: ${event.backend} ${event.from} → ${event.to}: ${event.reason}`);
    }
  }

  #noticed(what: string): void {
    this.#report.notices.push(what);
    this.#tracer.say(this.#now, `health says of ${what}`);
  }

  #act(action: Action, now: number): void {
    if (this.#tracer.speaking) this.#tracer.say(now, JSON.stringify(action));
    switch (action.do) {
      case 'force':
        this.#desk?.health.force(action.backend, action.forcing);
        return;
      case 'state':
        this.#board.setState(action.backend, action.state);
        return;
      case 'apply': {
        const plan = this.#plan(action.backends);
        for (const { front } of this.#workers) front.apply(plan);
        this.#watch(action.backends);
        return;
      }
      case 'pause': {
        const worker = this.#workers[action.worker];
        if (worker) worker.pausedUntil = Math.max(worker.pausedUntil, now + action.ms);
        return;
      }
      case 'sockets':
        this.#datagrams = action.datagrams;
        this.#streams = action.streams;
        return;
      default:
        throw new TypeError(`no such action: ${action satisfies never}`);
    }
  }

  /** Keeps a query that is under way. */
  #keep(u8: Uint8Array, at: number, length: number, channel: number, owner: number): number {
    if (length > packetRoom) throw new RangeError(`a query of ${length} bytes`);
    const packet = this.#freePackets.pop() ?? this.#usedPackets++;
    if (packet === this.#lengths.length) {
      this.#packets = wider(this.#packets, new Uint8Array(this.#packets.length * 2));
      this.#lengths = wider(this.#lengths, new Int32Array(packet * 2));
      this.#channels = wider(this.#channels, new Int32Array(packet * 2));
      this.#owners = wider(this.#owners, new Int32Array(packet * 2));
      this.#references = wider(this.#references, new Int32Array(packet * 2));
    }
    const to = packet * packetRoom;
    for (let i = 0; i < length; i++) this.#packets[to + i] = u8[at + i]!;
    this.#lengths[packet] = length;
    this.#channels[packet] = channel;
    this.#owners[packet] = owner;
    this.#references[packet] = 0;
    return packet;
  }

  /** True when nothing more will come for the packet. */
  #release(packet: number): boolean {
    if (--this.#references[packet]! > 0) return false;
    this.#freePackets.push(packet);
    return true;
  }

  /** Fills in the report, and looks whether anything is left behind. */
  #close(): void {
    const report = this.#report;
    const end = this.#now;
    report.lasted = end - begin;
    report.hash = this.#tracer.hash;
    const missing = this.#clients.open - this.#dropped;
    if (missing !== 0) {
      report.violate(end, `${missing} packets got no reply, and are not counted as dropped`);
      for (const text of this.#clients.unanswered()) report.violate(end, `no reply to ${text}`);
    }
    const counters: Record<string, number> = {};
    for (const [index, { front, counters: counts }] of this.#workers.entries()) {
      if (front.inFlight !== 0) report.violate(end, `${front.inFlight} queries are left in flight`);
      if (front.deadline() !== Infinity) report.violate(end, 'a deadline is left');
      for (let channel = 0; channel < this.#scenario.backends * channelsPerSlot; channel++) {
        if (!front.idle(channel)) report.violate(end, `something is left on channel ${channel}`);
      }
      for (let slot = 0; slot < this.#scenario.backends; slot++) {
        const outstanding = this.#board.view(index)[slot * viewField.size + viewField.outstanding]!;
        if (outstanding !== 0) report.violate(end, `${outstanding} queries count as outstanding at b${slot}`);
      }
      for (const [key, place] of Object.entries(frontCounters.at)) {
        counters[key] = (counters[key] ?? 0) + counts[place]!;
      }
    }
    report.counters = counters;
  }
}

const probeRoom = new Uint8Array(2048);

/** What makes two queries one question; −1 for a name that is not ours. */
function questionOf(u8: Uint8Array, at: number, length: number, name: number): number {
  if (name < 0) return -1;
  const edns = hasEdns(u8, at);
  const dnssecOk = edns && length >= 12 + nameBytes + 15 && (u8[at + 12 + nameBytes + 11]! & 0x80) !== 0;
  const flags =
    (((u8[at + 2]! >> 3) & 15) !== 0 ? queryFlag.update : 0) |
    (edns ? queryFlag.edns : 0) |
    (hasCd(u8, at) ? queryFlag.cd : 0) |
    (dnssecOk ? queryFlag.dnssecOk : 0) |
    ((u8[at + 3]! & 0x20) !== 0 ? queryFlag.ad : 0);
  return questionKey(name, typeIndex(u8, at), flags);
}

/** How long one may be under way, ms. */
function mostTime(plan: Plan): number {
  return Math.max(...plan.pools.map(each => each.timeout)) * 2 + 100;
}

function wider<T extends { set(from: T): void }>(from: T, to: T): T {
  to.set(from);
  return to;
}
