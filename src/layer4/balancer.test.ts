import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KernelBalancer } from './balancer.ts';
import { nftWanted } from './nftables.ts';
import type { BackendRole, Layer4Service } from './plan.ts';
import type { Outcome } from './run.ts';
import { layer4Section } from './schema.ts';

const services = (...roles: readonly BackendRole[]): Layer4Service[] => [
  {
    address: '192.0.2.53',
    port: 53,
    udp: true,
    tcp: true,
    backends: roles.map((role, at) => ({
      name: `b${at}`,
      address: `10.0.0.${at + 1}`,
      port: at === 0 ? 53 : 5300 + at,
      weight: 1,
      role,
    })),
  },
];

/** As much of nft as it takes: a table from text, as JSON. */
class FakeNft {
  holders: Map<string, { kind: string; elements: string[] }> | null = null;
  rules = '';
  calls: string[] = [];
  refuse: Outcome | null = null;
  /** Stands before `run`. */
  spoil: FakeNft['run'] | null = null;

  readonly run = async (program: string, args: readonly string[], input: string): Promise<Outcome> => {
    assert.equal(program, 'nft');
    if (this.refuse) return this.refuse;
    if (args[0] === '-j') {
      this.calls.push('list');
      if (!this.holders) return { code: 1, stdout: '', stderr: 'Error: No such file or directory' };
      const value = (text: string) => {
        const words = text.split(' . ').map(word => (/^\d+$/.test(word) ? Number(word) : word));
        return words.length === 1 ? words[0] : { concat: words };
      };
      const nftables = [
        { metainfo: { version: '1.0.6' } },
        ...[...this.holders].map(([name, { kind, elements }], handle) => ({
          [kind]: {
            name,
            handle,
            elem: elements.map(text => (kind === 'map' ? text.split(' : ').map(value) : value(text))),
          },
        })),
        ...[...this.rules.matchAll(/^ {4}(?!type )(.*)$/gm)].map(([, expr], at) => ({
          rule: { handle: this.calls.length * 100 + at, expr },
        })),
      ];
      return { code: 0, stdout: JSON.stringify({ nftables }), stderr: '' };
    }
    this.calls.push(
      input.includes('delete table') ? (input.includes('chain') ? 'full' : 'remove') : 'change',
    );
    return this.#read(input);
  };

  #read(input: string): Outcome {
    const done = { code: 0, stdout: '', stderr: '' };
    if (input.includes('delete table')) {
      this.holders = null;
      if (!input.includes('chain')) return done;
      this.holders = new Map();
      for (const [, kind = '', name = '', list] of input.matchAll(
        /^ {2}(map|set) (\w+) \{\n.*\n(?: {4}elements = \{ (.*) \}\n)?/gm,
      ))
        this.holders.set(name, { kind, elements: list?.split(', ') ?? [] });
      this.rules = input.slice(input.indexOf('chain'));
      return done;
    }
    if (!this.holders) return { code: 1, stdout: '', stderr: 'Error: No such file or directory' };
    for (const line of input.split('\n')) {
      const [, name = ''] = /^(?:flush \w+|add element) inet chorus_dns (\w+)/.exec(line) ?? [];
      const holder = this.holders.get(name);
      if (holder) holder.elements = /\{ (.*) \}/.exec(line)?.[1]?.split(', ') ?? [];
    }
    return done;
  }
}

function start(raw: Record<string, unknown> = {}, wall = () => 0) {
  const nft = new FakeNft();
  const timers: { ms: number; then: () => void }[] = [];
  const notices: string[] = [];
  const balancer = new KernelBalancer(
    layer4Section.parse({ services: [{ address: '192.0.2.53' }], ...raw }),
    {
      run: (...call) => (nft.spoil ?? nft.run)(...call),
      wall,
      wait: (ms, then) => {
        const timer = { ms, then };
        timers.push(timer);
        return () => void timers.splice(timers.indexOf(timer), 1);
      },
      read: file => (file.includes('ipv4') ? '0\n' : null),
      onNotice: (_level, message) => void notices.push(message),
    },
  );
  const settled = async () => {
    for (let turns = 0; turns < 50; turns++) await null;
  };
  return { balancer, nft, timers, notices, settled };
}

test('the whole table at first, then slots alone, and nothing for the same', async () => {
  const { balancer, nft, timers, settled } = start();
  balancer.want(services('serves', 'serves'));
  await settled();
  assert.deepEqual(nft.calls, ['list', 'full', 'list']);
  assert.equal(balancer.report().state, 'agrees');
  const shares = () => balancer.report().services[0]!.backends.map(({ wanted, actual }) => [wanted, actual]);
  assert.ok(shares().every(([wanted, actual]) => wanted === 0.5 && Math.abs(actual! - 0.5) < 0.01));
  nft.calls = [];
  balancer.want(services('serves', 'serves'));
  await settled();
  assert.deepEqual(nft.calls, []);
  balancer.want(services('serves', 'gone'));
  await settled();
  assert.deepEqual(nft.calls, ['change', 'list']);
  assert.deepEqual(shares(), [
    [1, 1],
    [0, 0],
  ]);
  assert.deepEqual(nft.holders!.get('s0_gone')!.elements, ['10.0.0.2 . 5301']);
  assert.deepEqual(
    timers.map(({ ms }) => ms),
    [5000],
  );
  await balancer.close();
  assert.equal(nft.holders, null);
  assert.equal(timers.length, 0);
});

test('changes that come while one is under way become one', async () => {
  const { balancer, nft, settled } = start();
  balancer.want(services('serves', 'serves'));
  for (let i = 0; i < 5; i++) balancer.want(services('serves', i % 2 === 0 ? 'gone' : 'drains'));
  await settled();
  assert.deepEqual(nft.calls, ['list', 'full', 'list', 'change', 'list']);
  assert.equal(balancer.report().services[0]!.backends[1]!.actual, 0);
});

test('what somebody else changes is put right, and told', async () => {
  const { balancer, nft, timers, notices, settled } = start();
  balancer.want(services('serves', 'serves'));
  await settled();
  for (const spoil of [
    () => nft.holders!.get('s0_address')!.elements.pop(),
    () => {
      nft.rules = 'accept everything';
    },
    () => {
      nft.holders = null;
    },
  ]) {
    spoil();
    notices.length = 0;
    timers.shift()!.then();
    await settled();
    assert.equal(notices.length, 1);
    assert.equal(nft.holders!.get('s0_address')!.elements.length, 251);
    assert.match(nft.rules, /dnat/);
  }
  // A change that meets no table writes the whole of it.
  nft.holders = null;
  balancer.want(services('serves', 'gone'));
  await settled();
  assert.equal(balancer.report().state, 'agrees');
});

test('refusals are told with a remedy, and tried again', async () => {
  for (const [refuse, code] of [
    [{ code: null, stdout: '', stderr: 'spawn nft ENOENT' }, 'LAYER4_NO_PROGRAM'],
    [
      { code: 1, stdout: '', stderr: 'netlink: Error: Operation not permitted (you must be root)' },
      'LAYER4_PERMISSION',
    ],
    [{ code: 1, stdout: '', stderr: 'Error: syntax error' }, 'LAYER4_REFUSED'],
    [{ code: 0, stdout: 'hello', stderr: '' }, 'LAYER4_REFUSED'],
  ] as const) {
    const { balancer, nft, timers, notices, settled } = start();
    nft.refuse = refuse;
    balancer.want(services('serves'));
    await settled();
    const { state, problem } = balancer.report();
    assert.equal(state, 'failed');
    assert.equal(problem?.code, code);
    assert.doesNotMatch(`${problem?.message} ${problem?.remedy}`, /\{\w+\}/);
    timers.shift()!.then();
    await settled();
    assert.equal(notices.filter(notice => !notice.includes('ip_forward')).length, 1);
    assert.deepEqual(
      timers.map(({ ms }) => ms),
      [1000],
    );
    nft.refuse = null;
    timers.shift()!.then();
    await settled();
    assert.equal(balancer.report().state, 'agrees');
  }
});

test('`at-stop: keep` leaves the table', async () => {
  const { balancer, nft, settled } = start({ 'at-stop': 'keep' });
  balancer.want(services('serves'));
  await settled();
  await balancer.close();
  assert.ok(nft.holders);
});

test('tables that were never in force are told, and once they were they count', async () => {
  let now = 0;
  const { balancer, nft, settled } = start({}, () => now);
  const refusal = { code: 1, stdout: '', stderr: 'Error: syntax error' };
  nft.refuse = refusal;
  balancer.want(services('serves'));
  await settled();
  assert.equal(balancer.inForce, false);
  assert.equal(balancer.helplessness, null, 'it may only be late');
  now = 5000;
  assert.match(balancer.helplessness ?? '', /syntax error/);
  nft.refuse = null;
  balancer.want(services('serves', 'serves'));
  await settled();
  assert.equal(balancer.inForce, true);
  nft.refuse = refusal;
  balancer.want(services('serves'));
  await settled();
  now = 60_000;
  assert.equal(balancer.helplessness, null, 'the kernel goes on with what it has');
});

test('a reload leaves no table behind, and takes none away that the next one replaces', async () => {
  for (const [change, stays] of [
    [null, false],
    [{ name: 'other' }, false],
    [{ 'data-plane': 'ipvs' }, false],
    [{ check: '9s' }, true],
  ] as const) {
    for (const atStop of ['keep', 'remove']) {
      const raw = { 'at-stop': atStop, services: [{ address: '192.0.2.53' }] };
      const { balancer, nft, settled } = start(raw);
      balancer.want(services('serves'));
      await settled();
      await balancer.close(change && layer4Section.parse({ ...raw, ...change }));
      assert.equal(nft.holders !== null, stays, `${atStop} ${JSON.stringify(change)}`);
    }
  }
});

test('a machine that passes nothing on is warned of', async () => {
  const { balancer, notices, settled } = start();
  balancer.want(services('serves'));
  assert.match(balancer.report().warnings.join(), /net\.ipv4\.ip_forward=1/);
  await settled();
  balancer.want(services('drains'));
  await settled();
  assert.equal(notices.filter(notice => notice.includes('ip_forward')).length, 1, 'in the log, once');
});

test('the same services give the same text; only our table is named', () => {
  const text = nftWanted('dns', services('serves', 'drains')).text;
  assert.equal(nftWanted('dns', services('serves', 'drains')).text, text);
  for (const line of text.split('\n').filter(line => line.startsWith('table') || line.startsWith('delete')))
    assert.match(line, /inet chorus_dns/);
});

for (const first of [true, false])
  test(`rules that somebody flushes between our ${first ? 'first write' : 'change'} and the look at it are not taken for ours`, async () => {
    const { balancer, nft, settled } = start();
    if (!first) {
      balancer.want(services('serves', 'serves'));
      await settled();
    }
    const { run } = nft;
    let spoilt = false;
    const spoiling: typeof run = async (...call) => {
      if (call[1][0] === '-j' && !spoilt) {
        spoilt = true;
        nft.rules = '';
      }
      return await run(...call);
    };
    nft.spoil = spoiling;
    balancer.want(services('serves', 'drains'));
    await settled();
    assert.ok(spoilt);
    assert.equal(balancer.report().state, 'agrees');
    assert.match(nft.rules, /daddr 192\.0\.2\.53 udp dport 53 notrack/);
  });
