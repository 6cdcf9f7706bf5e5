/**
 * A running front on the loop engine: whatever comes over TCP, in whatever pieces, with whatever end, it answers the next
 * client. Each input is a stream of its own connection; a backend answers what reaches it.
 */

import { connect } from 'node:net';
import { workerEngine } from '#test/contract/worker-engine.ts';
import { answerTo, HandBackend, questionEnd, sendFramed } from '#test/support/hand-backend.ts';
import { freePort } from '#test/support/ports.ts';
import { type Address, askTcp, packet } from '#test/support/raw.ts';
import { corpusOf, type FuzzOptions, type FuzzResult, save } from './harness.ts';
import { mutate } from './mutate.ts';
import { Random } from './random.ts';
import { stream } from './stream.ts';

/** Connections at once. */
const abreast = 32;
/** Connections between two looks whether the front still answers. */
const between = 1_024;
/** How long a connection waits for an answer, ms. */
const patience = 5;

function answer(query: Buffer): Buffer {
  // What is passed on may be without a question that could be repeated.
  return query.length >= 12 && questionEnd(query) <= query.length ? answerTo(query) : query;
}

/** Sends one stream; gives whether anything came back. */
function throwAt(server: Address, input: Uint8Array, size: number, end: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect({ host: server.address, port: server.port, noDelay: true });
    let heard = false;
    let timer: NodeJS.Timeout | undefined;
    socket.on('data', () => {
      heard = true;
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(heard);
    });
    socket.on('connect', () => {
      for (let at = 0; at < input.length; at += size) socket.write(input.subarray(at, at + size));
      if (end === 0) socket.resetAndDestroy();
      else if (end === 1) socket.end();
      timer = setTimeout(() => socket.destroy(), patience);
    });
  });
}

/** Runs this target. The inputs are the same for the same seed; what meets what at the front is not. */
export async function fuzz(options: FuzzOptions): Promise<FuzzResult> {
  const random = new Random(options.seed);
  const backend = await HandBackend.start({
    udp: ({ query, reply }) => reply(answer(query)),
    tcp: (query, socket) => sendFramed(socket, answer(query)),
  });
  const server = { address: '127.0.0.1', port: await freePort() };
  const engine = await workerEngine('loop', { kind: 'stream', datagrams: true, streams: true }).start({
    listeners: [server],
    backends: [backend],
    timeout: 500,
    portsPerBackend: 4,
  });
  const pool = [...corpusOf('stream').values(), ...stream.seeds()];
  const crashes: string[] = [];
  let understood = 0;
  let done = 0;
  while (done < options.count && crashes.length === 0) {
    const sent: Uint8Array[] = [];
    while (sent.length < between && done < options.count) {
      const flock: Promise<boolean>[] = [];
      for (let i = 0; i < abreast && done < options.count; i++) {
        const input = mutate(random, random.pick(pool), pool, stream.words);
        options.before?.(input, done++);
        sent.push(input);
        flock.push(throwAt(server, input.subarray(1), 1 + (input[0] ?? 0), random.below(3)));
      }
      for (const heard of await Promise.all(flock)) if (heard) understood++;
    }
    backend.queries.length = 0;
    const asked = await askTcp(server, packet({ name: `after${done}.test` }));
    if (!asked) {
      const all = Buffer.concat(sent);
      crashes.push(save('tcp', all, `no answer after ${done} connections`, options.crashes));
    }
  }
  await engine.stop();
  await backend.stop();
  return { target: 'tcp', inputs: done, understood, crashes };
}
