import assert from 'node:assert/strict';
import dgram from 'node:dgram';
import { once } from 'node:events';
import net from 'node:net';
import { after, before, describe, test } from 'node:test';
import { ChorusError } from '#kit/errors.ts';
import { Frames, writePrefix } from '#net/stream-framing.ts';
import { decodeMessage, encodeMessage, query } from '#wire/message.ts';
import { rcodes, types } from '#wire/types.ts';
import { noFaults } from './fault.ts';
import { hasIpv6Loopback } from './loopback.ts';
import { type RunningNode, startNode } from './node-server.ts';
import { labZoneFile, loadZone } from './zone-file.ts';

const authority = { zone: loadZone(labZoneFile, 'kai'), identity: 'kai' };
const options = { authority, faults: noFaults, random: () => 0.5 };
const ask = (name: string, type: string, id = 1) => encodeMessage(query(name, type, { id }));

function framed(message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(message.length + 2);
  writePrefix(bytes, 0, message.length);
  bytes.set(message, 2);
  return bytes;
}

async function overUdp(address: string, port: number, bytes: Uint8Array) {
  const socket = dgram.createSocket(address.includes(':') ? 'udp6' : 'udp4');
  try {
    const came: Promise<[Buffer]> = once(socket, 'message', {
      signal: AbortSignal.timeout(10_000),
    }) as Promise<[Buffer]>;
    socket.send(bytes, port, address);
    return decodeMessage((await came)[0]);
  } finally {
    socket.close();
  }
}

/** Sends the octets in pieces; gives the first `count` messages that come back. */
async function overTcp(address: string, port: number, pieces: readonly Uint8Array[], count: number) {
  const socket = net.connect({ host: address, port, noDelay: true });
  socket.setTimeout(10_000, () => socket.destroy(new Error('no answer')));
  try {
    const frames = new Frames();
    const messages: Uint8Array[] = [];
    for (const piece of pieces) await new Promise(written => socket.write(piece, written));
    for await (const chunk of socket) {
      frames.push(chunk);
      for (let length = frames.next(); length >= 0; length = frames.next()) {
        messages.push(frames.bytes.slice(frames.at, frames.at + length));
      }
      if (messages.length >= count) break;
    }
    return messages.map(decodeMessage);
  } finally {
    socket.destroy();
  }
}

for (const address of ['127.0.0.1', '::1']) {
  const skip = address === '::1' && !hasIpv6Loopback() ? 'needs IPv6' : false;
  describe(`a node on ${address}`, { skip }, () => {
    let node: RunningNode;
    let port = 0;
    before(async () => {
      node = await startNode({ ...options, listen: [{ address, port: 0 }] });
      port = node.addresses[0]!.port;
    });
    after(() => node.close());

    test('answers over UDP', async () => {
      const message = await overUdp(address, port, ask('www.lab.internal', 'A', 99));
      assert.deepEqual([message.id, message.answers.length], [99, 1]);
    });

    test('answers over TCP, pipelined and cut anywhere', async () => {
      const bytes = Buffer.concat([
        framed(ask('www.lab.internal', 'A', 1)),
        framed(ask('big.lab.internal', 'TXT', 2)),
      ]);
      const messages = await overTcp(
        address,
        port,
        [bytes.subarray(0, 1), bytes.subarray(1, 40), bytes.subarray(40)],
        2,
      );
      assert.deepEqual(
        messages.map(message => message.id),
        [1, 2],
      );
      assert.equal(messages[1]?.tc, false);
    });

    test('transfers the zone', async () => {
      const [message] = await overTcp(address, port, [framed(ask('lab.internal', 'AXFR'))], 1);
      assert.equal(message?.answers.at(-1)?.type, types.SOA);
    });

    test('lives on after garbage', async () => {
      await overTcp(address, port, [framed(Buffer.from('garbage that is longer than a header'))], 1);
      const refused = await overUdp(address, port, Buffer.alloc(12));
      assert.equal(refused.rcode, rcodes.FORMERR);
      assert.equal((await overUdp(address, port, ask('www.lab.internal', 'A'))).rcode, rcodes.NOERROR);
    });
  });
}

test('faults can be changed while it runs', async () => {
  const node = await startNode({ ...options, listen: [{ address: '127.0.0.1', port: 0 }] });
  try {
    const { port } = node.addresses[0]!;
    node.setFaults({ ...noFaults, servfail: 1, delay: 20 });
    assert.equal((await overUdp('127.0.0.1', port, ask('www.lab.internal', 'A'))).rcode, rcodes.SERVFAIL);
    assert.equal(node.taken.udp, 1);
  } finally {
    await node.close();
  }
});

test('an address in use is said so, and nothing stays open', async () => {
  const first = await startNode({ ...options, listen: [{ address: '127.0.0.1', port: 0 }] });
  const { port } = first.addresses[0]!;
  await assert.rejects(
    startNode({
      ...options,
      listen: [
        { address: '127.0.0.2', port: 0 },
        { address: '127.0.0.1', port },
      ],
    }),
    error => error instanceof ChorusError && error.code === 'ADDRESS_IN_USE',
  );
  await first.close();
  const again = await startNode({ ...options, listen: [{ address: '127.0.0.1', port }] });
  await again.close();
});
