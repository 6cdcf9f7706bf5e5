/** Backends fail under load in every way that we know of, and no client sees it. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { backend, Chorus, engines } from '../support/chorus.ts';
import { type Load, LoadRun } from '../support/clients.ts';
import { type Asked, answerTo, HandBackend, withId } from '../support/hand-backend.ts';
import { isolate } from '../support/isolate.ts';
import { startLab } from '../support/lab.ts';
import { poll } from '../support/poll.ts';
import { requires } from '../support/requires.ts';
import { startResolver } from '../support/resolvers.ts';
import { NameServer, type Place, type Recipe } from '../support/server.ts';

/** Names that exist in the lab, each asked once. */
const names = (count: number) => Array.from({ length: count }, (_, index) => `w${index}.wild.lab.example A`);
const probe = { name: 'www.lab.example', type: 'A', interval: '300ms', timeout: '200ms' };
const rate = 400;

type Answerer = (asked: Asked) => void;

const good: Answerer = ({ query, reply }) => reply(answerTo(query, { addresses: ['192.0.2.1'] }));
const rcode =
  (code: number): Answerer =>
  ({ query, reply }) =>
    reply(answerTo(query, { rcode: code }));
const silent: Answerer = () => {};

const late = new Set<NodeJS.Timeout>();
const slow =
  (ms: number): Answerer =>
  asked =>
    late.add(setTimeout(good, ms, asked));

/** A fault for so many of ten queries, the others answered well. */
function some(ofTen: number, fault: Answerer): Answerer {
  let count = 0;
  return asked => ((count++ * 7) % 10 < ofTen ? fault(asked) : good(asked));
}

/** What befalls the backends, of which there are four. */
const faults: Readonly<Record<string, (farm: readonly HandBackend[]) => Promise<unknown>>> = {
  silent: async ([one]) => turn(one, silent),
  'killed, its port closed': async ([one]) => one?.stop(),
  'SERVFAIL to all': async ([one]) => turn(one, rcode(2)),
  'SERVFAIL to 30%': async ([one]) => turn(one, some(3, rcode(2))),
  'drops 10%': async ([one]) => turn(one, some(1, silent)),
  'REFUSED to all': async ([one]) => turn(one, rcode(5)),
  'wrong ids': async ([one]) =>
    turn(one, ({ query, reply }) => reply(withId(answerTo(query), query.readUInt16BE(0) ^ 0x5555))),
  garbage: async ([one]) =>
    turn(one, ({ query, reply }) => reply(Buffer.concat([query.subarray(0, 2), Buffer.alloc(60, 0xc0)]))),
  'two of four silent': async ([one, two]) => [turn(one, silent), turn(two, silent)],
  'a rolling restart': async farm => {
    for (const one of farm) {
      await one.stop();
      await HandBackend.start({ port: one.port, udp: good });
    }
  },
};

function turn(backend: HandBackend | undefined, udp: Answerer): void {
  assert.ok(backend);
  backend.options = { ...backend.options, udp };
}

/** Faults that differ by engine: what the engine itself sees of the network, and what only time tells. */
const forBoth = ['silent', 'killed, its port closed', 'SERVFAIL to all'];

function assertAllGood(load: Load, front: Chorus): void {
  const seen = { codes: load.codes, lost: load.lost };
  assert.deepEqual(seen, { codes: { NOERROR: load.sent }, lost: 0 }, `${load.text}\n${front.program.log}`);
}

describe('faults of backends made by hand', requires('root', 'ip', 'dnsperf'), () => {
  before(() => isolate());

  /** Runs load on a front with four backends; the fault befalls them when the first has been asked often enough. */
  async function suffer(
    engine: string,
    fault: (farm: readonly HandBackend[]) => Promise<unknown>,
    look: (load: Load, front: Chorus) => void,
    seconds = 2,
  ): Promise<void> {
    const farm = await Promise.all(Array.from({ length: 4 }, () => HandBackend.start({ udp: good })));
    const backends = farm.map((server, index) => backend(`b${index}`, server));
    const front = await Chorus.start({ engine, cache: 'off', pools: { default: { probe, backends } } });
    const load = new LoadRun(front.v4, { questions: names(3000), seconds, rate });
    await poll('load on the backend', () => farm[0]!.queries.length > 50);
    await fault(farm);
    look(await load.result(), front);
    assert.equal(await front.stop(), 0);
    for (const timer of late) clearTimeout(timer);
    await Promise.all(farm.map(server => server.stop()));
  }

  for (const engine of engines) {
    for (const [what, fault] of Object.entries(faults)) {
      if (engine === 'loop' && !forBoth.includes(what)) continue;
      test(`${engine} engine: ${what}`, () => suffer(engine, fault, assertAllGood));
    }

    test(`${engine} engine: two seconds slow: no client waits for it`, () =>
      suffer(
        engine,
        async ([one]) => turn(one, slow(2000)),
        (load, front) => {
          assertAllGood(load, front);
          const longest = /Average Latency .*max ([\d.]+)\)/.exec(load.text)?.[1];
          assert.ok(Number(longest) < 1.6, load.text);
        },
        // Longer than its answers take: they come while others are asked.
        4,
      ));
  }

  test('NXDOMAIN lies to 30%: nothing else fails', () =>
    suffer(
      'batch',
      async ([one]) => turn(one, some(3, rcode(3))),
      ({ sent, codes, lost, text }) => {
        assert.equal((codes.NOERROR ?? 0) + (codes.NXDOMAIN ?? 0), sent, text);
        assert.equal(lost, 0);
      },
    ));
});

/** An Unbound that has all its answers from one other server. */
function forwarder(upstream: HandBackend): (place: Place) => Recipe {
  return ({ folder, port }) => ({
    program: 'unbound',
    files: {
      'unbound.conf': `server:
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  num-threads: 1
  interface: 127.0.0.1@${port}
  access-control: 127.0.0.0/8 allow
  do-not-query-localhost: no
  module-config: "iterator"
remote-control:
  control-enable: no
forward-zone:
  name: "."
  forward-addr: 127.0.0.1@${upstream.port}
`,
    },
    args: ['-d', '-p', '-c', `${folder}/unbound.conf`],
  });
}

describe('faults of real resolvers', requires('root', 'ip', 'named', 'unbound', 'dnsperf'), () => {
  let farm: NameServer[];
  before(async () => {
    await startLab();
    farm = await Promise.all((['unbound', 'bind', 'unbound', 'bind'] as const).map(startResolver));
  });
  after(async () => {
    await Promise.all(farm.map(server => server.stop()));
  });

  async function start(engine: string, servers: readonly NameServer[]) {
    const backends = servers.map((server, index) => backend(`b${index}`, server));
    const front = await Chorus.start({ engine, cache: 'off', pools: { default: { probe, backends } } });
    for (const { name } of backends) await front.reaches(name, ['up']);
    return front;
  }

  async function loaded(front: Chorus, seconds: number, fault: () => Promise<unknown>): Promise<void> {
    const load = new LoadRun(front.v4, { questions: names(seconds * rate * 2), seconds, rate });
    await poll('load on b0', async () => (await front.metric('chorus_backend_queries_total', '"b0"')) > 50);
    await fault();
    assertAllGood(await load.result(), front);
    assert.equal(await front.stop(), 0);
  }

  for (const engine of engines) {
    test(`${engine} engine: killed`, async () => {
      const front = await start(engine, farm);
      await loaded(front, 2, () => farm[0]!.kill());
      await farm[0]!.restart();
    });

    test(`${engine} engine: hangs`, async () => {
      const front = await start(engine, farm);
      try {
        await loaded(front, 2, async () => farm[1]!.program.signal('SIGSTOP'));
      } finally {
        farm[1]!.program.signal('SIGCONT');
      }
    });
  }

  test('a forwarder whose own server breaks', async () => {
    const upstream = await HandBackend.start({ udp: good });
    const ill = await NameServer.start('forwarder', forwarder(upstream), 'www.lab.example');
    const front = await start('batch', [ill, ...farm.slice(1)]);
    await loaded(front, 2, async () => turn(upstream, rcode(2)));
    await Promise.all([ill.stop(), upstream.stop()]);
  });

  test('all are restarted, one after the other', async () => {
    const front = await start('batch', farm);
    await loaded(front, 5, async () => {
      for (const server of farm) await server.restart();
    });
  });
});
