/** What an engine counts. One row for each worker; only the worker writes it. */
import { defineCounters } from '#kit/counters.ts';

const dropped = {
  family: 'send_dropped_total',
  help: 'Packets that the kernel would not take, by direction.',
};

const cut = {
  family: 'tcp_backend_connections_cut_total',
  help: 'TCP connections to backends closed because of what came on them, by reason.',
};

export const netCounters = defineCounters({
  batches: { family: 'receive_batches_total', help: 'Calls that took packets from the kernel.' },
  packets: { family: 'receive_packets_total', help: 'Packets taken from the kernel by these calls.' },
  oversized: {
    family: 'receive_oversized_total',
    help: 'Packets dropped because they were longer than 4,096 bytes.',
  },
  droppedToClients: { ...dropped, labels: { direction: 'client' } },
  droppedToBackends: { ...dropped, labels: { direction: 'backend' } },
  connections: { family: 'tcp_connections', kind: 'gauge', help: 'TCP connections of clients now open.' },
  connectionsAccepted: {
    family: 'tcp_connections_accepted_total',
    help: 'TCP connections accepted from clients.',
  },
  connectionsRefused: {
    family: 'tcp_connections_refused_total',
    help: 'TCP connections closed at once because a bound was reached.',
  },
  connectionsShed: {
    family: 'tcp_connections_shed_total',
    help: 'TCP connections of the client that had most, closed for another client when all were taken.',
  },
  connectionsIdle: {
    family: 'tcp_connections_idle_total',
    help: 'TCP connections closed because the client was idle.',
  },
  connectionsSlow: {
    family: 'tcp_connections_slow_total',
    help: 'TCP connections cut because the client did not read its answers.',
  },
  connectionsMalformed: {
    family: 'tcp_connections_malformed_total',
    help: 'TCP connections closed because the client sent what is no query.',
  },
  transfersFailed: {
    family: 'transfers_failed_total',
    help: 'Zone transfers that ended before they were complete.',
  },
  cutMalformed: { ...cut, labels: { reason: 'malformed' } },
  cutUnasked: { ...cut, labels: { reason: 'unasked' } },
  cutSilent: { ...cut, labels: { reason: 'silent' } },
  backendConnections: {
    family: 'tcp_backend_connections_total',
    help: 'TCP connections opened to backends.',
  },
});
