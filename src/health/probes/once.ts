/** One run of a probe, for commands: a target and a question in, the outcome out. */
import { randomInt } from 'node:crypto';
import { type Clock, systemClock } from '../clock.ts';
import { systemDatagrams } from '../datagrams.ts';
import type { Destination } from '../exchange.ts';
import { systemStreams } from '../streams.ts';
import type { ProbeQuestion } from '../targets.ts';
import { unanswered } from './dns.ts';
import type { ProbeOutcome, ProbeWorld } from './probe.ts';
import { defaultProbe, probes } from './registry.ts';

/** A place to run a probe in: its own sockets and clock, or made-up ones. */
export type OnceWorld = Pick<ProbeWorld, 'datagrams' | 'streams' | 'random'> & { readonly clock: Clock };

/** This machine's sockets and clock. */
export const systemWorld: OnceWorld = {
  datagrams: systemDatagrams,
  streams: systemStreams,
  random: bound => randomInt(bound),
  clock: systemClock,
};

/**
 * Asks `question` of `to` once, waiting at most `timeout` ms. An outcome that is not `good` says why in `detail`; `rcode` and
 * `answer` are null when nothing came that could be read. @throws WireError for a bad name, TypeError for an unknown kind
 */
export function probeOnce(
  to: Destination,
  question: ProbeQuestion,
  timeout: number,
  world: OnceWorld = systemWorld,
): Promise<ProbeOutcome> {
  const { clock, ...rest } = world;
  const kind = question.kind ?? defaultProbe;
  const factory = probes.get(kind);
  if (!factory) throw new TypeError(`no probe is called ${kind}`);
  const prepared = factory(to, question);
  return new Promise(resolve => {
    const run = prepared.start({ ...rest, now: () => clock.now() }, outcome => {
      forget();
      resolve(outcome);
    });
    const forget = clock.wait(timeout, () => {
      run.close();
      resolve(unanswered(`timeout after ${timeout}ms${run.heard === '' ? '' : ` (heard ${run.heard})`}`));
    });
  });
}
