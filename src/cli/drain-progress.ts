/** How far a drain is, in a line for people. Pure. */
import { ChorusError } from '#kit/errors.ts';
import type { RoutesStatus } from '#route/report.ts';
import { formatCount } from './status-text.ts';

/** Share of the traffic before the drain that may be left at its end without a word. */
const restAtMost = 0.05;

type Phase = 'leaving' | 'withdrawing' | 'settling' | 'safe';

export class DrainProgress {
  readonly #patience: number;
  #phase: Phase | null = null;
  #stuckSince: number | null = null;
  /** Traffic when it began, queries/s. */
  before: number | null = null;
  /** The last line began a new phase. */
  fresh = false;

  /** `patience`: ms that routes may stand which were to be withdrawn. */
  constructor(patience: number) {
    this.#patience = patience;
  }

  /** Takes what the API said at `now`, in ms. Throws DRAIN_LIFTED, DRAIN_UNFINISHED. */
  take(status: RoutesStatus, now: number): { line: string; ended: boolean } {
    const { drain, traffic, safe } = status;
    if (!drain)
      throw new ChorusError('DRAIN_LIFTED', { reason: 'somebody called it off, or its time is over' });
    this.before ??= traffic;
    const phase = safe ? 'safe' : phaseOf(status);
    this.fresh = phase !== this.#phase;
    this.#phase = phase;
    if (phase !== 'withdrawing') this.#stuckSince = null;
    else {
      this.#stuckSince ??= now;
      if (now - this.#stuckSince > this.#patience) {
        const seconds = Math.round((now - this.#stuckSince) / 1000);
        throw new ChorusError('DRAIN_UNFINISHED', { seconds, reason: leftOf(status) });
      }
    }
    return { line: this.#line(phase, traffic), ended: safe };
  }

  /** What should be known at the end: clients that go on asking; null: nothing. */
  left({ traffic }: RoutesStatus): string | null {
    if (traffic === null || traffic < 1 || traffic <= (this.before ?? 0) * restAtMost) return null;
    return `note: clients still ask ${formatCount(traffic)} queries/s here; they do not come by a route that Chorus withdrew`;
  }

  #line(phase: Phase, traffic: number | null): string {
    const rate =
      traffic === null || this.before === null
        ? ''
        : `, traffic ${formatCount(this.before)}/s → ${formatCount(traffic)}/s`;
    const words = {
      leaving:
        traffic === null && this.before === null
          ? 'announced as draining; no traffic is measured here, so this lasts for `drain: wait:`'
          : 'announced as draining',
      withdrawing: 'to be withdrawn, and not yet gone everywhere',
      settling: 'withdrawn; packets may still be under way',
      safe: 'withdrawn and settled',
    } as const;
    return `${words[phase]}${rate}`;
  }
}

/** What keeps it from being safe. */
function leftOf({ routes, drivers }: RoutesStatus): string {
  const there = routes.flatMap(({ actual, driver, prefix }) =>
    actual ? [`${prefix} through ${driver}`] : [],
  );
  const unread = drivers.flatMap(({ name, unread, problem }) =>
    unread ? [`what ${name} announces cannot be read${problem ? ` (${problem.message})` : ''}`] : [],
  );
  return [...(there.length > 0 ? [`still announced: ${there.join(', ')}`] : []), ...unread].join('; ');
}

function phaseOf({ addresses, routes, drivers }: RoutesStatus): Phase {
  if (addresses.some(({ drain }) => drain === 'leaving' || drain === 'none')) return 'leaving';
  if (routes.some(({ actual }) => actual !== null) || drivers.some(({ unread }) => unread))
    return 'withdrawing';
  return 'settling';
}
