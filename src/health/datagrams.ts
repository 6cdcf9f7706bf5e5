/** UDP for single probes, by Node: one connected socket, and so one fresh source port, for each run. */
import { createSocket } from 'node:dgram';
import type { Exchanger } from './exchange.ts';
import { familyOfAddress } from './targets.ts';

/** Sockets of the machine. A literal address needs no lookup, so `connect` and `send` happen in the same turn. */
export const systemDatagrams: Exchanger = {
  exchange(to, bytes, hearing) {
    const family = familyOfAddress(to.address) === 'ipv6' ? 6 : 4;
    let open = true;
    const socket = createSocket({
      type: family === 6 ? 'udp6' : 'udp4',
      lookup: (host, _options, callback) => callback(null, host, family),
    });
    const close = () => {
      if (!open) return;
      open = false;
      socket.close();
    };
    const fail = (error: Error) => {
      if (!open) return;
      close();
      hearing.failed('code' in error && typeof error.code === 'string' ? error.code : error.message);
    };
    // A bind can fail before this function has returned: the caller hears of it after that.
    socket.on('error', error => queueMicrotask(() => fail(error)));
    socket.on('message', message => {
      if (open) hearing.message(message);
    });
    // Not as a callback of `connect`: that would be called with the error too.
    socket.on('connect', () => {
      if (open) socket.send(bytes, error => error && fail(error));
    });
    const connect = () => {
      if (open) socket.connect(to.port, to.address);
    };
    try {
      if (to.source === undefined) connect();
      else socket.bind({ address: to.source, port: 0, exclusive: true }, connect);
    } catch (error) {
      queueMicrotask(() => fail(error instanceof Error ? error : new Error(String(error))));
    }
    return close;
  },
};
