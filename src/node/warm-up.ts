/** Asks a new server for names, so that its cache is not empty when the clients come. Its errors are of no account here. */
import type { Clock } from '#health/clock.ts';
import type { Destination, Exchanger } from '#health/exchange.ts';
import { freshen, probeQuery } from '#health/probes/query.ts';
import { mostNames, parseWarmName } from './schema.ts';

/** Questions at once, and how long one may take, in ms. */
export const atOnce = 32;
const patience = 3000;

/** A question of a warm-up. */
export type WarmName = { readonly name: string; readonly type: number };

export type WarmUpWorld = {
  readonly clock: Clock;
  readonly random: (bound: number) => number;
  readonly datagrams: Exchanger;
};

/**
 * Asks all names over UDP, in their order. `done` is called once: when all are answered or given up, or after `within` ms.
 * Gives the function that breaks it off.
 */
export function warmUp(
  to: Destination,
  names: readonly WarmName[],
  within: number,
  { clock, random, datagrams }: WarmUpWorld,
  done: (result: string) => void,
): () => void {
  const begun = clock.now();
  const open = new Set<() => void>();
  let next = 0;
  let answered = 0;
  let over = false;
  const end = (result: string | null) => {
    if (over) return;
    over = true;
    unwait();
    for (const close of open) close();
    open.clear();
    if (result !== null) done(result);
  };
  const told = () =>
    `${answered} of ${names.length} names answered in ${((clock.now() - begun) / 1000).toFixed(1)}s`;
  const unwait = clock.wait(within, () => end(told()));
  const ask = ({ name, type }: WarmName) => {
    const query = probeQuery({ name, type });
    freshen(query, false, random);
    let finished = false;
    const finish = () => {
      if (finished) return;
      finished = true;
      cancel();
      open.delete(close);
      more();
    };
    const leave = datagrams.exchange(to, query, {
      message: bytes => {
        if (bytes[0] !== query[0] || bytes[1] !== query[1]) return;
        if (!finished) answered++;
        leave();
        finish();
      },
      failed: finish,
    });
    const cancel = clock.wait(patience, () => {
      leave();
      finish();
    });
    const close = () => {
      finished = true;
      cancel();
      leave();
    };
    open.add(close);
  };
  const more = () => {
    while (!over && open.size < atOnce && next < names.length) ask(names[next++]!);
    if (open.size === 0 && next >= names.length) end(told());
  };
  // Nobody is told before this has returned.
  if (names.length === 0) {
    unwait();
    const cancel = clock.wait(0, () => done('no names'));
    return cancel;
  }
  more();
  return () => end(null);
}

/** The names of a list, a name on each line; what is none is counted. At most `mostNames`. */
export function parseNames(text: string): { readonly names: readonly WarmName[]; readonly wrong: number } {
  const names: WarmName[] = [];
  let wrong = 0;
  for (const line of text.split('\n')) {
    const bare = line.replace(/#.*$/, '').trim();
    if (bare === '') continue;
    if (names.length >= mostNames) break;
    const name = parseWarmName(bare);
    if (name) names.push(name);
    else wrong++;
  }
  return { names, wrong };
}
