/**
 * A session with one peer as a pure machine (RFC 4271 section 8): events and the time go in, actions come out. It announces and
 * accepts nothing: routes of the peer are checked, counted and dropped.
 */
import { type Agreement, agree, ourOpen, type Speaker } from './agreement.ts';
import { BgpError, ceaseReason, errorCode, nameOfError, openError } from './error.ts';
import { type Family, familyOf, familyOfAddress, formatPrefix, type Prefix } from './family.ts';
import { Frames } from './frames.ts';
import {
  ceaseWithReason,
  decodeMessage,
  encodeMessage,
  type Message,
  type NotificationMessage,
  notificationOf,
  type OpenMessage,
  type RouteRefreshMessage,
  readNotification,
  type UpdateMessage,
} from './message.ts';
import { endOfRibFor, keyOf, packUpdates, type Route } from './pack.ts';

export type SessionOptions = Speaker & {
  /** We connect to the peer. */
  readonly active: boolean;
  /** The peer may connect to us. */
  readonly passive: boolean;
  /** Null: our address in the session, where it is of the family or RFC 8950 is agreed on. */
  readonly nextHop: Readonly<Record<Family, string | null>>;
  /** No session with a peer that offers graceful restart. */
  readonly refuseStale: boolean;
};

/** What is to be announced of a prefix. */
export type WantedRoute = {
  readonly prefix: Prefix;
  readonly med: number | null;
  readonly localPreference: number | null;
  readonly communities: readonly string[];
  readonly largeCommunities: readonly string[];
  /** How often our own AS stands before the path once more. */
  readonly prepend: number;
};

/** What happens. A link is one TCP connection, known by a number. */
export type SessionEvent =
  | { readonly kind: 'start' }
  /** Ends it for good; the peer is told why. */
  | { readonly kind: 'stop'; readonly reason: string }
  | { readonly kind: 'want'; readonly routes: readonly WantedRoute[] }
  /** The control loop is well. Once heard, it must be heard again and again. */
  | { readonly kind: 'beat' }
  /** A link that was asked for with `connect` stands. */
  | { readonly kind: 'connected'; readonly link: number; readonly local: string }
  /** The peer has connected; the number is one of `newLink`. */
  | { readonly kind: 'accepted'; readonly link: number; readonly local: string }
  | { readonly kind: 'received'; readonly link: number; readonly bytes: Uint8Array }
  /** The TCP stream has taken so many octets since the link began. */
  | { readonly kind: 'taken'; readonly link: number; readonly total: number }
  /** The link is gone, or could not be had. */
  | { readonly kind: 'closed'; readonly link: number; readonly reason: string }
  /** Time has passed. */
  | { readonly kind: 'tick' };

/** What is to be done. */
export type SessionAction =
  | { readonly kind: 'connect'; readonly link: number }
  | { readonly kind: 'send'; readonly link: number; readonly bytes: Uint8Array }
  /** Nothing more is sent on it: close it once the peer has taken what was. */
  | { readonly kind: 'end'; readonly link: number }
  /** Close it at once. */
  | { readonly kind: 'drop'; readonly link: number };

export type SessionState = 'idle' | 'connect' | 'active' | 'open-sent' | 'open-confirm' | 'established';

/** Why there is no session. */
export type SessionProblem = {
  readonly kind:
    | 'unreachable'
    | 'wrong-as'
    | 'bad-identifier'
    | 'hold-time'
    | 'no-family'
    | 'stale-routes'
    /** The peer's NOTIFICATION. */
    | 'told'
    /** Ended for another reason: closed by the peer, a timer, a message that cannot be. */
    | 'ended';
  readonly detail: string;
};

/** A route that the peer holds of us. */
export type SentRoute = {
  readonly route: Route;
  /** ms. */
  readonly since: number;
  /** What is wanted of the prefix, where the route says just that to this peer. */
  readonly wanted: WantedRoute | null;
};

export type SessionReport = {
  readonly state: SessionState;
  /** When it came to that state, ms. */
  readonly since: number;
  /** Our address in the session; null without one. */
  readonly local: string | null;
  readonly agreement: Agreement | null;
  readonly problem: SessionProblem | null;
  /** What the TCP stream has taken and the peer so holds of us. */
  readonly routes: readonly SentRoute[];
  /** What is wanted and cannot be sent, and why. */
  readonly unsent: readonly { readonly prefix: Prefix; readonly reason: string }[];
  /** The peer does not take what is sent: since so many ms. 0: it does. */
  readonly stalled: number;
  readonly counts: SessionCounts;
};

/** Since the start. */
export type SessionCounts = {
  /** Sessions that came up. */
  readonly sessions: number;
  readonly sent: number;
  readonly received: number;
  /** Prefixes that the peer announced or withdrew: dropped. */
  readonly dropped: number;
  /** Attributes of its updates that were wrong (RFC 7606). */
  readonly faults: number;
};

/** A TCP connection that is not there after so long is tried anew, ms: after the kernel's own second attempt. */
const connectTime = 1_500;
/** Between attempts to connect, ms, and a random share more. */
const connectPause = 250;
/** The peer's OPEN must come within, ms. RFC 4271 suggests 4 minutes; a peer that hangs is to be known sooner. */
const openTime = 10_000;
/** A session that stood so long, ms, makes earlier failures forgotten. */
const settled = 30_000;
/** Longest pause after an error of the protocol, ms. */
const longestPause = 10_000;
/** Octets on their way to the peer beyond which changes wait: then only the latest is sent. */
const window = 32_768;
/** A peer that takes nothing for twice the hold time, and at least so long, ms, is given up (RFC 9687). */
const leastSendHold = 10_000;
/** Time that what lies unread gets before the peer counts as silent, ms: our own loop may have been late. */
const doubt = 50;

type Link = {
  readonly id: number;
  /** We have connected. */
  readonly out: boolean;
  state: 'connecting' | 'open-sent' | 'open-confirm' | 'established';
  local: string;
  readonly frames: Frames;
  /** When its state has lasted too long; while established, when the hold time ends. */
  deadline: number;
  doubted: boolean;
  keepaliveAt: number;
  agreement: Agreement | null;
  /** Octets handed to TCP, taken by it, and when it last took some or owed nothing. */
  sent: number;
  taken: number;
  progress: number;
  /** Adj-RIB-Out: what was sent, by prefix. */
  readonly rib: Map<string, Route>;
  /** Changes of it that TCP has not taken yet; `at`: octets. */
  readonly pending: { readonly at: number; readonly changes: ReadonlyMap<string, Route | null> }[];
  /** Families that are to be sent once more. */
  readonly refresh: Set<Family>;
};

/** How soon to try again. */
type Pace = 'unreachable' | 'gentle' | 'harsh';

const messageContext = { fourOctetAs: true, internal: false, keepPrefixes: false };

/** A session with one peer. */
export class Session {
  readonly #options: SessionOptions;
  readonly #random: (bound: number) => number;
  #phase: 'idle' | 'running' | 'stopped' = 'idle';
  readonly #links = new Map<number, Link>();
  #numbers = 0;
  #wanted: readonly WantedRoute[] = [];
  readonly #confirmed = new Map<string, { route: Route; since: number }>();
  #unsent: SessionReport['unsent'] = [];
  #problem: SessionProblem | null = null;
  #retryAt = Infinity;
  /** Ends in a row of sessions that did not last. */
  #gentle = 0;
  #harsh = 0;
  #upSince = 0;
  #beat: number | null = null;
  /** The control loop is not well: no session. */
  #deaf = false;
  #state: SessionState = 'idle';
  #since = 0;
  #actions: SessionAction[] = [];
  readonly #counts = { sessions: 0, sent: 0, received: 0, dropped: 0, faults: 0 };

  /** `random`: uniform in 0 … bound−1. */
  constructor(options: SessionOptions, random: (bound: number) => number) {
    this.#options = options;
    this.#random = random;
  }

  /** A number for a link that the peer has opened. */
  newLink(): number {
    return ++this.#numbers;
  }

  /** Takes what happened at `now`, ms of a monotonic clock; gives what is to be done, in order. */
  step(event: SessionEvent, now: number): SessionAction[] {
    this.#actions = [];
    this.#take(event, now);
    this.#timers(now);
    const state = this.#stateNow(now);
    if (state !== this.#state) {
      this.#state = state;
      this.#since = now;
    }
    return this.#actions;
  }

  /** When it wants a `tick`, ms; Infinity: not. */
  get due(): number {
    let due = this.#mayConnect() ? this.#retryAt : Infinity;
    for (const link of this.#links.values()) {
      due = Math.min(due, link.deadline, link.keepaliveAt, this.#sendDeadline(link));
    }
    if (this.#beat !== null && this.#established()) due = Math.min(due, this.#beat + this.#patience());
    return due;
  }

  report(now: number): SessionReport {
    const link = this.#established();
    return {
      state: this.#state,
      since: this.#since,
      local: link?.local ?? null,
      agreement: link?.agreement ?? null,
      problem: this.#problem,
      routes: link ? this.#sentRoutes(link) : [],
      unsent: this.#unsent,
      stalled: link && link.taken < link.sent ? now - link.progress : 0,
      counts: this.#counts,
    };
  }

  #sentRoutes({ agreement, local }: Link): SentRoute[] {
    const wanted = new Map(this.#wanted.map(each => [formatPrefix(each.prefix), each]));
    return [...this.#confirmed].map(([prefix, { route, since }]) => {
      const asked = wanted.get(prefix);
      const meant = asked && routeFor(asked, agreement!, local, this.#options);
      const same = typeof meant === 'object' && keyOf(meant) === keyOf(route);
      return { route, since, wanted: same ? asked! : null };
    });
  }

  #take(event: SessionEvent, now: number): void {
    switch (event.kind) {
      case 'start':
        if (this.#phase !== 'idle') return;
        this.#phase = 'running';
        this.#retryAt = now;
        return;
      case 'stop':
        this.#stop(event.reason, now);
        return;
      case 'want':
        this.#wanted = event.routes;
        this.#flushAll(now);
        return;
      case 'beat':
        this.#beat = now;
        if (this.#deaf) {
          this.#deaf = false;
          this.#retryAt = now;
        }
        return;
      case 'accepted':
        this.#accepted(event.link, event.local, now);
        return;
      case 'tick':
        return;
      default: {
        const link = this.#links.get(event.link);
        if (!link) return;
        if (event.kind === 'connected') this.#opened(link, event.local, now);
        else if (event.kind === 'received') this.#received(link, event.bytes, now);
        else if (event.kind === 'taken') this.#taken(link, event.total, now);
        else this.#closed(link, event.reason, now);
      }
    }
  }

  #established(): Link | undefined {
    for (const link of this.#links.values()) if (link.state === 'established') return link;
    return undefined;
  }

  #stateNow(now: number): SessionState {
    const states = [...this.#links.values()].map(({ state }) => state);
    for (const state of ['established', 'open-confirm', 'open-sent'] as const) {
      if (states.includes(state)) return state;
    }
    if (states.includes('connecting')) return 'connect';
    if (this.#phase !== 'running' || this.#deaf) return 'idle';
    // Held back after an error of the protocol.
    return !this.#options.passive && this.#harsh > 0 && now < this.#retryAt ? 'idle' : 'active';
  }

  // — timers

  #timers(now: number): void {
    for (const link of [...this.#links.values()]) if (this.#links.has(link.id)) this.#linkTimers(link, now);
    const up = this.#established();
    if (up && this.#beat !== null && now - this.#beat >= this.#patience()) {
      this.#deaf = true;
      const detail = 'the control loop of Chorus stands still';
      this.#fail(up, new BgpError(errorCode.cease, ceaseReason.outOfResources, detail), now);
    }
    if (this.#mayConnect() && now >= this.#retryAt) this.#connect(now);
  }

  /** We connect, and nothing is under way. */
  #mayConnect(): boolean {
    return this.#phase === 'running' && this.#options.active && !this.#deaf && this.#links.size === 0;
  }

  #connect(now: number): void {
    const link = this.#link(this.newLink(), true, now);
    link.deadline = now + connectTime;
    this.#actions.push({ kind: 'connect', link: link.id });
  }

  /** So long without a beat, ms. */
  #patience(): number {
    return Math.max(3, this.#options.holdTime) * 1000;
  }

  #sendDeadline(link: Link): number {
    if (link.taken >= link.sent || link.state === 'connecting') return Infinity;
    const hold = link.agreement?.holdTime ?? 0;
    return link.progress + Math.max(leastSendHold, 2000 * hold);
  }

  #linkTimers(link: Link, now: number): void {
    if (now >= this.#sendDeadline(link)) {
      this.#fail(link, new BgpError(errorCode.sendHoldTimer, 0, 'the peer takes nothing any more'), now);
    } else if (now >= link.deadline && link.state === 'connecting') {
      this.#lost(link, 'no answer', now);
    } else if (now >= link.deadline && link.doubted) {
      this.#fail(link, new BgpError(errorCode.holdTimer, 0, 'the peer was silent'), now);
    } else {
      if (now >= link.deadline) {
        link.doubted = true;
        link.deadline = now + doubt;
      }
      if (now >= link.keepaliveAt) this.#keepalive(link, now);
    }
  }

  #keepalive(link: Link, now: number): void {
    this.#send(link, encodeMessage({ kind: 'keepalive' }), now);
    const hold = link.agreement?.holdTime ?? 0;
    // A third of the hold time, less up to a quarter (RFC 4271 section 10).
    const third = (hold * 1000) / 3;
    link.keepaliveAt = hold === 0 ? Infinity : now + third - this.#random(Math.floor(third / 4) + 1);
  }

  // — links

  #link(id: number, out: boolean, now: number): Link {
    const link: Link = {
      id,
      out,
      state: 'connecting',
      local: '',
      frames: new Frames(),
      deadline: Infinity,
      doubted: false,
      keepaliveAt: Infinity,
      agreement: null,
      sent: 0,
      taken: 0,
      progress: now,
      rib: new Map(),
      pending: [],
      refresh: new Set(),
    };
    this.#links.set(id, link);
    return link;
  }

  #accepted(id: number, local: string, now: number): void {
    const others = [...this.#links.values()];
    const refusal =
      this.#phase !== 'running' || !this.#options.passive || this.#deaf
        ? ceaseReason.connectionRejected
        : others.some(({ state }) => state === 'established')
          ? ceaseReason.collision
          : others.some(({ out, state }) => !out && state === 'open-confirm')
            ? ceaseReason.connectionRejected
            : null;
    // One that the peer has opened and given up without a word.
    for (const link of others) if (refusal === null && !link.out) this.#drop(link);
    const link = this.#link(id, false, now);
    if (refusal === null) this.#opened(link, local, now);
    else this.#end(link, new BgpError(errorCode.cease, refusal, 'one connection is enough'), now);
  }

  #opened(link: Link, local: string, now: number): void {
    link.local = local;
    link.state = 'open-sent';
    link.deadline = now + openTime;
    this.#send(link, encodeMessage(ourOpen(this.#options)), now);
  }

  #send(link: Link, bytes: Uint8Array, now: number): void {
    if (link.taken === link.sent) link.progress = now;
    link.sent += bytes.length;
    this.#counts.sent++;
    this.#actions.push({ kind: 'send', link: link.id, bytes });
  }

  #drop(link: Link): void {
    this.#forget(link);
    this.#actions.push({ kind: 'drop', link: link.id });
  }

  /** Tells the peer why, and closes. */
  #end(link: Link, error: BgpError, now: number): void {
    this.#send(link, encodeMessage(notificationOf(error)), now);
    this.#forget(link);
    this.#actions.push({ kind: 'end', link: link.id });
  }

  #forget(link: Link): void {
    this.#links.delete(link.id);
    if (link.state !== 'established') return;
    this.#confirmed.clear();
    this.#unsent = [];
  }

  /** We end a link for an error that we have found. */
  #fail(link: Link, error: BgpError, now: number): void {
    this.#end(link, error, now);
    this.#ended(link, problemOf(error), 'harsh', now);
  }

  /** A link is gone, without a word of the protocol. */
  #lost(link: Link, reason: string, now: number): void {
    const early = link.state === 'connecting';
    this.#drop(link);
    this.#ended(
      link,
      { kind: early ? 'unreachable' : 'ended', detail: reason },
      early ? 'unreachable' : 'gentle',
      now,
    );
  }

  #closed(link: Link, reason: string, now: number): void {
    const before = link.state === 'established' ? '' : 'before the session was up: ';
    this.#lost(link, link.state === 'connecting' ? reason : `${before}${reason}`, now);
  }

  /** Notes why a link has ended, and when to try again. */
  #ended(link: Link, problem: SessionProblem, pace: Pace, now: number): void {
    // Another link goes on: it decides.
    if (this.#links.size > 0 && link.state !== 'established') return;
    // What the peer said tells more than that it does not let us in since.
    const dull = link.state === 'open-sent' && problem.kind === 'ended' && pace === 'gentle';
    if (!dull || this.#problem === null || this.#problem.kind === 'unreachable') this.#problem = problem;
    if (link.state === 'established' && now - this.#upSince >= settled) {
      this.#gentle = 0;
      this.#harsh = 0;
    }
    if (pace === 'unreachable') this.#retryAt = now + connectPause + this.#random(connectPause);
    else if (pace === 'gentle')
      this.#retryAt = now + this.#jittered(Math.min(800, 100 * 2 ** this.#gentle++));
    else this.#retryAt = now + this.#jittered(Math.min(longestPause, 500 * 2 ** this.#harsh++));
    // Counters that stand still are as good as greater ones.
    this.#gentle = Math.min(this.#gentle, 10);
    this.#harsh = Math.min(this.#harsh, 10);
  }

  /** Less up to a quarter (RFC 4271 section 10). */
  #jittered(ms: number): number {
    return ms - this.#random(Math.floor(ms / 4) + 1);
  }

  #stop(reason: string, now: number): void {
    if (this.#phase === 'stopped') return;
    this.#phase = 'stopped';
    this.#wanted = [];
    for (const link of [...this.#links.values()]) {
      if (link.state === 'connecting') {
        this.#drop(link);
        continue;
      }
      // A peer that keeps routes after the session's end takes the withdrawal.
      if (link.state === 'established') this.#flush(link, now, Infinity);
      this.#end(link, ceaseWithReason(ceaseReason.administrativeShutdown, reason), now);
    }
  }

  // — messages

  #received(link: Link, bytes: Uint8Array, now: number): void {
    if (link.state === 'connecting') return;
    try {
      link.frames.push(bytes, message => {
        this.#counts.received++;
        this.#message(
          link,
          decodeMessage(message, link.agreement ? contextOf(link.agreement) : messageContext),
          now,
        );
        return this.#links.has(link.id);
      });
    } catch (thrown) {
      if (!(thrown instanceof BgpError)) throw thrown;
      if (this.#links.has(link.id)) this.#fail(link, thrown, now);
    }
  }

  #message(link: Link, message: Message, now: number): void {
    if (message.kind === 'notification') this.#told(link, message, now);
    else if (link.state === 'open-sent' && message.kind === 'open') this.#open(link, message, now);
    else if (link.state === 'open-sent' || message.kind === 'open') throw unexpected(link, message);
    else this.#alive(link, message, now);
  }

  /** Any message after OPEN. */
  #alive(link: Link, message: Exclude<Message, OpenMessage | NotificationMessage>, now: number): void {
    if (link.state === 'open-confirm') {
      if (message.kind !== 'keepalive') throw unexpected(link, message);
      this.#up(link, now);
    }
    const hold = link.agreement!.holdTime;
    link.deadline = hold === 0 ? Infinity : now + hold * 1000;
    link.doubted = false;
    if (message.kind === 'update') this.#update(message);
    else if (message.kind === 'route-refresh') this.#refresh(link, message, now);
  }

  #told(link: Link, message: NotificationMessage, now: number): void {
    const { code, subcode, hard, words } = readNotification(message);
    const name = `${nameOfError(code, subcode)}${hard ? ' (hard reset)' : ''}`;
    const hint = hints[`${code}/${subcode}`];
    this.#drop(link);
    // Our other link was preferred: nothing has ended.
    if (code === errorCode.cease && subcode === ceaseReason.collision && this.#links.size > 0) return;
    this.#ended(
      link,
      { kind: 'told', detail: `${name}${words === null ? '' : ` “${words}”`}${hint ? ` (${hint})` : ''}` },
      code === errorCode.cease ? 'gentle' : 'harsh',
      now,
    );
  }

  #open(link: Link, open: OpenMessage, now: number): void {
    const agreement = agree(this.#options, open);
    if (agreement.stale && this.#options.refuseStale) {
      const detail = 'graceful restart is not wanted here';
      throw new StaleRefused(errorCode.cease, ceaseReason.connectionRejected, detail);
    }
    const rival = [...this.#links.values()].find(other => other !== link && other.agreement !== null);
    if (rival) {
      const loser = rival.state === 'established' || this.#prefers(rival, agreement) ? link : rival;
      const detail = 'another connection of the two was preferred';
      this.#end(loser, new BgpError(errorCode.cease, ceaseReason.collision, detail), now);
      if (loser === link) return;
    }
    link.agreement = agreement;
    link.state = 'open-confirm';
    link.doubted = false;
    if (agreement.holdTime > 0) link.deadline = now + agreement.holdTime * 1000;
    this.#keepalive(link, now);
  }

  /** RFC 4271 section 6.8, RFC 6286 section 2.3: the link stays that who has the higher identifier has opened. */
  #prefers(link: Link, { peerId, peerAs }: Agreement): boolean {
    const ours = idNumber(this.#options.routerId);
    const theirs = idNumber(peerId);
    const higher = ours === theirs ? this.#options.localAs > peerAs : ours > theirs;
    return link.out === higher;
  }

  #up(link: Link, now: number): void {
    link.state = 'established';
    this.#counts.sessions++;
    this.#upSince = now;
    this.#problem = null;
    this.#confirmed.clear();
    for (const other of [...this.#links.values()]) {
      if (other === link) continue;
      if (other.state === 'connecting') this.#drop(other);
      else {
        const detail = 'another connection is established';
        this.#end(other, new BgpError(errorCode.cease, ceaseReason.collision, detail), now);
      }
    }
    this.#flush(link, now, Infinity);
    for (const family of link.agreement!.families) this.#send(link, endOfRibFor(family), now);
  }

  #update({ counts, faults }: UpdateMessage): void {
    this.#counts.dropped += counts.announced + counts.withdrawn + counts.foreign;
    this.#counts.faults += faults.length;
  }

  #refresh(link: Link, { afi, safi, subtype }: RouteRefreshMessage, now: number): void {
    const family = familyOf(afi, safi);
    if (subtype !== 0 || !family || !link.agreement!.families.includes(family)) return;
    link.refresh.add(family);
    this.#flush(link, now);
  }

  // — Adj-RIB-Out

  #flushAll(now: number): void {
    const link = this.#established();
    if (link) this.#flush(link, now);
  }

  /** Sends what is missing, unless `room` octets are on their way: then it waits until the peer has taken them. */
  #flush(link: Link, now: number, room = window): void {
    if (link.sent - link.taken >= room) return;
    const agreement = link.agreement!;
    const desired = new Map<string, Route>();
    const unsent: { prefix: Prefix; reason: string }[] = [];
    for (const wanted of this.#wanted) {
      const route = routeFor(wanted, agreement, link.local, this.#options);
      if (typeof route === 'string') unsent.push({ prefix: wanted.prefix, reason: route });
      else desired.set(formatPrefix(wanted.prefix), route);
    }
    const withdraw = [...link.rib].filter(([prefix]) => !desired.has(prefix)).map(([, route]) => route);
    const announce = [...desired]
      .filter(([prefix, route]) => {
        const there = link.rib.get(prefix);
        if (!there || keyOf(there) !== keyOf(route)) return true;
        return link.refresh.has(familyOfAddress(route.prefix.address));
      })
      .map(([, route]) => route);
    link.refresh.clear();
    const { messages, unfit } = packUpdates({ withdraw, announce }, agreement);
    for (const message of messages) this.#send(link, message, now);
    const changes = new Map<string, Route | null>();
    for (const { prefix } of withdraw) changes.set(formatPrefix(prefix), null);
    for (const route of announce) if (!unfit.includes(route)) changes.set(formatPrefix(route.prefix), route);
    for (const [prefix, route] of changes) {
      if (route) link.rib.set(prefix, route);
      else link.rib.delete(prefix);
    }
    for (const { prefix } of unfit) {
      unsent.push({ prefix, reason: 'its communities leave no room for it in a message' });
    }
    this.#unsent = unsent;
    if (changes.size > 0) link.pending.push({ at: link.sent, changes });
  }

  #taken(link: Link, total: number, now: number): void {
    if (total <= link.taken) return;
    link.taken = Math.min(total, link.sent);
    link.progress = now;
    while (link.pending[0] && link.pending[0].at <= link.taken) {
      for (const [prefix, route] of link.pending.shift()!.changes) {
        const there = this.#confirmed.get(prefix);
        if (!route) this.#confirmed.delete(prefix);
        else if (!there || keyOf(there.route) !== keyOf(route)) {
          this.#confirmed.set(prefix, { route, since: now });
        }
      }
    }
    if (link.state === 'established') this.#flush(link, now);
  }
}

/** The session is refused because of graceful restart. */
class StaleRefused extends BgpError {}

/** What the commonest notifications mean for the configuration here. */
const hints: Readonly<Record<string, string>> = {
  '2/2': 'it expects another AS of us: compare local-as',
  '2/3': 'it refuses our router-id: each speaker needs its own',
  '2/6': 'it wants a longer hold-time',
  '6/3': 'it does not know us any more',
  '6/5': 'it refuses us for now',
};

function contextOf({ fourOctetAs, internal }: Agreement) {
  return { fourOctetAs, internal, keepPrefixes: false };
}

/** RFC 6608: subcodes by state. */
function unexpected({ state }: Link, { kind }: Message): BgpError {
  const subcode = state === 'open-sent' ? 1 : state === 'open-confirm' ? 2 : 3;
  return new BgpError(errorCode.machine, subcode, kind);
}

function problemOf(error: BgpError): SessionProblem {
  if (error instanceof StaleRefused) return { kind: 'stale-routes', detail: error.detail };
  if (error.code === errorCode.open) {
    const { detail } = error;
    if (error.subcode === openError.badPeerAs) return { kind: 'wrong-as', detail };
    if (error.subcode === openError.badIdentifier) return { kind: 'bad-identifier', detail };
    if (error.subcode === openError.unacceptableHoldTime) return { kind: 'hold-time', detail };
    if (error.subcode === openError.unsupportedCapability) return { kind: 'no-family', detail };
  }
  return { kind: 'ended', detail: error.message };
}

function idNumber(routerId: string): number {
  return routerId.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

/** LOCAL_PREF of routes that name none, as RFC 4271 section 5.1.5 demands one inside an AS: what routers take for granted. */
const commonPreference = 100;

/** A route as it is sent in a session; in words why it cannot be. `local`: our address there. */
export function routeFor(
  { prefix, med, localPreference, communities, largeCommunities, prepend }: WantedRoute,
  { families, internal, extendedNextHop }: Agreement,
  local: string,
  { localAs, nextHop }: Pick<SessionOptions, 'localAs' | 'nextHop'>,
): Route | string {
  const family = familyOfAddress(prefix.address);
  if (!families.includes(family)) return `${family} is not agreed on with the peer`;
  const linkLocal = /^fe[89ab]/i.test(local);
  const own = familyOfAddress(local) === family || (family === 'ipv4' && extendedNextHop) ? local : null;
  const hop = nextHop[family] ?? (linkLocal ? null : own);
  if (hop === null) return `there is no ${family} next hop for it: set next-hop-${family}`;
  if (familyOfAddress(hop) !== family && !(family === 'ipv4' && extendedNextHop)) {
    return `the peer does not take the next hop ${hop} for ${family} (RFC 8950)`;
  }
  return {
    prefix,
    nextHop: hop,
    // Our own AS in a path inside it would be a loop (RFC 4271 section 9.1.2).
    asPath: internal ? [] : new Array<number>(1 + prepend).fill(localAs),
    med,
    localPreference: internal ? (localPreference ?? commonPreference) : null,
    communities,
    largeCommunities,
  };
}
