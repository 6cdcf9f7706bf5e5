/** The contract of a probe. A probe is one file, its test and a line in registry.ts. */
import type { Destination, Exchanger } from '../exchange.ts';
import type { Programs } from '../programs.ts';
import type { ProbeQuestion } from '../targets.ts';

/** What one run found. */
export type ProbeOutcome = {
  readonly good: boolean;
  /** In words, for the operator: "NOERROR in 0.4ms", "SERVFAIL", "connection refused". */
  readonly detail: string;
  /** Time to the answer in ms; null when there was none. */
  readonly latency: number | null;
  /** Response code of the answer, with the extended bits; null when there was none that could be read. */
  readonly rcode: number | null;
  /** The answer that decided; null when there was none. */
  readonly answer: Uint8Array | null;
  /** The probe could not be made for want of something on this machine: it says nothing of the backend. */
  readonly void?: boolean;
  /** The weight that it gives the backend; absent: its own. It lowers the weight of the configuration, never raises it. */
  readonly weight?: number;
  /** The machine answered that no server listens there: the backend's own failure, whatever the network does. */
  readonly nobody?: boolean;
};

/** The world as a probe is given it. */
export type ProbeWorld = {
  readonly datagrams: Exchanger;
  readonly streams: Exchanger;
  /** Absent: no program can be run here. */
  readonly programs?: Programs | undefined;
  /** Monotonic time in ms. */
  readonly now: () => number;
  /** Uniform in 0 … bound−1, not to be guessed from outside; bound up to 2^32. */
  readonly random: (bound: number) => number;
};

/** A run under way. */
export interface ProbeRun {
  /** Ends the run: closes what it holds open; `done` is not called after it. */
  close(): void;
  /** What was heard that did not count, in words; empty when nothing was. Told when the run times out. */
  readonly heard: string;
}

/** A probe made ready for one backend: what does not change from run to run is done. */
export interface PreparedProbe {
  /** Begins one run; calls `done` once, not before `start` has returned. The prober watches over the timeout. */
  start(world: ProbeWorld, done: (outcome: ProbeOutcome) => void): ProbeRun;
}

/** Makes a probe ready. @throws WireError when the question's name is not a domain name or too long. */
export type ProbeFactory = (target: Destination, question: ProbeQuestion) => PreparedProbe;
