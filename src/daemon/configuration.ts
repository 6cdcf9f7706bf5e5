/**
 * The configuration in force, and how it changes: load, compare, prepare everywhere, commit everywhere. What fails on the
 * way changes nothing. One reload at a time; those asked for while one waits are answered by it.
 */
import type { ReloadReport } from '#api/control.ts';
import { diffSnapshots, keepRestartOnly, restartOnly } from '#config/diff.ts';
import { healthTargets, type SlotOf, workerPlan } from '#config/plan.ts';
import type { Snapshot } from '#config/snapshot.ts';
import { warningsOf } from '#config/warnings.ts';
import type { HealthTarget } from '#health/targets.ts';
import type { ReloadReading } from '#insight/reading.ts';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import type { Log } from '#kit/log.ts';
import type { WorkerPlan } from './protocol.ts';
import { backendKey, type Slots } from './slots.ts';

/** What was made ready for a snapshot. */
export type Prepared = { readonly commit: () => void; readonly abort: () => void };

export type ConfigurationOptions = {
  /** Reads and checks the file. Throws CONFIG_UNREADABLE, CONFIG_INVALID. */
  readonly load: () => Snapshot;
  readonly slots: Slots;
  /** Puts a plan in force in all workers or in none. */
  readonly applyPlan: (plan: WorkerPlan, bound?: () => Promise<void>) => Promise<void>;
  /**
   * Makes ready what a snapshot needs beside the workers; what it gives is called when the snapshot is in force, or will not
   * be. Throws what keeps the snapshot from being put in force.
   */
  readonly prepare?: (snapshot: Snapshot) => Promise<Prepared | null>;
  /** Told when a snapshot is in force. */
  readonly onApplied: (snapshot: Snapshot, targets: readonly HealthTarget[]) => void;
  readonly log: Log;
  /** Time of day in ms since 1970. */
  readonly wall: () => number;
};

export class Configuration {
  readonly #options: ConfigurationOptions;
  #running: Snapshot | null = null;
  #closed = false;
  #last: Promise<unknown> = Promise.resolve();
  /** A reload that was asked for and has not read the file yet. */
  #waiting: Promise<ReloadReport> | null = null;
  generation = 0;
  applied = 0;
  refused = 0;
  lastReload: ReloadReading | null = null;

  constructor(options: ConfigurationOptions) {
    this.#options = options;
  }

  /** The snapshot in force; null before the first. */
  get running(): Snapshot | null {
    return this.#running;
  }

  /** Puts the first snapshot in force. `bound` is called when all sockets are open. Throws what stands in the way. */
  begin(snapshot: Snapshot, bound: () => Promise<void>): Promise<void> {
    return this.#alone(() => this.#put(snapshot, bound));
  }

  /** Puts the file in force again. Throws what stands in the way; then nothing has changed. */
  reload(): Promise<ReloadReport> {
    this.#waiting ??= this.#alone(() => {
      this.#waiting = null;
      return this.#reload();
    });
    return this.#waiting;
  }

  /** Refuses reloads from now on, and waits for the one under way. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
  }

  async #reload(): Promise<ReloadReport> {
    const running = this.#running;
    if (this.#closed || !running) throw new ChorusError('SHUTTING_DOWN');
    const { load, log, wall } = this.#options;
    try {
      const wanted = load();
      const changes = diffSnapshots(running, wanted);
      const needsRestart = restartOnly(running, wanted);
      await this.#put(keepRestartOnly(running, wanted));
      const warnings = warningsOf(wanted);
      this.applied++;
      const message = changes.length === 0 ? 'no changes' : changes.join('; ');
      this.lastReload = { at: wall(), applied: true, message };
      log.info('configuration reloaded', { generation: this.generation, changes: message });
      for (const warning of warnings) log.warn('configuration', { warning });
      return { generation: this.generation, changes, needsRestart, warnings };
    } catch (error) {
      this.refused++;
      const message = reasonOf(error);
      this.lastReload = { at: wall(), applied: false, message };
      const stack = error instanceof ChorusError ? '' : error instanceof Error ? (error.stack ?? '') : '';
      log.error('configuration not reloaded, nothing changed', { reason: message, stack });
      throw error;
    }
  }

  async #put(snapshot: Snapshot, bound?: () => Promise<void>): Promise<void> {
    const { slots, applyPlan, onApplied, prepare } = this.#options;
    const identities = snapshot.pools.flatMap(({ name: pool, backends }) =>
      backends.map(({ name, address, port }) => ({ pool, name, address, port })),
    );
    const proposal = slots.propose(identities);
    const slotByName = new Map(
      identities.map(identity => [
        JSON.stringify([identity.pool, identity.name]),
        proposal.slots.get(backendKey(identity))!,
      ]),
    );
    const slotOf: SlotOf = (pool, backend) => slotByName.get(JSON.stringify([pool, backend]))!;
    let prepared: Prepared | null = null;
    try {
      prepared = (await prepare?.(snapshot)) ?? null;
      await applyPlan(workerPlan(snapshot, slotOf, this.generation + 1), bound);
    } catch (error) {
      slots.abort(proposal);
      prepared?.abort();
      throw error;
    }
    slots.commit(proposal);
    this.generation++;
    this.#running = snapshot;
    onApplied(snapshot, healthTargets(snapshot, slotOf));
    prepared?.commit();
  }

  #alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
