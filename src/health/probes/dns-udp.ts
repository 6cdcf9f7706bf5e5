/**
 * Asks one question over UDP and judges the answer by its header and question: enough to see that the server works, at
 * little cost. The query has RD set and no EDNS. A truncated answer is as good as a whole one.
 */
import { parseName } from '#wire/name.ts';
import { rcodeName, rcodes } from '#wire/types.ts';
import type { PreparedProbe, ProbeFactory, ProbeOutcome, ProbeRun, ProbeWorld } from './probe.ts';

const headerBytes = 12;
/** NXDOMAIN says that the server works: it found out that there is no such name. */
const goodRcodes: readonly number[] = [rcodes.NOERROR, rcodes.NXDOMAIN];

/** A query for `name` (presentation form) and `type`, class IN, id 0. @throws WireError */
export function probeQuery(name: string, type: number): Uint8Array {
  const wireName = parseName(name);
  const bytes = new Uint8Array(headerBytes + wireName.length + 4);
  bytes[2] = 0x01; // RD
  bytes[5] = 1; // one question
  bytes.set(wireName, headerBytes);
  const at = headerBytes + wireName.length;
  bytes[at] = type >> 8;
  bytes[at + 1] = type & 0xff;
  bytes[at + 3] = 1; // IN
  return bytes;
}

/** What a datagram means for the run: the end of it, or something to wait past. */
export type AnswerVerdict =
  | { readonly kind: 'good' | 'bad'; readonly detail: string }
  /** Late, doubled or forged: not the answer to this query. */
  | { readonly kind: 'stray'; readonly detail: string };

/**
 * Judges what came back for `query`. The question must come back octet for octet, letter case included; only an error
 * may come without a question. `good` holds the response codes that count as good.
 */
export function judgeAnswer(query: Uint8Array, answer: Uint8Array, good: readonly number[]): AnswerVerdict {
  if (answer.length < headerBytes) return { kind: 'stray', detail: `a datagram of ${answer.length} bytes` };
  if (answer[0] !== query[0] || answer[1] !== query[1]) {
    return { kind: 'stray', detail: 'an answer with a wrong id' };
  }
  const flags = answer[2]!;
  if ((flags & 0x80) === 0) return { kind: 'bad', detail: 'malformed answer: it is a query (QR is 0)' };
  if ((flags & 0x78) !== 0) return { kind: 'bad', detail: `malformed answer: opcode ${(flags >> 3) & 15}` };
  const rcode = answer[3]! & 0x0f;
  const questions = (answer[4]! << 8) | answer[5]!;
  const bare = questions === 0 && rcode !== rcodes.NOERROR && rcode !== rcodes.NXDOMAIN;
  if (!bare) {
    if (questions !== 1) return { kind: 'bad', detail: `malformed answer: ${questions} questions` };
    for (let at = headerBytes; at < query.length; at++) {
      if (answer[at] !== query[at]) return { kind: 'bad', detail: 'the answer is for another question' };
    }
  }
  return { kind: good.includes(rcode) ? 'good' : 'bad', detail: rcodeName(rcode) };
}

/** A time in words: "0.42ms", "12.3ms", "1500ms". */
function inWords(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0)}ms`;
}

const failureText: ReadonlyMap<string, string> = new Map([
  ['ECONNREFUSED', 'refused (ICMP port unreachable): nothing listens there'],
  ['EHOSTUNREACH', 'host unreachable'],
  ['ENETUNREACH', 'network unreachable'],
  ['EADDRNOTAVAIL', 'the source address is not on this machine'],
  ['EACCES', 'not permitted to send there'],
  ['EPERM', 'not permitted to send there: a packet filter may forbid it'],
]);

/** What this machine lacks, not the backend. */
const shortages: ReadonlyMap<string, string> = new Map([
  ['EMFILE', 'not made: this process has no descriptor left'],
  ['ENFILE', 'not made: this machine has no descriptor left'],
  ['ENOBUFS', 'not made: the kernel has no buffer left'],
  ['ENOMEM', 'not made: the kernel has no memory left'],
]);

/** The outcome of a run that the system ended with this error. */
function failure(code: string): ProbeOutcome {
  const shortage = shortages.get(code);
  if (shortage !== undefined) return { good: false, detail: shortage, latency: null, void: true };
  return { good: false, detail: failureText.get(code) ?? code, latency: null };
}

class Run implements ProbeRun {
  heard = '';
  readonly #query: Uint8Array;
  readonly #good: readonly number[];
  readonly #done: (outcome: ProbeOutcome) => void;
  readonly #now: () => number;
  readonly #sent: number;
  #strays = 0;
  #over = false;
  #close: () => void = () => {};

  constructor(query: Uint8Array, good: readonly number[], now: () => number, done: Run['done']) {
    this.#query = query;
    this.#good = good;
    this.#now = now;
    this.#done = done;
    this.#sent = now();
  }

  /** Takes the function that closes the exchange. */
  holds(close: () => void): this {
    this.#close = close;
    return this;
  }

  datagram(bytes: Uint8Array): void {
    if (this.#over) return;
    const verdict = judgeAnswer(this.#query, bytes, this.#good);
    if (verdict.kind === 'stray') {
      this.#strays++;
      this.heard = this.#strays === 1 ? verdict.detail : `${verdict.detail}, ${this.#strays} such in all`;
      return;
    }
    const latency = this.#now() - this.#sent;
    this.done({ good: verdict.kind === 'good', detail: `${verdict.detail} in ${inWords(latency)}`, latency });
  }

  done(outcome: ProbeOutcome): void {
    if (this.#over) return;
    this.close();
    this.#done(outcome);
  }

  close(): void {
    this.#over = true;
    this.#close();
  }
}

/** The probe `dns-udp`. */
export const dnsUdp: ProbeFactory = (target, settings): PreparedProbe => {
  const template = probeQuery(settings.name, settings.type);
  const good = settings.expect ?? goodRcodes;
  return {
    start({ datagrams, now, random }: ProbeWorld, done): ProbeRun {
      const query = template.slice();
      const id = random(0x10000);
      query[0] = id >> 8;
      query[1] = id & 0xff;
      const run = new Run(query, good, now, done);
      return run.holds(
        datagrams.exchange(target, query, {
          datagram: bytes => run.datagram(bytes),
          failed: code => run.done(failure(code)),
        }),
      );
    },
  };
};
