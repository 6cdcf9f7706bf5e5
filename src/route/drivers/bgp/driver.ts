/** The built-in BGP speaker as a route driver: sockets and timers around the machine of #bgp/session.ts. */
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import {
  type SentRoute,
  Session,
  type SessionAction,
  type SessionEvent,
  type SessionOptions,
  type SessionProblem,
  type SessionReport,
  type WantedRoute,
} from '#bgp/session.ts';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import { formatEndpoint, isIpv6 } from '#net/address.ts';
import { dial, guardAccepted, longestKey, type TcpGuard } from '#net/tcp-guard.ts';
import { type Announcement, type Attributes, formatPrefix } from '../../announcement.ts';
import type { DriverReport, DriverState, DriverWorld, RouteDriver } from '../../driver.ts';
import { listen } from './listener.ts';
import type { BgpOptions } from './options.ts';

/** A listener that cannot be had is tried again after so long, ms. */
const listenPause = 1_000;
/** A peer that has not closed a connection that we have ended gets so long, ms. */
const endPatience = 2_000;
/** Connections at once, ended ones too: one is enough, and a peer (on the loopback: anybody here) must not use up descriptors. */
const mostWires = 8;

/** One TCP connection. */
type Wire = { readonly socket: Socket; taken: number; ended: (() => void) | null };

/** Makes the driver. Throws a ChorusError where the password file cannot be used. */
export function makeBgpDriver(options: BgpOptions, world: DriverWorld): RouteDriver {
  return new BgpDriver(options, world);
}

class BgpDriver implements RouteDriver {
  readonly #options: BgpOptions;
  readonly #world: DriverWorld;
  readonly #peer: string;
  readonly #guard: TcpGuard;
  readonly #session: Session;
  readonly #wires = new Map<number, Wire>();
  #started = false;
  #closing: (() => void) | null = null;
  #closed: Promise<void> | null = null;
  #timer: (() => void) | null = null;
  #unlisten: (() => void) | null = null;
  #listenAgain: (() => void) | null = null;
  #listenProblem: ChorusError | null = null;
  #wanted: readonly Announcement[] = [];
  #state: DriverState = 'idle';
  #since: number;
  /** What was last told, so that the same is not told again. */
  #signature = '';
  #noticed = '';
  #warned = '';

  constructor(options: BgpOptions, world: DriverWorld) {
    this.#options = options;
    this.#world = world;
    this.#since = world.now();
    this.#peer = formatEndpoint(options.peer);
    const hops = options['ttl-security'];
    this.#guard = { hops, key: keyOfFile(options['password-file']) };
    this.#session = new Session(sessionOptions(options), world.random);
  }

  want(announcements: readonly Announcement[]): void {
    if (this.#closed) return;
    this.#wanted = announcements;
    if (!this.#started) {
      this.#started = true;
      if (this.#options.mode !== 'active') this.#listen();
      this.#step({ kind: 'start' });
    }
    const routes = new Map<string, WantedRoute>();
    for (const { prefix, attributes } of announcements) {
      const key = formatPrefix(prefix);
      if (!routes.has(key)) routes.set(key, { prefix, ...attributes });
    }
    this.#step({ kind: 'want', routes: [...routes.values()] });
  }

  beat(): void {
    if (this.#started && !this.#closed) this.#step({ kind: 'beat' });
  }

  report(): DriverReport {
    const report = this.#session.report(this.#world.now());
    return {
      state: this.#state,
      since: this.#since,
      detail: detailOf(report, this.#peer, this.#started, this.#closed !== null),
      problem: report.state === 'established' ? null : (this.#listenProblem ?? this.#problem(report.problem)),
      warnings: this.#warnings(report),
      routes: report.routes.map(sent => ({
        prefix: sent.route.prefix,
        attributes: attributesOf(sent),
        since: sent.since,
      })),
    };
  }

  close(patience: number, reason: string): Promise<void> {
    this.#closed ??= new Promise(resolve => {
      let over: (() => void) | null = null;
      const done = (): void => {
        over?.();
        this.#closing = null;
        this.#timer?.();
        this.#timer = null;
        for (const { socket, ended } of this.#wires.values()) {
          ended?.();
          socket.destroy();
        }
        this.#wires.clear();
        resolve();
      };
      this.#closing = done;
      this.#unlisten?.();
      this.#listenAgain?.();
      this.#step({ kind: 'stop', reason });
      if (this.#wires.size === 0) done();
      else over = this.#world.wait(patience, done);
    });
    return this.#closed;
  }

  /** Gives the machine an event, does what it says, and tells what has changed. */
  #step(event: SessionEvent): void {
    const now = this.#world.now();
    const actions = this.#session.step(event, now);
    for (const action of actions) this.#do(action);
    for (const { socket } of this.#wires.values()) while (socket.writableCorked > 0) socket.uncork();
    this.#arm(now);
    // Ten beats a second that change nothing cost nothing.
    if (event.kind !== 'beat' || actions.length > 0) this.#tell();
  }

  #arm(now: number): void {
    this.#timer?.();
    this.#timer = null;
    const { due } = this.#session;
    if (due === Infinity || this.#closed) return;
    this.#timer = this.#world.wait(Math.max(0, Math.ceil(due - now)), () => {
      this.#timer = null;
      this.#step({ kind: 'tick' });
    });
  }

  #do(action: SessionAction): void {
    if (action.kind === 'connect') {
      this.#connect(action.link);
      return;
    }
    const wire = this.#wires.get(action.link);
    if (!wire) return;
    const { socket } = wire;
    if (action.kind === 'send') {
      const { length } = action.bytes;
      // What belongs together leaves in one packet.
      if (socket.writableCorked === 0) socket.cork();
      socket.write(action.bytes, failure => {
        if (failure) return;
        wire.taken += length;
        this.#step({ kind: 'taken', link: action.link, total: wire.taken });
      });
    } else if (action.kind === 'end') {
      while (socket.writableCorked > 0) socket.uncork();
      socket.end();
      wire.ended = this.#world.wait(endPatience, () => socket.destroy());
    } else socket.destroy();
  }

  #connect(link: number): void {
    const { peer, 'local-address': source = null } = this.#options;
    try {
      const socket = dial({ ...peer, source, guard: this.#guard }, () => {
        this.#step({ kind: 'connected', link, local: bare(socket.localAddress) });
      });
      this.#attend(link, socket);
    } catch (thrown) {
      const reason = reasonOf(thrown);
      // Not within the step that asked for it.
      this.#world.wait(0, () => this.#step({ kind: 'closed', link, reason: `${setUp}${reason}` }));
    }
  }

  #attend(link: number, socket: Socket): Wire {
    const wire: Wire = { socket, taken: 0, ended: null };
    this.#wires.set(link, wire);
    let reason = closedByPeer;
    socket.on('error', failure => {
      reason = reasonOfSocket(failure);
    });
    socket.on('data', (bytes: Buffer) => this.#step({ kind: 'received', link, bytes }));
    socket.on('close', () => {
      wire.ended?.();
      this.#wires.delete(link);
      this.#step({ kind: 'closed', link, reason });
      if (this.#wires.size === 0) this.#closing?.();
    });
    return wire;
  }

  #listen(): void {
    const { peer, 'local-address': local, 'local-port': port } = this.#options;
    const address = local ?? (isIpv6(peer.address) ? '::' : '0.0.0.0');
    this.#listenAgain = null;
    const guard = this.#guard;
    this.#unlisten = listen({
      address,
      port,
      peer: peer.address,
      guard,
      accept: socket => this.#accepted(socket),
      told: failure => {
        this.#listenProblem = failure && listenError(failure, formatEndpoint({ address, port }));
        if (failure) {
          this.#unlisten?.();
          this.#unlisten = null;
          if (!this.#closed) this.#listenAgain = this.#world.wait(listenPause, () => this.#listen());
        }
        this.#tell();
      },
    });
  }

  #accepted(socket: Socket): void {
    if (this.#wires.size >= mostWires) {
      socket.on('error', () => {});
      socket.resetAndDestroy();
      return;
    }
    try {
      guardAccepted(socket, this.#guard, this.#options.peer.address);
    } catch {
      socket.on('error', () => {});
      socket.resetAndDestroy();
      return;
    }
    const link = this.#session.newLink();
    this.#attend(link, socket);
    this.#step({ kind: 'accepted', link, local: bare(socket.localAddress) });
  }

  #problem(problem: SessionProblem | null): ChorusError | null {
    if (!problem) return null;
    const { kind, detail: reason } = problem;
    const peer = this.#peer;
    if (kind !== 'unreachable') return new ChorusError(codes[kind], { peer, reason });
    if (reason.startsWith(setUp))
      return new ChorusError('BGP_SOCKET', { peer, reason: reason.slice(setUp.length) });
    return reason === refused
      ? new ChorusError('BGP_REFUSED', { peer })
      : new ChorusError('BGP_UNREACHABLE', { peer, reason });
  }

  #warnings(report: SessionReport): string[] {
    const { agreement, unsent, stalled } = report;
    const warnings: string[] = [];
    if (!agreement) return warnings;
    if (agreement.stale) {
      const { time, longLived, forwarding } = agreement.stale;
      const kept = forwarding.length > 0 ? `, and forwards ${forwarding.join(' and ')} by them` : '';
      warnings.push(
        `the peer offers graceful restart: while its routing daemon restarts it keeps stale routes for up to ${time + (longLived ?? 0)} s${kept}, whatever is withdrawn meanwhile: turn it off on the peer (FRR: bgp graceful-restart-disable; BIRD: graceful restart off)`,
      );
    }
    for (const { prefix, reason } of unsent)
      warnings.push(`${formatPrefix(prefix)} is not announced: ${reason}`);
    if (agreement.internal && this.#wanted.some(({ attributes }) => attributes.prepend > 0)) {
      warnings.push('prepend has no effect in a session within our own AS');
    }
    if (stalled > slow) warnings.push(`the peer has taken nothing for ${Math.round(stalled / 1000)} s`);
    if (this.#listenProblem) warnings.push(this.#listenProblem.message);
    return warnings;
  }

  /** Tells of changes: the report's to its reader, those of the session to the log. */
  #tell(): void {
    const session = this.#session.report(this.#world.now());
    const problem = this.#listenProblem ?? this.#problem(session.problem);
    const state = stateOf(session, problem, this.#started && !this.#closed);
    if (state !== this.#state) {
      this.#state = state;
      this.#since = this.#world.now();
    }
    const report = this.report();
    this.#notice(session, report);
    const { since: _, ...rest } = report;
    const signature = JSON.stringify([rest, report.problem?.message ?? null]);
    if (signature === this.#signature) return;
    this.#signature = signature;
    this.#world.onChange();
  }

  #notice(session: SessionReport, report: DriverReport): void {
    const { onNotice } = this.#world;
    const text = session.state === 'established' ? report.detail : (report.problem?.message ?? '');
    if (text !== '' && text !== this.#noticed) {
      this.#noticed = text;
      onNotice(session.state === 'established' ? 'info' : 'warn', text);
    }
    const warning = report.warnings.join('; ');
    if (warning !== this.#warned) {
      this.#warned = warning;
      if (warning !== '') onNotice('warn', warning);
    }
  }
}

/** The peer has taken nothing for so long, ms: worth a word. */
const slow = 2_000;
/** How reasons of the machine are told apart here. */
const refused = 'connection refused';
const closedByPeer = 'the peer closed the connection';
const setUp = 'set-up: ';

const codes = {
  'wrong-as': 'BGP_WRONG_AS',
  'bad-identifier': 'BGP_ROUTER_ID',
  'hold-time': 'BGP_HOLD_TIME',
  'no-family': 'BGP_NO_FAMILY',
  'stale-routes': 'BGP_STALE_ROUTES',
  told: 'BGP_TOLD',
  ended: 'BGP_ENDED',
} as const;

/** Problems that end by somebody's hand only. */
const lasting: readonly string[] = [
  'BGP_WRONG_AS',
  'BGP_ROUTER_ID',
  'BGP_HOLD_TIME',
  'BGP_NO_FAMILY',
  'BGP_STALE_ROUTES',
  'BGP_SOCKET',
  'PERMISSION',
  'ADDRESS_IN_USE',
  'ADDRESS_NOT_AVAILABLE',
  'LISTEN_FAILED',
];

function stateOf(session: SessionReport, problem: ChorusError | null, running: boolean): DriverState {
  if (!running) return 'idle';
  if (session.state === 'established') return 'up';
  const refusedOpen = problem?.code === 'BGP_TOLD' && problem.message.includes('OPEN Message Error');
  return problem && (refusedOpen || lasting.includes(problem.code)) ? 'failed' : 'connecting';
}

function sessionOptions(options: BgpOptions): SessionOptions {
  return {
    localAs: options['local-as'],
    peerAs: options['peer-as'],
    routerId: options['router-id'],
    holdTime: options['hold-time'] ?? 0,
    families: options.families,
    active: options.mode !== 'passive',
    passive: options.mode !== 'active',
    nextHop: { ipv4: options['next-hop-ipv4'] ?? null, ipv6: options['next-hop-ipv6'] ?? null },
    refuseStale: options['stale-routes'] === 'refuse',
  };
}

function keyOfFile(file: string | undefined): Uint8Array | null {
  if (file === undefined) return null;
  const fail = (reason: string): never => {
    throw new ChorusError('BGP_PASSWORD', { file, reason });
  };
  let key: Buffer;
  try {
    key = readFileSync(file);
  } catch (thrown) {
    return fail(reasonOf(thrown));
  }
  const end = key.indexOf(0x0a);
  const line = new Uint8Array(key.subarray(0, end < 0 ? key.length : end));
  if (line.length === 0) return fail('its first line is empty');
  if (line.length > longestKey) return fail(`its first line has ${line.length} octets`);
  return line;
}

function detailOf(report: SessionReport, peer: string, started: boolean, closed: boolean): string {
  const { state, agreement } = report;
  if (closed) return 'closed';
  if (!started) return 'nothing is wanted yet';
  if (agreement && state === 'established') {
    const hold = agreement.holdTime > 0 ? `hold time ${agreement.holdTime} s` : 'no hold time';
    const kind = agreement.internal ? 'iBGP' : 'eBGP';
    return `established with ${peer} AS ${agreement.peerAs} (${kind}, router id ${agreement.peerId}), ${hold}, ${agreement.families.join(' and ')}`;
  }
  const words = {
    idle: 'waiting after an error',
    connect: 'connecting',
    active: 'waiting for the peer',
    'open-sent': 'waiting for its OPEN',
    'open-confirm': 'waiting for its KEEPALIVE',
    established: 'established',
  };
  return `${peer}: ${words[state]}`;
}

/** What the peer was told, in the terms of what was wanted where it says the same: LOCAL_PREF goes to nobody outside our AS. */
function attributesOf({ route, wanted }: SentRoute): Attributes {
  const { med, localPreference, communities, largeCommunities, prepend } = wanted ?? {
    ...route,
    prepend: Math.max(0, route.asPath.length - 1),
  };
  return { med, localPreference, communities, largeCommunities, prepend };
}

function reasonOfSocket(failure: NodeJS.ErrnoException): string {
  const words: Readonly<Record<string, string>> = {
    ECONNREFUSED: refused,
    // Which of them it is depends on who was faster.
    ECONNRESET: closedByPeer,
    EPIPE: closedByPeer,
    ETIMEDOUT: 'no answer',
    EHOSTUNREACH: 'no route to it (host unreachable)',
    ENETUNREACH: 'no route to it (network unreachable)',
    EADDRNOTAVAIL: `${setUp}no interface of this machine has the local address`,
    EINVAL: `${setUp}${failure.message}`,
  };
  return words[failure.code ?? ''] ?? failure.message;
}

function listenError(failure: NodeJS.ErrnoException, address: string): ChorusError {
  const details = { address, protocol: 'BGP', reason: failure.message };
  if (failure.code === 'EADDRINUSE') return new ChorusError('ADDRESS_IN_USE', details);
  if (failure.code === 'EADDRNOTAVAIL') return new ChorusError('ADDRESS_NOT_AVAILABLE', details);
  if (failure.code === 'EACCES') return new ChorusError('PERMISSION', details);
  return new ChorusError('LISTEN_FAILED', details);
}

function bare(address: string | undefined): string {
  return (address ?? '').replace(/%.*$/, '').replace(/^::ffff:/, '');
}
