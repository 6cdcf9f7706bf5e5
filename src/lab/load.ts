/** A light load on the farm, with an account of what a client sees: answers, failures, silence and latency. */
import dgram from 'node:dgram';
import { type Endpoint, isIpv6 } from '#net/address.ts';
import { encodeMessage, query } from '#wire/message.ts';
import { Account, type ClientView, isGood } from './load-account.ts';

/** A query without an answer counts as lost after this time, in ms. */
const patience = 3000;
const tick = 50;

const hotNames = ['www', 'mail', 'alias', 'ns1', 'ns2', 'sip1', 'sip2', 'mail.backup'];

export type Load = {
  /** What the client saw over the last seconds, and since the start. */
  view(): ClientView;
  stop(): void;
};

/** Name of query `number`: every second a popular name, which the cache holds; the others were never asked before. */
export function nameOf(number: number, run: string): string {
  if (number % 2 === 0) return `${hotNames[(number / 2) % hotNames.length]}.lab.internal`;
  return `${run}-${number}.wild.lab.internal`;
}

/** Asks `rate` times a second until it is stopped. `run` makes the names of this run differ from others'. */
export function startLoad(server: Endpoint, rate: number, run: string, randomId: () => number): Load {
  const account = new Account(patience);
  const socket = dgram.createSocket(isIpv6(server.address) ? 'udp6' : 'udp4');
  let number = 0;
  const started = performance.now();
  socket.on('error', () => {});
  socket.on('message', (bytes, from) => {
    if (from.port !== server.port || bytes.length < 12) return;
    account.answered(bytes.readUInt16BE(0), isGood(bytes[3]! & 15), performance.now());
  });
  const send = () => {
    const now = performance.now();
    const due = Math.floor(((now - started) / 1000) * rate);
    // A process that was held up does not make up for it with a burst.
    number = Math.max(number, due - Math.ceil((rate * tick * 2) / 1000));
    for (; number < due; number++) {
      const id = account.asked(randomId(), now);
      if (id === null) continue;
      socket.send(
        encodeMessage(query(nameOf(number, run), 'A', { id, edns: {} })),
        server.port,
        server.address,
        () => {},
      );
    }
    account.expire(now);
  };
  const timer = setInterval(send, tick);
  return {
    view: () => account.view(performance.now()),
    stop: () => {
      clearInterval(timer);
      socket.close();
    },
  };
}
