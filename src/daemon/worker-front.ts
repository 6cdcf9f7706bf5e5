/** What every worker does alike: make its front, and say why it cannot prepare a plan. */
import { Board } from '#balance/board.ts';
import { Cache } from '#cache/cache.ts';
import type { Entropy } from '#front/entropy.ts';
import { Front } from '#front/front.ts';
import type { Plan } from '#front/plan.ts';
import type { Arena, Egress } from '#front/ports.ts';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import type { FromWorker, WorkerStart } from './protocol.ts';
import { frontRow } from './rows.ts';

/** The front of the worker that was given `start`. */
export function makeFront(
  start: WorkerStart,
  arena: Arena,
  egress: Egress,
  entropy: Entropy,
  plan: Plan,
): Front {
  return new Front({
    arena,
    egress,
    board: new Board(start.workers, start.board),
    worker: start.worker,
    counters: frontRow(start.counters, start.worker),
    // x86 does not reorder loads; other machines need stronger reads.
    cache: start.cache ? new Cache(start.cache, process.arch !== 'x64') : null,
    rates: start.rates,
    entropy,
    plan,
  });
}

/** The answer to a `prepare` that threw. */
export function refusal(worker: number, thrown: unknown): FromWorker {
  const error =
    thrown instanceof ChorusError ? thrown : new ChorusError('INTERNAL', { reason: reasonOf(thrown) });
  return { kind: 'refused', worker, code: error.code, details: error.details };
}
