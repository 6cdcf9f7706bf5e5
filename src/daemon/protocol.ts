/**
 * What the main thread and the workers say to each other. A worker is a thread with one front; main tells it snapshots in
 * two steps, so that a snapshot is in force in all of them or in none.
 */

import type { Plan } from '#front/plan.ts';
import type { ErrorCode } from '#kit/errors.ts';

/** An address and port where clients ask, UDP and TCP. IPv6 without brackets. */
export type ListenAddress = { readonly address: string; readonly port: number };

/** Bounds for clients over TCP. Times in ms. */
export type StreamLimits = {
  readonly idle: number;
  readonly connections: number;
  readonly connectionsPerClient: number;
  /** Queries of one connection that may wait for answers. */
  readonly pipeline: number;
  /** Bytes that may wait to be sent to a slow reader before it is cut off. */
  readonly sendBuffer: number;
};

/** What a worker is given at its start, as workerData. */
export type WorkerStart = {
  readonly kind: 'packet' | 'stream';
  /** Row on the board and in the counters. */
  readonly worker: number;
  /** Workers in all: packet workers first, then the stream workers. */
  readonly workers: number;
  readonly board: SharedArrayBuffer;
  readonly counters: SharedArrayBuffer;
  readonly cache: SharedArrayBuffer | null;
  /** What clients have asked (front/rates.ts). */
  readonly rates: SharedArrayBuffer;
  /** Packet worker: the eventfd that wakes it when a message was posted. −1 for others. */
  readonly doorbell: number;
  /** Stream worker: whether it also serves UDP (loop engine). */
  readonly datagrams: boolean;
  /** Stream worker: whether it serves TCP. */
  readonly streams: boolean;
  /** The main thread kept capabilities when it gave up root: a thread that it makes then has them too, and drops them. */
  readonly shedsCapabilities?: boolean;
};

/** Everything a worker needs of one snapshot. */
export type WorkerPlan = {
  readonly plan: Plan;
  readonly listeners: readonly ListenAddress[];
  /** Receive buffer to ask of the kernel for each UDP socket, in bytes. */
  readonly receiveBuffer: number;
  /** Sockets, and so source ports, to each backend. */
  readonly portsPerBackend: number;
  /** Batch engine: packets may gather under load. */
  readonly coalesce: boolean;
  /** Batch engine: the worker runs in real time. */
  readonly realtime: boolean;
  readonly streamLimits: StreamLimits;
};

export type ToWorker =
  /** Open what the plan needs beyond what is open; answer `prepared`. Changes nothing for clients. */
  | { readonly kind: 'prepare'; readonly plan: WorkerPlan }
  /** Put the prepared plan in force; answer `committed`. */
  | { readonly kind: 'commit' }
  /** Close what `prepare` opened. */
  | { readonly kind: 'abort' }
  /** Take no new TCP connection, answer what is in flight, then answer `drained`; after `timeout` ms at the latest. */
  | { readonly kind: 'drain'; readonly timeout: number }
  /** Answer `pong`, between two batches: main asks each second and reports a worker that does not answer. */
  | { readonly kind: 'ping' };

/** A UDP listener and what the kernel granted it, in bytes. */
export type Granted = { readonly address: string; readonly port: number; readonly receiveBuffer: number };

export type FromWorker =
  /** The thread runs and waits for its first plan. */
  | { readonly kind: 'started'; readonly worker: number }
  | { readonly kind: 'prepared'; readonly worker: number; readonly granted: readonly Granted[] }
  | {
      readonly kind: 'refused';
      readonly worker: number;
      readonly code: ErrorCode;
      readonly details: Readonly<Record<string, string | number>>;
    }
  | { readonly kind: 'committed'; readonly worker: number; readonly generation: number }
  | { readonly kind: 'drained'; readonly worker: number; readonly abandoned: number }
  | { readonly kind: 'pong'; readonly worker: number }
  | {
      readonly kind: 'log';
      readonly worker: number;
      readonly level: 'info' | 'warn' | 'error';
      readonly text: string;
    };
