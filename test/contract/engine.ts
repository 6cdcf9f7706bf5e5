/**
 * The contract of an engine: what a client and a backend may rely on, whatever moves the packets. An engine's test gives a
 * way to start it with a real front behind it, and runs this suite over UDP, TCP or both.
 */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import type { ErrorCode } from '#kit/errors.ts';
import {
  answerTo,
  HandBackend,
  type HandBackendOptions,
  questionName,
  sendFramed,
  withId,
} from '#test/support/hand-backend.ts';
import { poll } from '#test/support/poll.ts';
import { freePort } from '#test/support/ports.ts';
import {
  type Address,
  askTcp,
  askUdp,
  frame,
  header,
  packet,
  TcpClient,
  UdpClient,
} from '#test/support/raw.ts';

/** What an engine is to serve. */
export type EngineSetup = {
  readonly listeners: readonly Address[];
  readonly backends: readonly Address[];
  /** How long a backend may take, ms. */
  readonly timeout: number;
  readonly portsPerBackend: number;
};

/** An engine that serves. */
export interface RunningEngine {
  /** UDP listeners with the receive buffer granted, bytes. */
  readonly granted: readonly (Address & { readonly receiveBuffer: number })[];
  /** Puts another setup in force; rejects with an error that has the code, then nothing has changed. */
  apply(setup: EngineSetup): Promise<void>;
  /** Answers what is in flight, then ends; gives how many queries were given up. */
  drain(timeout: number): Promise<number>;
  /** Ends it at once. May be called after `drain`. */
  stop(): Promise<void>;
}

export type EngineUnderTest = {
  readonly name: string;
  readonly datagrams: boolean;
  readonly streams: boolean;
  /** Starts it; rejects as `apply` does. */
  start(setup: EngineSetup): Promise<RunningEngine>;
};

const echo: HandBackendOptions = {
  udp: ({ query, reply }) => reply(answerTo(query, { addresses: ['192.0.2.1'] })),
  tcp: (query, socket) => sendFramed(socket, answerTo(query, { addresses: ['192.0.2.2'] })),
};

const hasCode = (code: ErrorCode) => (thrown: unknown) =>
  thrown instanceof Error && 'code' in thrown && thrown.code === code;

/** Runs the suite. */
export function engineContract(engine: EngineUnderTest): void {
  const ask = engine.datagrams ? askUdp : askTcp;

  /** An engine with one listener on each of `addresses` and backends that do as `options` say. */
  async function begin(
    t: TestContext,
    options: readonly HandBackendOptions[] = [echo],
    { addresses = ['127.0.0.1'], timeout = 2_000 }: { addresses?: readonly string[]; timeout?: number } = {},
  ) {
    const backends: HandBackend[] = [];
    for (const each of options) {
      const backend = await HandBackend.start(each);
      backends.push(backend);
      // A test may have stopped it already.
      t.after(() => backend.stop().catch(() => {}));
    }
    const port = await freePort();
    const listeners = addresses.map(address => ({ address, port }));
    const setup: EngineSetup = { listeners, backends, timeout, portsPerBackend: 8 };
    const running = await engine.start(setup);
    t.after(() => running.stop());
    return { running, setup, backends, backend: backends[0]!, server: listeners[0]!, port };
  }

  describe(engine.name, () => {
    test('a query goes to a backend and its answer comes back with the id and case of the client', async t => {
      const { server } = await begin(t);
      const answer = await ask(server, packet({ id: 0xbeef, name: 'wWw.Example.teST' }));
      assert.ok(answer);
      assert.equal(header(answer).id, 0xbeef);
      assert.equal(header(answer).rcode, 0);
      assert.equal(answer.toString('latin1', 13, 16), 'wWw');
    });

    test('IPv4 and IPv6 listeners answer', async t => {
      const { port } = await begin(t, [echo], { addresses: ['127.0.0.1', '::1'] });
      for (const address of ['127.0.0.1', '::1']) assert.ok(await ask({ address, port }, packet()), address);
    });

    test('a second snapshot adds and removes listeners and backends, and leaves the others alone', async t => {
      const { running, setup, server, backend } = await begin(t);
      const other = await HandBackend.start(echo);
      t.after(() => other.stop());
      const added = { address: '127.0.0.1', port: await freePort() };
      await running.apply({ ...setup, listeners: [server, added], backends: [other] });
      const before = backend.queries.length;
      for (const at of [server, added]) assert.ok(await ask(at, packet({ name: `n${at.port}.test` })));
      assert.equal(backend.queries.length, before);
      assert.equal(other.queries.length, 2);
      await running.apply({ ...setup, listeners: [added], backends: [other] });
      assert.ok(await ask(added, packet({ name: 'again.test' })));
      // It may serve on until what was in flight has been answered through it.
      await poll(
        'the old listener to close',
        async () => !(await ask(server, packet({ name: 'gone.test' }), 200)),
      );
    });

    test('a snapshot that cannot be bound is refused with its code and changes nothing', async t => {
      const { running, setup, server } = await begin(t);
      const bad = { address: '192.0.2.1', port: server.port };
      await assert.rejects(
        running.apply({ ...setup, listeners: [server, bad], backends: [] }),
        hasCode('ADDRESS_NOT_AVAILABLE'),
      );
      assert.ok(await ask(server, packet()));
    });

    test('an address in use is refused with its code', async t => {
      const taken = await HandBackend.start();
      t.after(() => taken.stop());
      await assert.rejects(
        engine.start({ listeners: [taken], backends: [taken], timeout: 1_000, portsPerBackend: 1 }),
        hasCode('ADDRESS_IN_USE'),
      );
    });

    test('a drain answers what is in flight', async t => {
      const held: (() => void)[] = [];
      const hold: HandBackendOptions = {
        udp: ({ query, reply }) => void held.push(() => reply(answerTo(query))),
      };
      const { running, server } = await begin(t, [hold]);
      const answer = ask(server, packet({ id: 77 }));
      await poll('the query', () => held.length === 1);
      const drained = running.drain(5_000);
      held[0]!();
      assert.equal(header((await answer)!).id, 77);
      assert.equal(await drained, 0);
    });

    test('a drain ends in time and says what it gave up', async t => {
      const { running, server, backend } = await begin(t, [{}], { timeout: 60_000 });
      const answer = ask(server, packet(), 1_000);
      await poll('the query', () => backend.queries.length === 1);
      assert.equal(await running.drain(100), 1);
      await answer;
    });

    test('a backend that says nothing is answered for by SERVFAIL when its time is over', async t => {
      const { server } = await begin(t, [{}], { timeout: 200 });
      assert.equal(header((await ask(server, packet()))!).rcode, 2);
    });

    test('garbage of all lengths is answered or not, and the next query is', async t => {
      const { server } = await begin(t);
      for (const length of [0, 1, 11, 12, 13, 40, 512, 4_000]) {
        const bytes = new Uint8Array(length);
        for (let at = 0; at < length; at++) bytes[at] = (at * 151 + length * 31) & 255;
        if (engine.datagrams) new UdpClientOnce(server).send(bytes);
        if (engine.streams) await throwTcp(server, frame(bytes));
      }
      assert.ok(await ask(server, packet()));
    });

    if (engine.datagrams) datagramContract(begin);
    if (engine.streams) streamContract(begin);
  });
}

/** Sends without caring for an answer. */
class UdpClientOnce {
  readonly #client: UdpClient;
  constructor(server: Address) {
    this.#client = new UdpClient(server);
  }
  send(bytes: Uint8Array): void {
    this.#client.send(bytes);
    setImmediate(() => void this.#client.close());
  }
}

/** Writes to a connection of its own and resets it. */
async function throwTcp(server: Address, bytes: Uint8Array): Promise<void> {
  const client = new TcpClient(server);
  await new Promise<void>(resolve => client.socket.write(bytes, () => resolve()));
  client.socket.resetAndDestroy();
}

type Begin = (
  t: TestContext,
  options?: readonly HandBackendOptions[],
  more?: { addresses?: readonly string[]; timeout?: number },
) => Promise<{
  running: RunningEngine;
  backends: HandBackend[];
  backend: HandBackend;
  server: Address;
  port: number;
}>;

function datagramContract(begin: Begin): void {
  test('UDP: the receive buffer granted is told for each listener', async t => {
    const { running, port } = await begin(t, [echo], { addresses: ['127.0.0.1', '::1'] });
    assert.deepEqual(
      running.granted.map(({ address, port }) => ({ address, port })),
      [
        { address: '127.0.0.1', port },
        { address: '::1', port },
      ],
    );
    for (const { receiveBuffer } of running.granted)
      assert.ok(receiveBuffer >= 65_536, String(receiveBuffer));
  });

  test('UDP: queries leave from several source ports, with ids that nobody could guess', async t => {
    const { server, backend } = await begin(t);
    const client = new UdpClient(server);
    t.after(() => client.close());
    for (let i = 0; i < 100; i++) {
      client.send(packet({ id: i, name: `n${i}.test` }));
      assert.ok(await client.take(bytes => bytes.readUInt16BE(0) === i));
    }
    assert.ok(backend.sourcePorts.size >= 4, `${backend.sourcePorts.size} ports`);
    const ids = new Set(backend.queries.map(query => query.readUInt16BE(0)));
    assert.ok(ids.size > 90, `${ids.size} ids`);
    assert.ok(Math.max(...ids) - Math.min(...ids) > 30_000);
  });

  test('UDP: an answer from a stranger, with a wrong id or another question is not taken', async t => {
    const { server } = await begin(t, [
      {
        udp: ({ query, reply, replyElsewhere }) => {
          const forged = answerTo(query, { addresses: ['192.0.2.66'] });
          replyElsewhere(forged);
          reply(withId(forged, header(query).id ^ 1));
          const other = Buffer.from(forged);
          other[13]! ^= 1;
          reply(other);
          reply(answerTo(query, { addresses: ['192.0.2.1'] }));
          reply(forged);
        },
      },
    ]);
    const client = new UdpClient(server);
    t.after(() => client.close());
    client.send(packet({ id: 9 }));
    const answer = await client.take(() => true);
    assert.deepEqual([...answer!.subarray(-4)], [192, 0, 2, 1]);
    assert.equal(await client.take(() => true, 100), undefined);
  });

  test('UDP: a backend that is not there is noticed at once, and another is asked', async t => {
    const { server, backends } = await begin(t, [{}, echo], { timeout: 30_000 });
    await backends[0]!.stop();
    for (let i = 0; i < 8; i++) {
      const answer = await askUdp(server, packet({ name: `n${i}.test` }), 5_000);
      assert.equal(header(answer!).rcode, 0);
    }
  });

  test('UDP: a listener on all addresses replies from the address that was asked', async t => {
    const { port } = await begin(t, [echo], { addresses: ['0.0.0.0', '::'] });
    for (const address of ['127.0.0.1', '::1']) {
      const client = new UdpClient({ address, port });
      t.after(() => client.close());
      client.send(packet());
      const [got] = await poll('an answer', () => client.received.length > 0 && client.received);
      assert.equal(got!.from, `${address}#${port}`);
    }
  });

  test('UDP: many clients at once get their own answers', async t => {
    const { server } = await begin(t);
    const clients = Array.from({ length: 20 }, () => new UdpClient(server));
    t.after(() => Promise.all(clients.map(client => client.close())));
    for (const [k, client] of clients.entries()) {
      for (let i = 0; i < 20; i++) client.send(packet({ id: k * 100 + i, name: `c${k}.n${i}.test` }));
    }
    for (const [k, client] of clients.entries()) {
      for (let i = 0; i < 20; i++) {
        const answer = await client.take(bytes => bytes.readUInt16BE(0) === k * 100 + i);
        assert.equal(questionName(answer!), `c${k}.n${i}.test`);
      }
    }
  });

  test('UDP: a query of 4,000 bytes is passed on whole', async t => {
    const { server, backend } = await begin(t);
    const update = packet({ flags: 0x2800, rest: new Uint8Array(3_960) });
    await askUdp(server, update);
    assert.equal(backend.queries[0]?.length, update.length);
  });
}

function streamContract(begin: Begin): void {
  test('TCP: queries in pieces are understood, and answers come as they are ready', async t => {
    const held: (() => void)[] = [];
    const { server } = await begin(t, [
      {
        udp: ({ query, reply }) => {
          const answer = (): void => reply(answerTo(query));
          if (questionName(query) === 'slow.test') held.push(answer);
          else answer();
        },
      },
    ]);
    const client = new TcpClient(server);
    t.after(() => client.close());
    const stream = Buffer.concat([
      frame(packet({ id: 1, name: 'slow.test' })),
      frame(packet({ id: 2, name: 'quick.test' })),
    ]);
    for (const byte of stream) {
      client.write(Uint8Array.of(byte));
      await new Promise(resolve => setImmediate(resolve));
    }
    assert.equal(header((await client.next())!).id, 2);
    held[0]!();
    assert.equal(header((await client.next())!).id, 1);
  });

  test('TCP: a truncated answer is asked again over TCP', async t => {
    const { server } = await begin(t, [
      {
        udp: ({ query, reply }) => reply(answerTo(query, { truncated: true })),
        tcp: (query, socket) =>
          sendFramed(socket, answerTo(query, { addresses: Array(3_000).fill('192.0.2.9') })),
      },
    ]);
    const answer = await askTcp(server, packet());
    assert.equal(header(answer!).tc, false);
    assert.equal(header(answer!).counts[1], 3_000);
  });

  test('TCP: a backend that dies in the middle of an answer is asked once more', async t => {
    let tries = 0;
    const { server } = await begin(t, [
      {
        udp: ({ query, reply }) => reply(answerTo(query, { truncated: true })),
        tcp: (query, socket) => {
          const answer = frame(answerTo(query, { addresses: ['192.0.2.9'] }));
          if (tries++ === 0) socket.end(answer.subarray(0, 20));
          else socket.write(answer);
        },
      },
    ]);
    const answer = await askTcp(server, packet());
    assert.equal(header(answer!).rcode, 0);
    assert.equal(tries, 2);
  });

  test('TCP: a zone transfer passes unchanged, both ways', async t => {
    const seen: Buffer[] = [];
    const parts = [1, 2, 3];
    const { server } = await begin(t, [
      {
        tcp: (query, socket) => {
          seen.push(Buffer.from(query));
          for (const part of parts) sendFramed(socket, answerTo(query, { addresses: [`192.0.2.${part}`] }));
          socket.end();
        },
      },
    ]);
    const client = new TcpClient(server);
    t.after(() => client.close());
    const query = packet({ id: 0x4242, name: 'Zone.Test', type: 252, rest: Uint8Array.of() });
    client.send(query);
    for (const part of parts) assert.equal((await client.next())!.at(-1), part);
    assert.deepEqual(seen, [query]);
  });

  test('TCP: a client that vanishes harms nobody', async t => {
    const { server } = await begin(t);
    for (const bytes of [Uint8Array.of(0), Uint8Array.of(0, 30, 1, 2, 3), frame(packet())])
      await throwTcp(server, bytes);
    assert.ok(await askTcp(server, packet()));
  });

  test('TCP: messages of no length, too short or answers end the connection', async t => {
    const { server } = await begin(t);
    for (const bytes of [Uint8Array.of(0, 0), frame(new Uint8Array(5)), frame(packet({ flags: 0x8000 }))]) {
      const client = new TcpClient(server);
      t.after(() => client.close());
      client.write(bytes);
      assert.ok(await client.ends());
    }
  });
}
