/** Service addresses: their states, what is wanted and what is announced, drain and budget. */
import { addressStates } from '#route/report.ts';
import type { MetricFamily } from '../families.ts';
import type { MetricSource } from '../source.ts';

const driverStates = ['idle', 'connecting', 'up', 'failed'] as const;
const verdicts = ['free', 'asking', 'granted', 'denied', 'away', 'everybody'] as const;

const state: MetricFamily = {
  name: 'chorus_service_address_state',
  help: 'State of the service address: 1 for the one that it is in, 0 for the others.',
  type: 'gauge',
  labels: ['address', 'state'],
};
const changes: MetricFamily = {
  name: 'chorus_service_address_changes_total',
  help: 'Times that the service address was withdrawn or came to be announced.',
  type: 'counter',
  labels: ['address'],
};
const held: MetricFamily = {
  name: 'chorus_service_address_held_seconds',
  help: 'How long the service address is still held down after flaps; 0 when it is not.',
  type: 'gauge',
  unit: 'seconds',
  labels: ['address'],
};
const budget: MetricFamily = {
  name: 'chorus_service_address_budget',
  help: `What the fronts of the farm agree on for the service address (${verdicts.join(', ')}): 1 for what holds, 0 for the others.`,
  type: 'gauge',
  labels: ['address', 'verdict'],
};
const route = ['address', 'driver'];
const wantedRoute: MetricFamily = {
  name: 'chorus_route_wanted',
  help: 'Whether the service address is to be announced through the route driver: 1 or 0.',
  type: 'gauge',
  labels: route,
};
const announced: MetricFamily = {
  name: 'chorus_route_announced',
  help: 'Whether it is announced there, as read back from the routing software: 1 or 0.',
  type: 'gauge',
  labels: route,
};
const agrees: MetricFamily = {
  name: 'chorus_route_agrees',
  help: 'Whether what is announced is what is wanted, attributes too: 1 or 0.',
  type: 'gauge',
  labels: route,
};
const convergence: MetricFamily = {
  name: 'chorus_route_convergence_seconds',
  help: 'Time from the last decision until it was read back from the routing software. Absent while that is awaited.',
  type: 'gauge',
  unit: 'seconds',
  labels: route,
};
const driverState: MetricFamily = {
  name: 'chorus_route_driver_state',
  help: 'State of the route driver: 1 for the one that it is in, 0 for the others.',
  type: 'gauge',
  labels: ['driver', 'kind', 'state'],
};
const drained: MetricFamily = {
  name: 'chorus_drained',
  help: 'Whether the front is drained: 1 or 0.',
  type: 'gauge',
  labels: [],
};
const safe: MetricFamily = {
  name: 'chorus_drain_safe',
  help: 'Whether the front is drained, withdrawn and settled, so that it may be stopped: 1 or 0.',
  type: 'gauge',
  labels: [],
};
const problems: MetricFamily = {
  name: 'chorus_route_problems',
  help: 'What stands in the way of the service addresses, drivers and the farm together: see `chorus routes`.',
  type: 'gauge',
  labels: [],
};

export const routeSource: MetricSource = {
  families: [
    state,
    changes,
    held,
    budget,
    wantedRoute,
    announced,
    agrees,
    convergence,
    driverState,
    drained,
    safe,
    problems,
  ],
  collect({ routes, at }, samples) {
    if (!routes) return;
    for (const address of routes.addresses) {
      const { address: name, heldUntil } = address;
      for (const each of addressStates) samples.set(state, [name, each], address.state === each ? 1 : 0);
      samples.set(changes, [name], address.changes);
      samples.set(held, [name], heldUntil === null ? 0 : Math.max(0, (heldUntil - at) / 1000));
      for (const each of verdicts) samples.set(budget, [name, each], address.budget.verdict === each ? 1 : 0);
    }
    for (const { address, driver, wanted, actual, agrees: same, convergence: ms } of routes.routes) {
      const labels = [address, driver];
      samples.set(wantedRoute, labels, wanted ? 1 : 0);
      samples.set(announced, labels, actual ? 1 : 0);
      samples.set(agrees, labels, same ? 1 : 0);
      if (ms !== null) samples.set(convergence, labels, ms / 1000);
    }
    let count = routes.problems.length + (routes.budget?.problems.length ?? 0);
    for (const { name, kind, state: now, problem } of routes.drivers) {
      for (const each of driverStates) samples.set(driverState, [name, kind, each], now === each ? 1 : 0);
      if (problem) count++;
    }
    samples.set(drained, [], routes.drain ? 1 : 0);
    samples.set(safe, [], routes.safe ? 1 : 0);
    samples.set(problems, [], count);
  },
};
