/**
 * Asks for several names at once, and is good when one of the answers is: a name that fails everywhere, because its own
 * nameservers or its signatures are broken, then says nothing against the backend.
 */
import { dnsProbe } from './dns.ts';
import type { PreparedProbe, ProbeFactory, ProbeOutcome, ProbeRun, ProbeWorld } from './probe.ts';

/** A probe of `name` and the names of `also`, over datagrams or streams. */
export function anyNameProbe(way: 'datagrams' | 'streams'): ProbeFactory {
  const single = dnsProbe(way);
  return (target, question): PreparedProbe => {
    const names = [question.name, ...(question.also ?? [])];
    const probes = names.map(name => single(target, { ...question, name }));
    return {
      start(world: ProbeWorld, done): ProbeRun {
        const runs: ProbeRun[] = [];
        const outcomes = new Map<number, ProbeOutcome>();
        let over = false;
        const close = () => {
          over = true;
          for (const run of runs) run.close();
        };
        for (const [index, probe] of probes.entries()) {
          runs.push(
            probe.start(world, outcome => {
              if (over) return;
              outcomes.set(index, outcome);
              if (!outcome.good && outcomes.size < probes.length) return;
              close();
              done(outcome.good ? outcome : together(names, outcomes));
            }),
          );
        }
        return {
          close,
          get heard() {
            const failed = [...outcomes].map(([index, { detail }]) => `${names[index]} ${detail}`);
            return [...failed, ...runs.map(({ heard }) => heard).filter(heard => heard !== '')].join('; ');
          },
        };
      },
    };
  };
}

/** What failed answers to all of the names say. */
function together(names: readonly string[], outcomes: ReadonlyMap<number, ProbeOutcome>): ProbeOutcome {
  const all = [...outcomes.values()];
  // One that could be made says more than one that could not.
  const first = all.find(outcome => !outcome.void) ?? all[0]!;
  const details = [...outcomes].map(([index, { detail }]) => `${names[index]} ${detail}`);
  const { void: _void, nobody: _nobody, weight: _weight, ...rest } = first;
  return {
    ...rest,
    detail: details.join('; '),
    ...(all.every(outcome => outcome.void) && { void: true }),
    ...(all.every(({ nobody }) => nobody) && { nobody: true }),
  };
}
