/** The nameserver that Chorus supervises. */
import { serverStates } from '#node/states.ts';
import type { MetricFamily } from '../families.ts';
import type { MetricSource } from '../source.ts';

const state: MetricFamily = {
  name: 'chorus_server_state',
  help: 'State of the nameserver that Chorus supervises: 1 for the one it is in.',
  type: 'gauge',
  labels: ['server', 'state'],
};
const warm: MetricFamily = {
  name: 'chorus_server_warm',
  help: 'Whether the nameserver has answered and been warmed up since its last start.',
  type: 'gauge',
  labels: ['server'],
};
const restarts: MetricFamily = {
  name: 'chorus_server_restarts_total',
  help: 'Times that the nameserver was started again.',
  type: 'counter',
  labels: ['server'],
};

export const serverSource: MetricSource = {
  families: [state, warm, restarts],
  collect({ server }, samples) {
    if (!server) return;
    for (const each of serverStates) samples.set(state, [server.name, each], server.state === each ? 1 : 0);
    samples.set(warm, [server.name], server.warm ? 1 : 0);
    samples.set(restarts, [server.name], server.restarts);
  },
};
