/** How to see a run again. */

/** The command that runs a scenario with this seed and tells all that happens. */
export function replay(scenario: string, seed: number): string {
  return `see it again: bin/node test/sim/run.ts --scenario '${scenario}' --seed ${seed} --trace`;
}
