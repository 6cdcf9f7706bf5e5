/** Listeners: what the kernel granted to them and dropped. */
import { formatEndpoint } from '#net/address.ts';
import type { MetricFamily } from '../families.ts';
import { dropsAt } from '../kernel.ts';
import type { MetricSource } from '../source.ts';

const drops: MetricFamily = {
  name: 'chorus_listener_kernel_drops_total',
  help: 'Datagrams that the kernel dropped because the receive buffer of the listener was full.',
  type: 'counter',
  labels: ['listener'],
};
const buffer: MetricFamily = {
  name: 'chorus_listener_receive_buffer_bytes',
  help: 'Receive buffers that the kernel granted to the UDP sockets of the listener, all together.',
  type: 'gauge',
  unit: 'bytes',
  labels: ['listener'],
};
const hostDrops: MetricFamily = {
  name: 'chorus_host_udp_receive_buffer_errors_total',
  help: 'Datagrams dropped for full receive buffers in the whole network namespace, by any program.',
  type: 'counter',
  labels: [],
};

export const socketSource: MetricSource = {
  families: [drops, buffer, hostDrops],
  collect({ listeners, kernel }, samples) {
    for (const listener of listeners) {
      if (listener.protocol !== 'udp') continue;
      const label = [formatEndpoint(listener)];
      if (kernel) samples.set(drops, label, dropsAt(kernel, listener.address, listener.port));
      samples.set(
        buffer,
        label,
        listener.receiveBuffers.reduce((sum, bytes) => sum + bytes, 0),
      );
    }
    if (kernel) samples.set(hostDrops, [], kernel.receiveBufferErrors);
  },
};
