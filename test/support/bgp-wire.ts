/** BGP sessions joined by a network in virtual time: deterministic by its seed. */
import { Session, type SessionAction, type SessionEvent, type SessionOptions } from '#bgp/session.ts';

/** Uniform in 0 … bound−1, the same for the same seed (xorshift). */
export function dice(seed: number): (bound: number) => number {
  let state = seed * 2_654_435_761 + 1 || 1;
  return bound => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % bound;
  };
}

type End = { readonly host: Host; readonly link: number };
type Cable = { readonly ends: readonly [End, End | null]; open: boolean };

/** One machine with a session. */
export class Host {
  readonly address: string;
  readonly options: SessionOptions;
  readonly session: Session;
  readonly #wire: BgpWire;
  readonly cables = new Map<number, Cable>();
  readonly taken = new Map<number, number>();
  /** All that it sent, by link. */
  readonly sent: { readonly at: number; readonly link: number; readonly bytes: Uint8Array }[] = [];
  readonly actions: SessionAction[] = [];
  /** Nothing happens in it: it is stopped, its connections stand. */
  frozen = false;
  /** Nothing listens, nothing is sent: the process is gone. */
  dead = false;
  /** When it sees that time has passed. */
  due = Infinity;

  constructor(wire: BgpWire, address: string, options: SessionOptions) {
    this.#wire = wire;
    this.address = address;
    this.options = options;
    this.session = new Session(options, wire.random);
  }

  get state(): string {
    return this.session.report(this.#wire.now).state;
  }
  /** What the peer holds of it, as it believes. */
  get routes(): string[] {
    return this.session
      .report(this.#wire.now)
      .routes.map(({ route }) => route.prefix.address)
      .sort();
  }

  step(event: SessionEvent): void {
    if (this.dead) return;
    const actions = this.session.step(event, this.#wire.now);
    this.actions.push(...actions);
    for (const action of actions) this.#wire.carry(this, action);
    this.due = this.session.due;
  }
}

/** The network. */
export class BgpWire {
  now = 1_000;
  readonly random: (bound: number) => number;
  readonly hosts: Host[] = [];
  /** Packets are lost in silence. */
  cut = false;
  readonly #queue: { at: number; order: number; run: () => void }[] = [];
  #order = 0;

  constructor(seed = 1) {
    this.random = dice(seed);
  }

  host(address: string, options: SessionOptions): Host {
    const host = new Host(this, address, options);
    this.hosts.push(host);
    return host;
  }

  /** Runs `then` on a host after `ms`, or when it thaws. */
  later(ms: number, host: Host, then: () => void): void {
    const run = (): void => {
      if (host.frozen) this.#queue.push({ at: this.now + 1, order: this.#order++, run });
      else then();
    };
    this.#queue.push({ at: this.now + ms, order: this.#order++, run });
  }

  /** Lets time pass. */
  run(ms: number): void {
    const end = this.now + ms;
    for (let steps = 0; ; steps++) {
      if (steps > 200_000) throw new Error('it never rests');
      this.#queue.sort((one, other) => one.at - other.at || one.order - other.order);
      const next = this.#queue[0];
      const ticking = this.hosts.filter(host => !host.frozen && !host.dead);
      const due = Math.min(...ticking.map(host => host.due), Infinity);
      const at = Math.max(this.now, Math.min(next?.at ?? Infinity, due));
      if (at > end) break;
      this.now = at;
      if (next && next.at <= due) {
        this.#queue.shift();
        next.run();
      } else ticking.find(host => host.due === due)!.step({ kind: 'tick' });
    }
    this.now = end;
  }

  /** Ends a process: its connections are closed by its kernel. */
  kill(host: Host): void {
    host.dead = true;
    for (const [link] of host.cables) this.#close(host, link, 'reset');
  }

  /** Does an action of a host. */
  carry(host: Host, action: SessionAction): void {
    const { link } = action;
    if (action.kind === 'connect') this.#connect(host, link);
    else if (action.kind === 'send') this.#send(host, link, action.bytes);
    else this.#close(host, link, 'closed');
  }

  #connect(host: Host, link: number): void {
    const other = this.hosts.find(each => each !== host && each.address !== host.address && !each.dead);
    if (this.cut) return;
    this.later(1 + this.random(3), host, () => {
      if (!other || other.dead || !other.options.passive) {
        host.step({ kind: 'closed', link, reason: 'connection refused' });
        return;
      }
      const far = other.session.newLink();
      const cable: Cable = {
        ends: [
          { host, link },
          { host: other, link: far },
        ],
        open: true,
      };
      host.cables.set(link, cable);
      other.cables.set(far, cable);
      this.later(1, other, () => other.step({ kind: 'accepted', link: far, local: other.address }));
      host.step({ kind: 'connected', link, local: host.address });
    });
  }

  #send(host: Host, link: number, bytes: Uint8Array): void {
    host.sent.push({ at: this.now, link, bytes });
    const far = this.#far(host, link);
    if (!far || this.cut) return;
    const total = (host.taken.get(link) ?? 0) + bytes.length;
    host.taken.set(link, total);
    this.later(1, host, () => host.step({ kind: 'taken', link, total }));
    // In pieces, in order.
    const middle = this.random(bytes.length);
    this.later(2, far.host, () =>
      far.host.step({ kind: 'received', link: far.link, bytes: bytes.subarray(0, middle) }),
    );
    this.later(2, far.host, () =>
      far.host.step({ kind: 'received', link: far.link, bytes: bytes.subarray(middle) }),
    );
  }

  #close(host: Host, link: number, how: 'closed' | 'reset'): void {
    const cable = host.cables.get(link);
    if (!cable?.open) return;
    cable.open = false;
    const far = this.#farEnd(cable, host, link);
    if (!far || this.cut) return;
    this.later(3, far.host, () =>
      far.host.step({ kind: 'closed', link: far.link, reason: `the peer ${how} the connection` }),
    );
  }

  #far(host: Host, link: number): End | null {
    const cable = host.cables.get(link);
    return cable?.open ? this.#farEnd(cable, host, link) : null;
  }

  #farEnd({ ends }: Cable, host: Host, link: number): End | null {
    return ends.find(end => end !== null && !(end.host === host && end.link === link)) ?? null;
  }
}
