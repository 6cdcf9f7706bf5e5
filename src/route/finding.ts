/** What the evidence of one moment says of one service address, whatever is announced. Pure, without memory. */
import { isIpv6 } from '#net/address.ts';
import type { Evidence, MemberView, PoolView } from './evidence.ts';
import type { AddressPlan } from './plan.ts';
import { coarseRate } from './rate.ts';

/**
 * - `well`: it deserves traffic. `down`: it does not. `unknown`: there is not evidence enough to say either.
 * - `poor`: it is not down, but others should be preferred, and why; null: nothing speaks against it.
 * - `eased`: nothing would speak against it with a margin: what has been poor is so no longer.
 * - `sound`: enough backends serve without any doubt for an address to be raised by them.
 */
export type Finding = {
  readonly verdict: 'well' | 'down' | 'unknown';
  /** In words. */
  readonly reason: string;
  readonly poor: string | null;
  readonly eased: boolean;
  readonly sound: boolean;
};

/** Load below this share of what the backends carry has eased. */
const easedLoad = 0.8;

/**
 * - A backend serves when evidence says so: up, or suspect. One that is `starting` speaks neither for nor against: it raises no
 *   address, and lets none fall.
 * - A pool all of whose backends fail alike (`everybody`) has none that serves.
 * - A listener of our own at the address that does not answer takes it down; one that was not judged yet does nothing.
 */
export function find(plan: AddressPlan, evidence: Evidence): Finding {
  const pools = plan.pools.map(name => poolFinding(plan, name, evidence.pools));
  const listener = listenerProblem(plan.address, evidence);
  const down = listener ?? pools.find(({ verdict }) => verdict === 'down')?.reason;
  const unknown = pools.find(({ verdict }) => verdict === 'unknown')?.reason;
  const poor = pools.find(each => each.poor !== null)?.poor ?? null;
  const all = {
    poor,
    eased: pools.every(({ eased }) => eased),
    sound: pools.every(({ sound }) => sound),
  };
  if (down !== undefined) return { verdict: 'down', reason: down, ...all };
  if (unknown !== undefined) return { verdict: 'unknown', reason: unknown, ...all };
  return { verdict: 'well', reason: pools.map(({ reason }) => reason).join('; '), ...all };
}

function listenerProblem(address: string, { listeners }: Evidence): string | undefined {
  const own = listeners.find(each => each.address === address);
  if (!own) return undefined;
  const bad = (['udp', 'tcp'] as const).filter(transport => own[transport] === 'bad');
  if (bad.length === 0) return undefined;
  const over = bad.map(transport => transport.toUpperCase()).join(' and ');
  return `our own listener at ${address} does not answer over ${over}${own.detail === '' ? '' : `: ${own.detail}`}`;
}

function poolFinding(plan: AddressPlan, name: string, views: readonly PoolView[]): Finding {
  const view = views.find(({ pool }) => pool === name);
  const nothing = { poor: null, eased: false, sound: false };
  if (!view) return { verdict: 'unknown', reason: `nothing is known of pool ${name} yet`, ...nothing };
  const { counted, what } = countedOf(plan, view);
  const all = counted.length;
  const serving = view.everybody ? [] : counted.filter(({ state }) => state === 'up' || state === 'suspect');
  const unknown = view.everybody ? [] : counted.filter(({ state }) => state === 'starting');
  const { least } = plan;
  const reason = inWords(serving.length, all, what);
  const { poor, eased } = worth(plan, view, counted, serving, what);
  const sound = counted.filter(({ state }) => state === 'up').length >= least;
  if (serving.length >= least) return { verdict: 'well', reason, poor, eased, sound };
  if (serving.length + unknown.length >= least) {
    const known = `nothing is known yet of ${unknown.length} of ${of(all, what)}`;
    return { verdict: 'unknown', reason: known, ...nothing };
  }
  const because = view.everybody ? alike(all, what) : reason;
  const needed = least > 1 || serving.length > 0 ? `, ${least} ${least === 1 ? 'is' : 'are'} needed` : '';
  return { verdict: 'down', reason: because + needed, ...nothing, poor };
}

/** The backends of a pool that count for an address, and what they are called. */
function countedOf(
  plan: AddressPlan,
  { pool, members }: PoolView,
): { counted: readonly MemberView[]; what: string } {
  const any = { counted: members, what: `backends of pool ${pool}` };
  if (plan.family === 'any') return any;
  const family = isIpv6(plan.address) ? 'ipv6' : 'ipv4';
  const own = members.filter(member => member.family === family);
  const called = `${family === 'ipv6' ? 'IPv6' : 'IPv4'} backends of pool ${pool}`;
  return own.length > 0 ? { counted: own, what: called } : any;
}

/** Whether enough of the pool is there: by its weight, and for its load. */
function worth(
  plan: AddressPlan,
  view: PoolView,
  counted: readonly MemberView[],
  serving: readonly MemberView[],
  what: string,
): { poor: string | null; eased: boolean } {
  // What has only just started says nothing of how much is missing.
  const judged = weigh(counted.filter(({ state }) => state !== 'starting'));
  const fit = serving.filter(({ strained }) => (strained ?? null) === null);
  const share = judged === 0 ? 1 : weigh(fit) / judged;
  if (share < plan.degradedBelow) {
    const percent = Math.floor(share * 100);
    const wanted = Math.round(plan.degradedBelow * 100);
    const strained = serving.find(member => !fit.includes(member))?.strained;
    if (strained && weigh(serving) / judged >= plan.degradedBelow) return { poor: strained, eased: false };
    const poor = `${inWords(serving.length, counted.length, what)}: ${percent}% of the weight, ${wanted}% are wanted`;
    return { poor, eased: false };
  }
  if (plan.capacity === null || view.load === null) return { poor: null, eased: true };
  // All of the pool carries its load, of whichever family they are.
  const able = view.members.filter(({ state }) => ['starting', 'up', 'suspect'].includes(state));
  const carried = plan.capacity * weigh(able);
  const load = coarseRate(view.load);
  const poor =
    load > carried
      ? `pool ${view.pool} is asked ${Math.round(load)} queries/s, and what serves of it carries ${Math.round(carried)}`
      : null;
  return { poor, eased: load <= carried * easedLoad };
}

function weigh(members: readonly MemberView[]): number {
  return members.reduce((sum, { weight }) => sum + weight, 0);
}

/** `3 of 4 backends of pool default serve`. */
function inWords(serving: number, all: number, what: string): string {
  if (all === 0) return `there are no ${what}`;
  if (serving === 0)
    return all === 1 ? `the only ${single(what)} does not serve` : `none of ${of(all, what)} serves`;
  if (serving === all) return all === 1 ? `the only ${single(what)} serves` : `all ${of(all, what)} serve`;
  return `${serving} of ${of(all, what)} ${serving === 1 ? 'serves' : 'serve'}`;
}

function alike(all: number, what: string): string {
  return all === 1 ? `the only ${single(what)} fails, as all do` : `all ${of(all, what)} fail alike`;
}

/** `backends of pool default` as one: `backend of pool default`. */
function single(what: string): string {
  return what.replace('backends', 'backend');
}

function of(all: number, what: string): string {
  return `${all} ${what}`;
}
