/**
 * One question to one server, as a client asks it: over UDP or TCP, and again after silence. Time, chance and sockets are
 * given. `chorus check` and `chorus probe` ask with it.
 */
import type { Clock } from '#health/clock.ts';
import type { Destination, Exchanger } from '#health/exchange.ts';
import { failureOf } from '#health/probes/failure.ts';
import { judgeHeader } from '#health/probes/header.ts';
import { freshen, probeQuery } from '#health/probes/query.ts';
import { rcodeName } from '#wire/types.ts';

export type Transport = 'udp' | 'tcp';

export type QueryParts = {
  /** Presentation format. */
  readonly name: string;
  readonly type: number;
  /** Default IN. */
  readonly class?: number;
  /** Recursion desired; default true. */
  readonly rd?: boolean;
  /** With EDNS, which is what an extended error (RFC 8914) needs to come back; default true. */
  readonly edns?: boolean;
};

/** What a query says it can take: the size that avoids fragments, and that servers use themselves. */
const udpSize = 1232;

/** A query with id 0. @throws WireError for a name that is none. */
export function makeQuery({ rd = true, edns = true, ...question }: QueryParts): Uint8Array {
  const plain = probeQuery(question);
  plain[2] = rd ? 0x01 : 0;
  if (!edns) return plain;
  const bytes = new Uint8Array(plain.length + 11);
  bytes.set(plain);
  bytes[11] = 1;
  // OPT (RFC 6891 section 6.1.2): the root, type 41, the size as class, no flags, no options.
  bytes.set([0, 0, 41, udpSize >> 8, udpSize & 0xff], plain.length);
  return bytes;
}

/** A name that no cache has: 64 random bits as a label before `zone`. */
export function randomName(zone: string, random: (bound: number) => number): string {
  let label = 'x';
  for (let i = 0; i < 4; i++) label += random(0x10000).toString(16).padStart(4, '0');
  return zone === '.' ? `${label}.` : `${label}.${zone}`;
}

export type Inquiry = {
  readonly to: Destination;
  readonly transport: Transport;
  /** Its id is replaced in each try. */
  readonly query: Uint8Array;
  /** Response codes that count as good. */
  readonly good: readonly number[];
  /** How long an answer to one try may take, ms. */
  readonly time: number;
  /** Times that silence is met with the same question, ≥ 1. Any answer, and any error, ends the matter. */
  readonly tries: number;
};

/** What came of it. */
export type Asked = {
  /** `answer`: a message that is one. `malformed`: a message that is no answer to this. `error`: the system said so. */
  readonly kind: 'answer' | 'malformed' | 'silence' | 'error';
  readonly good: boolean;
  /** In words, without the time it took. */
  readonly detail: string;
  /** Of an answer; null else. */
  readonly rcode: number | null;
  /** From the first try to what ended the matter, ms; null where nothing came. */
  readonly latency: number | null;
  /** Tries made. */
  readonly tries: number;
  /** What came, without a length before it; null where nothing came. */
  readonly bytes: Uint8Array | null;
  /** It failed for something on this machine, which says nothing of the server. */
  readonly ours: boolean;
};

export type AskWorld = {
  readonly clock: Clock;
  /** Uniform in 0 … bound−1, not to be guessed from outside. */
  readonly random: (bound: number) => number;
  readonly datagrams: Exchanger;
  /** The same over TCP: one message each way on a connection of its own. */
  readonly streams: Exchanger;
};

/** A timeout that is noticed this late (ms) is given as long again: an answer may wait unread in the socket. */
const lateness = 10;
const ourFaults = new Set(['EADDRNOTAVAIL', 'EACCES', 'EPERM', 'EINVAL']);

/** Asks; calls `done` once, not before it has returned. Gives the function that calls it off: then `done` is not called. */
export function ask(inquiry: Inquiry, world: AskWorld, done: (asked: Asked) => void): () => void {
  const { to, transport, query, good, time, tries } = inquiry;
  const { clock } = world;
  const carrier = transport === 'tcp' ? world.streams : world.datagrams;
  const sent = query.slice();
  let started: number | null = null;
  let tried = 0;
  let heard = '';
  let close = () => {};
  let callOff = () => {};

  const end = (found: Partial<Asked> & Pick<Asked, 'kind' | 'detail'>) => {
    close();
    callOff();
    done({ good: false, rcode: null, latency: null, bytes: null, ours: false, ...found, tries: tried });
  };
  const take = (message: Uint8Array) => {
    const found = judgeHeader(sent, message);
    if (found.kind === 'stray') {
      heard = found.detail;
      return;
    }
    const latency = clock.now() - (started ?? 0);
    if (found.kind === 'malformed') {
      end({ kind: 'malformed', detail: found.detail, latency, bytes: message });
      return;
    }
    const { rcode } = found;
    const detail = rcodeName(rcode);
    end({ kind: 'answer', good: good.includes(rcode), detail, rcode, latency, bytes: message });
  };
  const silent = (deadline: number, again: boolean) => {
    const now = clock.now();
    if (again && now - deadline > lateness) {
      callOff = clock.wait(lateness, () => silent(deadline, false));
      return;
    }
    if (tried < tries) {
      close();
      start();
      return;
    }
    const within = tries === 1 ? inWords(time) : `${tries} times ${inWords(time)}`;
    end({ kind: 'silence', detail: `no answer within ${within}${heard === '' ? '' : ` (heard ${heard})`}` });
  };
  const start = () => {
    tried++;
    freshen(sent, false, world.random);
    const deadline = clock.now() + time;
    callOff = clock.wait(time, () => silent(deadline, true));
    close = carrier.exchange(to, sent.slice(), {
      message: take,
      failed: code => {
        const { detail, void: nothing = false } = failureOf(code, transport === 'tcp');
        end({ kind: 'error', detail, ours: nothing || ourFaults.has(code) });
      },
    });
    // What it takes to make a socket is not the server's time.
    started ??= clock.now();
  };
  start();
  return () => {
    close();
    callOff();
  };
}

/** A time in words: "0.42ms", "12.3ms", "150ms", "1s", "1.5s". */
export function inWords(ms: number): string {
  if (ms >= 1000) return `${Number((ms / 1000).toFixed(2))}s`;
  return `${Number(ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0))}ms`;
}
