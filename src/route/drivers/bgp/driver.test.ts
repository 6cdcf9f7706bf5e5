import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import net, { type AddressInfo, type Server, type Socket } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { ourOpen } from '#bgp/agreement.ts';
import { BgpError } from '#bgp/error.ts';
import { Frames } from '#bgp/frames.ts';
import {
  ceaseWithReason,
  decodeMessage,
  encodeMessage,
  type Message,
  notificationOf,
  readNotification,
} from '#bgp/message.ts';
import { ChorusError } from '#kit/errors.ts';
import { type Announcement, hostPrefix } from '#route/announcement.ts';
import type { DriverReport, RouteDriver } from '#route/driver.ts';
import { poll } from '#test/support/poll.ts';
import { freePort } from '#test/support/ports.ts';
import { temporaryFolder } from '#test/support/process.ts';
import { requires } from '#test/support/requires.ts';
import { driverFrom, TestWorld } from '#test/support/route-driver.ts';
import { bgpOptions } from './options.ts';

const announcement: Announcement = {
  prefix: hostPrefix('192.0.2.53'),
  address: '192.0.2.53',
  grade: 'primary',
  attributes: { med: 0, localPreference: 200, communities: [], largeCommunities: [], prepend: 0 },
};

const theirs = {
  localAs: 65000,
  peerAs: 65001,
  routerId: '10.0.0.1',
  holdTime: 9,
  families: ['ipv4', 'ipv6'],
} as const;

/** A peer that is played by the test, on loopback. */
class Peer {
  readonly server: Server;
  readonly heard: Message[] = [];
  socket: Socket | null = null;
  connections = 0;
  /** Answers OPEN and KEEPALIVE. */
  civil = true;
  /** Leaves what comes unread. */
  deaf = false;
  /** Closes its side when the other has. */
  readonly #sockets = new Set<Socket>();

  private constructor(server: Server) {
    this.server = server;
    server.on('connection', socket => this.attend(socket));
  }
  static async start(t: TestContext, port = 0): Promise<Peer> {
    const server = net.createServer();
    const peer = new Peer(server);
    await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve));
    t.after(() => peer.stop());
    return peer;
  }
  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }
  attend(socket: Socket): void {
    this.connections++;
    this.socket = socket;
    this.#sockets.add(socket);
    const frames = new Frames();
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => {
      if (this.deaf) return;
      frames.push(chunk, bytes => {
        const message = decodeMessage(bytes, { fourOctetAs: true, internal: false, keepPrefixes: true });
        this.heard.push(message);
        if (this.civil && message.kind === 'open') this.say(encodeMessage(ourOpen(theirs)));
        if (this.civil && (message.kind === 'open' || message.kind === 'keepalive')) {
          this.say(encodeMessage({ kind: 'keepalive' }));
        }
        if (message.kind === 'notification') socket.end();
        return true;
      });
    });
  }
  say(bytes: Uint8Array): void {
    this.socket?.write(bytes);
  }
  /** The updates that it heard: what each announces and withdraws. */
  get updates(): string[] {
    return this.heard.flatMap(message =>
      message.kind === 'update' && message.counts.announced + message.counts.withdrawn > 0
        ? [
            ...message.announced.map(({ address }) => `+${address}`),
            ...message.withdrawn.map(({ address }) => `-${address}`),
          ]
        : [],
    );
  }
  get notification(): string {
    const last = this.heard.findLast(({ kind }) => kind === 'notification');
    return last?.kind === 'notification' ? `${last.code}/${last.subcode}` : 'none';
  }
  async stop(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (this.server.listening) await new Promise(resolve => this.server.close(resolve));
  }
}

class Working {
  readonly world = new TestWorld();
  driver!: RouteDriver;
  beating = true;
  static async make(t: TestContext, port: number, more: object = {}): Promise<Working> {
    const working = new Working();
    const options = {
      peer: `127.0.0.1:${port}`,
      'peer-as': 65000,
      'local-as': 65001,
      'router-id': '10.0.0.2',
      'next-hop-ipv6': '2001:db8::2',
      ...more,
    };
    working.driver = await driverFrom('bgp', options, working.world);
    const beat = setInterval(() => working.beating && working.driver.beat(), 100);
    t.after(async () => {
      clearInterval(beat);
      await working.driver.close(1_000, 'the test has ended');
      assert.equal(working.world.waiting, 0, 'no timer is left');
    });
    return working;
  }
  get report(): DriverReport {
    return this.driver.report();
  }
  async until(
    what: string,
    look: (report: DriverReport) => boolean,
    deadline = 10_000,
  ): Promise<DriverReport> {
    await poll(what, () => look(this.report), {
      deadline,
      explain: () => JSON.stringify([this.report, this.world.notices], null, 1),
    });
    return this.report;
  }
  async problem(code: string): Promise<string> {
    const { problem } = await this.until(code, ({ problem }) => problem?.code === code);
    assert.doesNotMatch(`${problem?.message}${problem?.remedy}`, /\{\w+\}/);
    return problem!.message;
  }
}

test('announces, withdraws, and says goodbye with a reason', async t => {
  const peer = await Peer.start(t);
  const { driver, until } = await Working.make(t, peer.port).then(working => ({
    driver: working.driver,
    until: working.until.bind(working),
  }));
  assert.equal(driver.report().state, 'idle');
  driver.want([announcement]);
  const { detail, routes } = await until('the route', ({ routes }) => routes.length === 1);
  assert.match(
    detail,
    /^established with 127\.0\.0\.1:\d+ AS 65000 \(eBGP, router id 10\.0\.0\.1\), hold time 3 s/,
  );
  // It is told in the terms of what was wanted, though LOCAL_PREF goes to nobody outside.
  assert.deepEqual(routes[0]?.attributes, announcement.attributes);
  driver.want([]);
  await until('none', ({ routes }) => routes.length === 0);
  driver.want([announcement]);
  await until('the route again', ({ routes }) => routes.length === 1);
  await driver.close(5_000, 'ticket 4711');
  assert.deepEqual(peer.updates, ['+192.0.2.53', '-192.0.2.53', '+192.0.2.53', '-192.0.2.53']);
  const last = peer.heard.at(-1);
  assert.ok(last?.kind === 'notification');
  assert.equal(readNotification(last).words, 'ticket 4711');
  assert.deepEqual(driver.report().routes, []);
});

test('bytes that are no BGP, in any state, are answered with a NOTIFICATION and an attempt anew', async t => {
  const peer = await Peer.start(t);
  const working = await Working.make(t, peer.port);
  working.driver.want([announcement]);
  await working.until('the route', ({ routes }) => routes.length === 1);
  peer.say(Buffer.from('HTTP/1.1 400 Bad Request\r\n\r\n'));
  await poll('the notification', () => peer.notification === '1/1');
  assert.deepEqual(working.report.routes, []);
  assert.match(working.report.problem?.message ?? '', /Connection Not Synchronized/);
  await working.until('the route again', ({ routes }) => routes.length === 1);
  assert.equal(working.report.problem, null);
  // A malformed UPDATE: the lists are longer than the message.
  peer.say(Uint8Array.from([...new Array<number>(16).fill(255), 0, 23, 2, 0, 9, 0, 0]));
  await poll('the notification', () => peer.notification === '3/1');
  await working.until('the route once more', ({ routes }) => routes.length === 1);
});

test('errors that an operator makes are told with what to do', async t => {
  const wrong = await Peer.start(t);
  const working = await Working.make(t, wrong.port, { 'peer-as': 64999 });
  working.driver.want([]);
  assert.match(await working.problem('BGP_WRONG_AS'), /AS 65000 instead of 64999/);
  assert.equal(working.report.state, 'failed');

  const telling = await Peer.start(t);
  telling.civil = false;
  const told = await Working.make(t, telling.port);
  told.driver.want([]);
  await poll('the OPEN', () => telling.heard.length > 0);
  telling.say(encodeMessage(notificationOf(new BgpError(2, 2, ''))));
  assert.match(await told.problem('BGP_TOLD'), /Bad Peer AS \(it expects another AS of us/);
  assert.equal(told.report.state, 'failed');

  const nobody = await Working.make(t, await freePort());
  nobody.driver.want([announcement]);
  await nobody.problem('BGP_REFUSED');
  assert.equal(nobody.report.state, 'connecting');

  const elsewhere = await Working.make(t, wrong.port, { 'local-address': '192.0.2.77' });
  elsewhere.driver.want([]);
  assert.match(await elsewhere.problem('BGP_SOCKET'), /no interface/);

  const closed = await Peer.start(t);
  const shut = await Working.make(t, closed.port);
  shut.driver.want([]);
  await shut.until('the session', ({ state }) => state === 'up');
  closed.civil = false;
  closed.say(encodeMessage(notificationOf(ceaseWithReason(2, 'going home'))));
  assert.match(await shut.problem('BGP_TOLD'), /Administrative Shutdown “going home”/);
});

test('a control loop that stands still takes its routes back', async t => {
  const peer = await Peer.start(t);
  const working = await Working.make(t, peer.port);
  working.driver.want([announcement]);
  await working.until('the route', ({ routes }) => routes.length === 1);
  // One beat at least was heard: the switch is armed.
  working.driver.beat();
  working.beating = false;
  await poll('the end', () => peer.notification === '6/8', { deadline: 10_000 });
  assert.deepEqual(working.report.routes, []);
  working.beating = true;
  await working.until('the route again', ({ routes }) => routes.length === 1);
});

test('peers connect to one listener, each to its own session; strangers are turned away', async t => {
  const port = await freePort();
  const passive = { mode: 'passive', 'local-address': '127.0.0.1', 'local-port': port };
  const one = await Working.make(t, 1, passive);
  const other = await Working.make(t, 1, { ...passive, peer: '127.0.0.2:1' });
  one.driver.want([announcement]);
  other.driver.want([]);
  const connect = (from: string) =>
    net.connect({ port, host: '127.0.0.1', localAddress: from, allowHalfOpen: false });
  const played = async (from: string): Promise<Peer> => {
    const peer = await Peer.start(t);
    // The listener may not stand yet.
    await poll(
      'a connection',
      () =>
        new Promise<boolean>(resolve => {
          const socket = connect(from);
          socket.once('connect', () => {
            peer.attend(socket);
            resolve(true);
          });
          socket.once('error', () => resolve(false));
        }),
    );
    return peer;
  };
  await poll(
    'the refusal of a stranger',
    () =>
      new Promise<boolean>(resolve => {
        connect('127.0.0.9').on('error', error => resolve(error.message.includes('ECONNRESET')));
      }),
  );
  const first = await played('127.0.0.1');
  await one.until('the route', ({ routes }) => routes.length === 1);
  assert.equal(other.report.state, 'connecting');
  await played('127.0.0.2');
  await other.until('its session', ({ state }) => state === 'up');
  // A second connection while the first is established is one too many.
  const second = await played('127.0.0.1');
  await poll('the refusal', () => second.notification === '6/7');
  assert.equal(one.report.state, 'up');
  assert.deepEqual(first.updates, ['+192.0.2.53']);
  // Many that close nothing by themselves hold no descriptors.
  const many = Array.from({ length: 50 }, () =>
    net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }).resume(),
  );
  t.after(() => many.forEach(socket => void socket.destroy()));
  let reset = 0;
  for (const socket of many) socket.on('error', () => reset++);
  await poll('most to be reset', () => reset >= 42);
  assert.equal(one.report.state, 'up');
});

test('a key goes with its session, though the listener stays', requires('root'), async t => {
  const port = await freePort();
  const file = join(temporaryFolder('bgp'), 'key');
  writeFileSync(file, 'secret');
  const passive = { mode: 'passive', 'local-address': '127.0.0.1', 'local-port': port };
  const staying = await Working.make(t, 1, { ...passive, peer: '127.0.0.2:1' });
  staying.driver.want([]);
  const keyed = await Working.make(t, 1, { ...passive, 'password-file': file });
  keyed.driver.want([]);
  // Without the key no connection comes about.
  const tries = (): Promise<boolean> =>
    new Promise(resolve => {
      const socket = net.connect({ port, host: '127.0.0.1', localAddress: '127.0.0.1', timeout: 300 });
      const end = (came: boolean) => {
        socket.destroy();
        resolve(came);
      };
      socket.once('connect', () => end(true));
      socket.once('timeout', () => end(false));
      socket.once('error', error => end(error.message.includes('ECONNRESET')));
    });
  await poll('the guard', async () => !(await tries()));
  await keyed.driver.close(100, 'gone');
  await poll('the way to be free', tries);
});

test('a port that cannot be had is a problem, and tried again', async t => {
  const taken = net.createServer();
  await new Promise<void>(resolve => taken.listen(0, '127.0.0.1', resolve));
  const { port } = taken.address() as AddressInfo;
  const working = await Working.make(t, 1, {
    mode: 'passive',
    'local-address': '127.0.0.1',
    'local-port': port,
  });
  working.driver.want([]);
  await working.problem('ADDRESS_IN_USE');
  assert.equal(working.report.state, 'failed');
  await new Promise(resolve => taken.close(resolve));
  await working.until('the listener', ({ problem }) => problem === null);
  assert.equal(working.report.state, 'connecting');
});

test('a peer that reads nothing does not hold up the end', async t => {
  const peer = await Peer.start(t);
  const working = await Working.make(t, peer.port);
  working.driver.want([announcement]);
  await working.until('the route', ({ routes }) => routes.length === 1);
  peer.socket?.pause();
  await working.driver.close(200, 'end');
  assert.equal(working.world.waiting, 0);
});

test('a password file that cannot be used is refused at once', async () => {
  const file = join(temporaryFolder('bgp'), 'key');
  const make = () =>
    driverFrom(
      'bgp',
      { peer: '127.0.0.1:1', 'peer-as': 1, 'local-as': 2, 'router-id': '10.0.0.2', 'password-file': file },
      new TestWorld(),
    );
  const refused = (error: unknown) => error instanceof ChorusError && error.code === 'BGP_PASSWORD';
  await assert.rejects(make, refused);
  writeFileSync(file, '\n');
  await assert.rejects(make, refused);
  writeFileSync(file, 'x'.repeat(81));
  await assert.rejects(make, refused);
});

test('options that cannot be are refused with what was expected', () => {
  const good = { peer: '10.0.0.1', 'peer-as': 65000, 'local-as': 65001, 'router-id': '10.0.0.2' };
  assert.equal(bgpOptions.parse(good).peer.port, 179);
  assert.equal(bgpOptions.parse({ ...good, 'hold-time': 'off' })['hold-time'], null);
  for (const [key, value] of [
    ['peer', 'router.example'],
    ['peer-as', 0],
    ['peer-as', 4_294_967_295],
    ['router-id', '0.0.0.0'],
    ['router-id', '2001:db8::1'],
    ['hold-time', '2s'],
    ['hold-time', '3500ms'],
    ['next-hop-ipv6', '10.0.0.2'],
    ['next-hop-ipv4', 'fe80::1%eth0'],
    ['local-address', '2001:db8::2'],
    ['local-address', '10.0.0.1'],
    ['families', []],
    ['mode', 'aktiv'],
    ['ttl-security', 255],
  ] as const) {
    assert.equal(bgpOptions.safeParse({ ...good, [key]: value }).success, false, `${key}: ${value}`);
  }
});
