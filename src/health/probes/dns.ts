/** Probes that ask one question of DNS, whatever it goes over. */

import { type Expectation, judgeAnswer } from './answer.ts';
import { failureOf } from './failure.ts';
import type { PreparedProbe, ProbeFactory, ProbeOutcome, ProbeRun, ProbeWorld } from './probe.ts';
import { freshen, probeQuery } from './query.ts';

/** A time in words: "0.42ms", "12.3ms", "1500ms". */
export function inWords(ms: number): string {
  return `${ms < 10 ? ms.toFixed(2) : ms < 100 ? ms.toFixed(1) : ms.toFixed(0)}ms`;
}

const nothing = { good: false, latency: null, rcode: null, answer: null } as const;

/** The outcome of a run that got no answer. */
export function unanswered(detail: string): ProbeOutcome {
  return { ...nothing, detail };
}

/** The outcome of a run that the system ended with this error. */
function failure(code: string, stream: boolean): ProbeOutcome {
  return { ...nothing, ...failureOf(code, stream) };
}

class Run implements ProbeRun {
  heard = '';
  readonly #query: Uint8Array;
  readonly #wanted: Expectation;
  readonly #done: (outcome: ProbeOutcome) => void;
  readonly #now: () => number;
  readonly #sent: number;
  #strays = 0;
  #over = false;
  #close: () => void = () => {};

  constructor(query: Uint8Array, wanted: Expectation, now: () => number, done: Run['done']) {
    this.#query = query;
    this.#wanted = wanted;
    this.#now = now;
    this.#done = done;
    this.#sent = now();
  }

  /** Takes the function that closes the exchange. */
  holds(close: () => void): this {
    this.#close = close;
    return this;
  }

  message(bytes: Uint8Array): void {
    if (this.#over) return;
    const verdict = judgeAnswer(this.#query, bytes, this.#wanted);
    if (verdict.kind === 'stray') {
      this.#strays++;
      this.heard = this.#strays === 1 ? verdict.detail : `${verdict.detail}, ${this.#strays} such in all`;
      return;
    }
    const latency = this.#now() - this.#sent;
    this.done({
      good: verdict.kind === 'good',
      detail: `${verdict.detail} in ${inWords(latency)}`,
      latency,
      rcode: verdict.rcode,
      answer: bytes,
    });
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

/** A probe that asks over datagrams or streams. */
export function dnsProbe(way: 'datagrams' | 'streams'): ProbeFactory {
  return (target, question): PreparedProbe => {
    const template = probeQuery(question);
    const randomLabel = question.randomLabel ?? false;
    return {
      start(world: ProbeWorld, done): ProbeRun {
        const query = template.slice();
        freshen(query, randomLabel, world.random);
        const run = new Run(query, question, world.now, done);
        return run.holds(
          world[way].exchange(target, query, {
            message: bytes => run.message(bytes),
            failed: code => run.done(failure(code, way === 'streams')),
          }),
        );
      },
    };
  };
}
