/** The scenarios that have a name. Each is one line of the goals, or an incident worth keeping. */
import type { Fault, FaultKind } from './backends.ts';
import { calm, type Scenario, scenario } from './scenario.ts';

const faultAt = 3000;

/** One backend of four has a fault from 3 s on, to the end of 10 s, at 2,000 queries/s. */
function oneOfFour(kind: FaultKind, more: Partial<Fault> = {}): Scenario {
  const share = more.share === undefined ? '' : `-${more.share * 100}%`;
  const fault: Fault = { kind, backend: 1, from: faultAt, until: 60_000, ...more };
  return scenario({ name: `${kind}${share}`, faults: [fault] });
}

const list: readonly Scenario[] = [
  calm,
  oneOfFour('silent'),
  oneOfFour('killed'),
  oneOfFour('killed-quietly'),
  oneOfFour('stalled', { until: 5000 }),
  oneOfFour('servfail'),
  oneOfFour('servfail', { share: 0.3 }),
  oneOfFour('slow', { ms: 800 }),
  oneOfFour('drops', { share: 0.1 }),
  oneOfFour('refused'),
  oneOfFour('wrong-id'),
  oneOfFour('wrong-question'),
  oneOfFour('garbage'),
  oneOfFour('cut'),
  oneOfFour('formerr-edns'),
  oneOfFour('lies', { share: 0.3 }),
  oneOfFour('truncates'),
  oneOfFour('doubles'),
];

/** All of them, by name. */
export const scenarios: ReadonlyMap<string, Scenario> = new Map(list.map(each => [each.name, each]));
