/** What the API commands and asks, done by the parts of the daemon. */
import type { Control, DrainReport, ForcedBackend, ReloadReport, Verdict } from '#api/control.ts';
import type { BackendHealth } from '#health/health.ts';
import { type Forcing, serves } from '#health/judge.ts';
import { metricsText } from '#insight/metrics.ts';
import { Rates } from '#insight/rates.ts';
import { buildStatus, type CacheStatus, type PoolStatus, type Status } from '#insight/status.ts';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import type { Log } from '#kit/log.ts';
import type { Layer4Status } from '#layer4/report.ts';
import type { DrainOrder } from '#route/evidence.ts';
import type { ProblemStatus, RoutesStatus } from '#route/report.ts';
import { lowerName, parseName } from '#wire/name.ts';
import { type Parts, takeCounters, takeReading } from './reading.ts';

export class DaemonControl implements Control {
  readonly #parts: Parts;
  readonly #log: Log;
  readonly #rates = new Rates();
  #stopping = false;

  constructor(parts: Parts, log: Log) {
    this.#parts = parts;
    this.#log = log;
  }

  /** Takes a sample for the rates: once a second. */
  sample(): void {
    const { board, health } = this.#parts;
    const counters = takeCounters(this.#parts);
    this.#rates.take(performance.now(), { board, counters, places: health.places() });
  }

  /** From now on Chorus is not ready. */
  stopping(): void {
    this.#stopping = true;
  }

  status(): Status {
    return buildStatus(takeReading(this.#parts), this.#rates);
  }

  metrics(): string {
    return metricsText(takeReading(this.#parts));
  }

  alive(): Verdict {
    const silent = this.#parts.crew.view().filter(worker => !worker.lives);
    return {
      ok: silent.length === 0,
      reasons: silent.map(({ worker, kind }) => `worker ${worker} (${kind}) does not answer`),
    };
  }

  ready(): Verdict {
    const { crew, health, configuration } = this.#parts;
    if (this.#stopping) return { ok: false, reasons: ['Chorus is shutting down'] };
    if (!configuration.running) return { ok: false, reasons: ['Chorus is starting'] };
    const idle = crew
      .view()
      .filter(({ lives, generation }) => !lives || generation !== configuration.generation);
    const reasons = idle.map(({ worker, kind }) => `worker ${worker} (${kind}) does not serve`);
    const report = health.report();
    const listening = configuration.running.listen.length > 0;
    const pools = health.pools().map(({ pool, failOpen }) => {
      const fit = report.some(backend => backend.pool === pool && serves(backend.state));
      if (!fit) {
        const then = failOpen ? ', those that are down are tried' : listening ? ', its queries fail' : '';
        reasons.push(`pool ${pool}: no backend serves${then}`);
      }
      return fit || failOpen;
    });
    const drained = this.#parts.routes()?.drained ?? null;
    if (drained) reasons.push(drainedText(drained));
    return { ok: idle.length === 0 && pools.includes(true) && drained === null, reasons };
  }

  backends(): readonly PoolStatus[] {
    return this.status().pools;
  }

  force(name: string, forcing: Forcing): ForcedBackend {
    const { health } = this.#parts;
    const found = findBackend(health.report(), name);
    health.force(found.slot, forcing);
    const now = health.report().find(({ slot }) => slot === found.slot);
    const { pool, backend } = found;
    const state = now?.state ?? found.state;
    this.#log.info('backend forced', { pool, backend, forced: forcing, state });
    return { pool, backend, state, forced: forcing };
  }

  reload(): Promise<ReloadReport> {
    return this.#parts.configuration.reload();
  }

  cache(): CacheStatus | null {
    return this.status().cache;
  }

  flush(name: string | null, subtree: boolean): number {
    const { cache } = this.#parts;
    if (!cache) throw new ChorusError('CACHE_OFF');
    const flushed = name === null ? cache.flush() : cache.flush(wireName(name), subtree);
    this.#log.info('cache flushed', { name: name ?? 'all', subtree, answers: flushed });
    return flushed;
  }

  routes(): RoutesStatus {
    const status = this.#parts.routes()?.status();
    if (!status) throw new ChorusError('ROUTES_NONE');
    return status;
  }

  layer4(): Layer4Status {
    const status = this.#parts.layer4()?.status();
    if (!status) throw new ChorusError('LAYER4_NONE');
    return status;
  }

  routesEvents(): readonly string[] {
    this.routes();
    return this.#parts.routes()?.events() ?? [];
  }

  async drain(who: string, reason: string, ms: number | null): Promise<DrainReport> {
    const routes = this.#parts.routes();
    if (!routes?.status()) throw new ChorusError('DRAIN_NOTHING');
    const was = routes.drained !== null;
    const problem = await routes.drain(who, reason, ms);
    return { drain: routes.drained, was, problem: problem && problemOf(problem) };
  }

  async undrain(who: string): Promise<DrainReport> {
    const routes = this.#parts.routes();
    if (!routes?.status()) throw new ChorusError('DRAIN_NOTHING');
    const { was, problem } = await routes.undrain(who);
    return { drain: routes.drained, was, problem: problem && problemOf(problem) };
  }
}

function problemOf({ code, message, remedy }: ChorusError): ProblemStatus {
  return { code, message, remedy };
}

/** `drained by ada@noc: new disk`. */
function drainedText({ who, reason }: DrainOrder): string {
  return `drained by ${who}${reason === '' ? '' : `: ${reason}`}`;
}

/** The backend called NAME or POOL/NAME. Throws BACKEND_UNKNOWN, BACKEND_AMBIGUOUS. */
export function findBackend<T extends Pick<BackendHealth, 'pool' | 'backend'>>(
  backends: readonly T[],
  name: string,
): T {
  const full = backends.find(({ pool, backend }) => `${pool}/${backend}` === name);
  if (full) return full;
  const [first, ...others] = backends.filter(({ backend }) => backend === name);
  if (!first) throw new ChorusError('BACKEND_UNKNOWN', { name });
  if (others.length === 0) return first;
  const matches = [first, ...others].map(({ pool, backend }) => `${pool}/${backend}`).join(', ');
  throw new ChorusError('BACKEND_AMBIGUOUS', { name, matches });
}

/** A name as the cache keeps it: wire format in lower case. Throws NAME_INVALID. */
function wireName(name: string): Uint8Array {
  try {
    return lowerName(parseName(name));
  } catch (error) {
    throw new ChorusError('NAME_INVALID', { name: JSON.stringify(name), reason: reasonOf(error) });
  }
}
