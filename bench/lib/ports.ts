/** Free ports and a first question, over plain dgram sockets. */
import { createSocket } from 'node:dgram';
import { setTimeout as sleep } from 'node:timers/promises';

/** Not one that the kernel gives to clients: a backend that is started again finds its port free. */
export { freePort } from '#test/support/ports.ts';

/** The query `first.bench.test. A` with that id. */
export function sampleQuery(id: number): Buffer {
  const name = Buffer.from('\x05first\x05bench\x04test\0\0\x01\0\x01', 'latin1');
  const head = Buffer.from([id >> 8, id & 255, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
  return Buffer.concat([head, name]);
}

/**
 * Asks 127.0.0.1:port every `interval` ms until it answers well (rcode 0); gives the milliseconds that took since
 * `since` (performance.now). Throws after `limit` ms or as soon as `given up` says so.
 */
export async function firstAnswer(
  port: number,
  options: { since?: number; interval?: number; limit?: number; givenUp?: () => boolean } = {},
): Promise<number> {
  const { since = performance.now(), interval = 20, limit = 15_000, givenUp = () => false } = options;
  const socket = createSocket('udp4');
  let answered = 0;
  socket.on('message', packet => {
    if (packet.length >= 12 && packet[2]! & 0x80 && (packet[3]! & 15) === 0) answered ||= performance.now();
  });
  // Nothing listens there yet: refused packets are what is waited out.
  socket.on('error', () => {});
  try {
    for (let id = 1; !answered; id = (id + 1) & 0xffff) {
      if (givenUp()) throw new Error('the server stopped before it answered');
      if (performance.now() - since > limit) throw new Error(`no answer within ${limit / 1000} s`);
      socket.send(sampleQuery(id), port, '127.0.0.1');
      await sleep(interval);
    }
    return answered - since;
  } finally {
    socket.close();
  }
}
