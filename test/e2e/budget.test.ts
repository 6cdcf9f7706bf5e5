/** The withdrawal budget with a real etcd: fronts that are the real announcer and budget, on loopback, in this process and in others. */
import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, test } from 'node:test';
import { hostPrefix } from '#route/announcement.ts';
import { Announcer } from '#route/announcer.ts';
import { keyOf } from '#route/budget-keys.ts';
import { EtcdClient } from '#route/etcd.ts';
import type { AddressPlan, DrainPlan } from '#route/plan.ts';
import { type BudgetSettings, WithdrawalBudget } from '#route/withdrawal-budget.ts';
import { isolate } from '../support/isolate.ts';
import { poll } from '../support/poll.ts';
import { must, Program, temporaryFolder } from '../support/process.ts';
import { requires } from '../support/requires.ts';

const address = '192.0.2.53';
const url = 'http://127.0.0.1:2379';
const attributes = { med: 0, localPreference: null, communities: [], largeCommunities: [], prepend: 0 };

const plan: AddressPlan = {
  address,
  prefix: hostPrefix(address),
  via: ['core1'],
  pools: ['default'],
  family: 'any',
  least: 1,
  degradedBelow: 0.5,
  capacity: null,
  rise: 0,
  fall: 0,
  hold: { first: 1, most: 1, forget: 1 },
  whenDown: 'withdraw',
  role: 'primary',
  attributes: { up: attributes, degraded: { ...attributes, med: 1000 }, draining: attributes },
};
const drain: DrainPlan = { wait: 0, quiet: 0, settle: 0, stop: { wait: 0, settle: 0 } };

const wait = (ms: number, then: () => void) => {
  const timer = setTimeout(then, ms);
  return () => clearTimeout(timer);
};
const now = () => performance.now();

const open = new Set<WithdrawalBudget>();

function settings(
  member: string,
  more: Partial<BudgetSettings & BudgetSettings['rules']> = {},
): BudgetSettings {
  const {
    least = 1,
    farm = 'f',
    lease = 2000,
    whenAway = 'keep',
    window = 60_000,
    settle = 500,
    ...rest
  } = more;
  return {
    rules: { least, farm, member, lease, whenAway, window, settle },
    etcd: [url],
    timeout: 500,
    user: null,
    passwordFile: null,
    ca: null,
    cert: null,
    key: null,
    ...rest,
  };
}

/** A front: announcer and budget, turned as the daemon turns them. */
class Front {
  readonly name: string;
  readonly budget: WithdrawalBudget;
  readonly notices: string[] = [];
  readonly #announcer = new Announcer();
  well = true;
  /** When it last left the routers, ms of `now`. */
  withdrawnAt = 0;

  constructor(name: string, more: Parameters<typeof settings>[1] = {}) {
    this.name = name;
    this.budget = new WithdrawalBudget(settings(name, more), {
      now,
      wall: () => Date.now(),
      wait,
      random: bound => randomInt(bound),
      onNotice: (level, message) => this.notices.push(`${level} ${message}`),
      onChange: () => setImmediate(() => this.turn()),
    });
    open.add(this.budget);
    this.#announcer.apply([plan], drain, now());
    this.turn();
    this.turn();
  }

  turn(): void {
    const state = this.well ? 'up' : 'down';
    const was = this.state;
    this.#announcer.step(
      {
        pools: [
          {
            pool: 'default',
            members: [{ name: 'n1', family: 'ipv4', state, weight: 1 }],
            everybody: false,
            load: null,
          },
        ],
        listeners: [],
        warm: true,
        drain: null,
        drainEnds: null,
        budget: this.budget.views(),
        traffic: null,
        forbidden: null,
      },
      now(),
    );
    if (was !== 'down' && this.state === 'down') this.withdrawnAt = now();
    this.budget.tell(this.#announcer.report());
  }
  health(well: boolean): void {
    this.well = well;
    this.turn();
  }
  get state() {
    return this.#announcer.report()[0]!.state;
  }
  get view() {
    return this.budget.views().get(address)!;
  }
  async knows(...names: string[]): Promise<void> {
    await poll(
      `${this.name} knows ${names.join(' ')}`,
      () => {
        this.turn();
        return (
          this.budget
            .farm()
            .map(({ member }) => member)
            .join(' ') === names.join(' ')
        );
      },
      { explain: () => JSON.stringify([this.budget.farm(), this.budget.status(), this.notices]) },
    );
  }
  async is(state: string, verdict?: string): Promise<void> {
    await poll(
      `${this.name} is ${state}`,
      () => {
        this.turn();
        return this.state === state && (verdict === undefined || this.view.verdict === verdict);
      },
      { explain: () => JSON.stringify([this.state, this.view, this.budget.farm(), this.notices]) },
    );
  }
}

/** A front in a process of its own. */
const alone = join(import.meta.dirname, '../support/budget-front.ts');
const node = join(import.meta.dirname, '../../bin/node');

describe('the withdrawal budget with etcd', requires('etcd', 'etcdctl', 'root'), () => {
  const folder = temporaryFolder('etcd');
  let etcd: Program;

  const startEtcd = async () => {
    etcd = new Program('etcd', [
      ...['--data-dir', join(folder, 'data'), '--listen-client-urls', url, '--advertise-client-urls', url],
      ...['--listen-peer-urls', 'http://127.0.0.1:2380'],
      // What is tested does not wait for the disk of the machine.
      ...['--heartbeat-interval', '50', '--election-timeout', '500', '--unsafe-no-fsync'],
    ]);
    await etcd.until(
      'health',
      async () => (await fetch(`${url}/health`).catch(() => undefined))?.ok === true,
    );
  };
  const etcdctl = (...words: string[]) =>
    must('etcdctl', ['--endpoints', url, ...words], { env: { ETCDCTL_API: '3' } });
  const closeAll = async () => {
    await Promise.all([...open].map(budget => budget.close()));
    open.clear();
  };

  before(async () => {
    await isolate();
    await startEtcd();
  });
  after(closeAll);
  afterEach(closeAll);

  test('of fronts that race to withdraw one stays; what it knows of the last is told', async t => {
    const fronts = ['fr1', 'fr2', 'fr3'].map(name => new Front(name));
    for (const front of fronts) await front.knows('fr1', 'fr2', 'fr3');
    for (const front of fronts) await front.is('up', 'asking');
    const [one, two, three] = fronts as [Front, Front, Front];
    const took: number[] = [];
    for (let i = 0; i < 10; i++) {
      const asked = now();
      one.health(false);
      await poll('gone', () => one.state === 'down', { every: 1 });
      took.push(one.withdrawnAt - asked);
      one.health(true);
      await one.is('up');
      await two.is('up');
      await poll('told', () =>
        two.budget.farm().some(({ member, state }) => member === 'fr1' && state === 'up'),
      );
    }
    took.sort((a, b) => a - b);
    t.diagnostic(
      `from "down" to the permission: median ${took[5]!.toFixed(1)} ms, most ${took.at(-1)!.toFixed(1)} ms`,
    );
    for (const front of fronts) front.health(false);
    let least = 3;
    const end = now() + 500;
    while (now() < end && !fronts.some(({ view }) => view.verdict === 'everybody')) {
      least = Math.min(least, fronts.filter(({ state }) => state !== 'down').length);
      await new Promise(setImmediate);
    }
    assert.ok(least >= 1);
    // All of them, within the window: it is everybody, and all are back.
    for (const front of fronts) await front.is('degraded', 'everybody');
    assert.ok(one.notices.some(notice => notice.startsWith('error everybody')));
    two.health(true);
    await two.is('up');
    await one.is('down', 'granted');
    await three.is('down', 'granted');
  });

  test('a front that is killed is gone with its lease; who had withdrawn comes back', async () => {
    const front = new Front('fr1');
    const other = new Program(node, [alone, 'fr2']);
    await front.knows('fr1', 'fr2');
    await front.is('up', 'asking');
    front.health(false);
    await front.is('down', 'granted');
    await other.kill();
    await front.is('degraded', 'denied');
    assert.match(front.view.detail, /no other front/);
    // Back again, and in good order gone.
    const again = new Program(node, [alone, 'fr2']);
    await front.is('down', 'granted');
    await again.stop();
    await front.is('degraded', 'denied');
  });

  test('etcd hangs, is killed, comes back: what is announced stays, what was allowed stays', async () => {
    const fronts = ['fr1', 'fr2', 'fr3'].map(name => new Front(name));
    const [one, two, three] = fronts as [Front, Front, Front];
    for (const front of fronts) await front.knows('fr1', 'fr2', 'fr3');
    one.health(false);
    await one.is('down', 'granted');
    etcd.signal('SIGSTOP');
    two.health(false);
    await two.is('degraded', 'away');
    assert.equal(one.state, 'down');
    await poll('the problem', () => two.budget.status().problems[0]?.code === 'ETCD_UNREACHABLE', {
      explain: () => JSON.stringify([two.budget.status(), two.notices]),
    });
    etcd.signal('SIGCONT');
    await two.is('down', 'granted');
    two.health(true);
    await two.is('up');
    await etcd.kill();
    two.health(false);
    await two.is('degraded', 'away');
    await startEtcd();
    for (const front of fronts) await front.knows('fr1', 'fr2', 'fr3');
    await two.is('down', 'granted');
    assert.equal(three.state, 'up');
    assert.equal(one.state, 'down');
  });

  test('etcd with an empty memory is no reason to go', async () => {
    const fronts = ['fr1', 'fr2'].map(name => new Front(name));
    const [one, two] = fronts as [Front, Front];
    for (const front of fronts) await front.knows('fr1', 'fr2');
    await etcdctl('put', '/other/key', 'so that revisions grow');
    await etcd.kill();
    rmSync(join(folder, 'data'), { recursive: true });
    await startEtcd();
    for (const front of fronts) await front.knows('fr1', 'fr2');
    one.health(false);
    await one.is('down', 'granted');
    two.health(false);
    await two.is('degraded');
  });

  test('garbage, other protocols and namesakes are told and not counted', async () => {
    const front = new Front('fr1');
    await front.is('up', 'denied');
    const ghost = keyOf('f', { address, member: 'ghost', instance: 'ffffffffffffffff' });
    await etcdctl('put', ghost, '{"state":"up"');
    await etcdctl('put', `/chorus/f/9/${address}/future/x`, 'v9');
    await poll('told', () =>
      front.budget
        .status()
        .problems.some(({ code, message }) => code === 'BUDGET_FOREIGN' && message.startsWith('2 ')),
    );
    front.health(false);
    await front.is('degraded', 'denied');
    await etcdctl('del', '--prefix', '/chorus/');
    const twin = new Front('fr1');
    await front.knows('fr1', 'fr1');
    const other = new Front('fr2');
    await poll('both tell', () =>
      [front, twin].every(({ budget }) => budget.status().problems[0]?.code === 'BUDGET_NAMESAKE'),
    );
    await other.is('up', 'denied');
    assert.equal(front.state, 'degraded');
    assert.match(twin.view.detail, /our name/);
  });

  test('asks with a user where etcd wants one; without the right it says so', async () => {
    await etcdctl('user', 'add', 'root:secret');
    await etcdctl('user', 'grant-role', 'root', 'root');
    await etcdctl('role', 'add', 'chorus');
    await etcdctl('role', 'grant-permission', 'chorus', 'readwrite', '--prefix=true', '/chorus/f/');
    await etcdctl('user', 'add', 'chorus:word');
    await etcdctl('user', 'grant-role', 'chorus', 'chorus');
    await etcdctl('auth', 'enable');
    try {
      const passwordFile = join(folder, 'password');
      writeFileSync(passwordFile, 'word\n');
      const one = new Front('fr1', { user: 'chorus', passwordFile });
      const two = new Front('fr2', { user: 'chorus', passwordFile });
      await one.knows('fr1', 'fr2');
      await two.knows('fr1', 'fr2');
      one.health(false);
      await one.is('down', 'granted');
      const nobody = new Front('fr3');
      await poll('refused', () => nobody.budget.status().problems[0]?.code === 'ETCD_REFUSED');
      const elsewhere = new Front('fr4', { user: 'chorus', passwordFile, farm: 'g' });
      await poll('no right', () =>
        /permission denied/.test(elsewhere.budget.status().problems[0]?.message ?? ''),
      );
    } finally {
      await closeAll();
      await etcdctl('--user', 'root:secret', 'auth', 'disable');
    }
  });

  test('speaks TLS with an etcd whose certificate is signed as it should be', async () => {
    const tls = 'https://127.0.0.1:2479';
    const data = join(folder, 'tls');
    const secure = new Program('etcd', [
      ...['--data-dir', data, '--listen-client-urls', tls, '--advertise-client-urls', tls, '--auto-tls'],
      ...[
        '--listen-peer-urls',
        'http://127.0.0.1:2480',
        '--initial-advertise-peer-urls',
        'http://127.0.0.1:2480',
      ],
      ...['--initial-cluster', 'default=http://127.0.0.1:2480'],
    ]);
    const front = new Front('fr1', { etcd: [tls] });
    await secure.until('no trust', () =>
      /self.signed/.test(front.budget.status().problems[0]?.message ?? ''),
    );
    const ca = join(data, 'fixtures/client/cert.pem');
    const trusting = new Front('fr2', { etcd: [tls], ca });
    await trusting.knows('fr2');
    await closeAll();
    await secure.stop();
  });

  test('three servers: one that hangs and one that dies are passed over', async () => {
    const port = (server: number, peer = 0) => 4000 + 10 * server + peer;
    const at = (server: number, peer = 0) => `http://127.0.0.1:${port(server, peer)}`;
    const three = [1, 2, 3];
    const cluster = three.map(server => `e${server}=${at(server, 1)}`).join(',');
    const servers = three.map(
      server =>
        new Program('etcd', [
          ...['--name', `e${server}`, '--data-dir', join(folder, `e${server}`), '--initial-cluster', cluster],
          ...['--listen-client-urls', at(server), '--advertise-client-urls', at(server)],
          ...['--listen-peer-urls', at(server, 1), '--initial-advertise-peer-urls', at(server, 1)],
          ...['--heartbeat-interval', '50', '--election-timeout', '500', '--unsafe-no-fsync'],
        ]),
    );
    const etcds = three.map(server => at(server));
    const fronts = ['fr1', 'fr2', 'fr3'].map(name => new Front(name, { etcd: etcds }));
    const [one, two] = fronts as [Front, Front, Front];
    for (const front of fronts) await front.knows('fr1', 'fr2', 'fr3');
    servers[0]!.signal('SIGSTOP');
    one.health(false);
    await one.is('down', 'granted');
    await poll('told by another', () =>
      two.budget.farm().some(({ member, state }) => member === 'fr1' && state === 'down'),
    );
    one.health(true);
    await one.is('up');
    servers[0]!.signal('SIGCONT');
    await servers[1]!.kill();
    two.health(false);
    await two.is('down', 'granted');
    // Without a majority nobody is asked.
    await servers[2]!.kill();
    one.health(false);
    await one.is('degraded', 'away');
    await closeAll();
    await servers[0]!.stop();
  });

  test('the second server is asked when the first is gone', async () => {
    const client = new EtcdClient(
      {
        urls: ['http://127.0.0.1:1', url],
        auth: null,
        tls: { ca: null, cert: null, key: null },
        timeout: 5000,
      },
      wait,
    );
    await assert.rejects(client.grant(5), { code: 'ETCD_UNREACHABLE' });
    const { lease } = await client.grant(5);
    await client.revoke(lease);
    client.close();
  });
});
