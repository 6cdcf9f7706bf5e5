import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { BgpWire, type Host } from '#test/support/bgp-wire.ts';
import { type Agreement, ourOpen } from './agreement.ts';
import { BgpError } from './error.ts';
import {
  ceaseWithReason,
  decodeMessage,
  encodeMessage,
  type Message,
  notificationOf,
  type OpenMessage,
  readNotification,
} from './message.ts';
import { routeFor, Session, type SessionAction, type SessionOptions, type WantedRoute } from './session.ts';

const ours: SessionOptions = {
  localAs: 65001,
  peerAs: 65000,
  routerId: '10.0.0.2',
  holdTime: 3,
  families: ['ipv4', 'ipv6'],
  active: true,
  passive: true,
  nextHop: { ipv4: null, ipv6: '2001:db8::2' },
  refuseStale: false,
};
const theirs: SessionOptions = { ...ours, localAs: 65000, peerAs: 65001, routerId: '10.0.0.1', holdTime: 9 };

function route(address: string, more: Partial<WantedRoute> = {}): WantedRoute {
  const bits = address.includes(':') ? 128 : 32;
  return {
    prefix: { address, bits },
    med: 0,
    localPreference: null,
    communities: [],
    largeCommunities: [],
    prepend: 0,
    ...more,
  };
}

function pair(more: Partial<SessionOptions> = {}, other: Partial<SessionOptions> = {}, seed = 1) {
  const wire = new BgpWire(seed);
  const us = wire.host('10.0.0.2', { ...ours, ...more });
  const peer = wire.host('10.0.0.1', { ...theirs, ...other });
  return { wire, us, peer };
}

function read(bytes: Uint8Array): Message {
  return decodeMessage(bytes, { fourOctetAs: true, internal: false, keepPrefixes: true });
}

function kinds(host: Host, from = 0): string[] {
  return host.sent.slice(from).map(({ bytes }) => read(bytes).kind);
}

/** The last NOTIFICATION that a host sent: code/subcode. */
function lastNotification(host: Host): string {
  const found = host.sent.map(({ bytes }) => read(bytes)).filter(({ kind }) => kind === 'notification');
  const last = found.at(-1);
  return last?.kind === 'notification' ? `${last.code}/${last.subcode}` : 'none';
}

function start(...hosts: readonly Host[]): void {
  for (const host of hosts) host.step({ kind: 'start' });
}

test('a session comes up, routes are sent and the end of them told', () => {
  const { wire, us, peer } = pair();
  us.step({ kind: 'want', routes: [route('192.0.2.53'), route('2001:db8::53')] });
  start(us, peer);
  wire.run(2_000);
  assert.equal(us.state, 'established');
  assert.equal(peer.state, 'established');
  assert.deepEqual(us.routes, ['192.0.2.53', '2001:db8::53']);
  assert.equal(us.session.report(wire.now).agreement?.holdTime, 3);
  assert.equal(peer.session.report(wire.now).counts.dropped, 2);
});

test('for every seed both connect at once and one session stays', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.boolean(), fc.boolean(), (seed, higher, same) => {
      const peerId = higher ? '10.0.0.9' : '10.0.0.1';
      const { wire, us, peer } = pair({}, { routerId: same ? ours.routerId : peerId }, seed);
      start(us, peer);
      wire.run(5_000);
      assert.equal(us.state, 'established');
      assert.equal(peer.state, 'established');
      const before = us.session.report(wire.now).counts.sessions;
      wire.run(60_000);
      assert.equal(us.session.report(wire.now).counts.sessions, before, 'it is stable');
      assert.equal([...us.cables.values()].filter(({ open }) => open).length, 1);
    }),
    { numRuns: 100 },
  );
});

test('when two connections meet, the one that the higher identifier opened stays (RFC 4271 6.8)', () => {
  for (const [peerId, out] of [
    ['10.0.0.9', false],
    ['10.0.0.1', true],
  ] as const) {
    const session = new Session(ours, () => 0);
    const open = encodeMessage(ourOpen({ ...theirs, routerId: peerId }));
    session.step({ kind: 'start' }, 0);
    session.step({ kind: 'connected', link: 1, local: '10.0.0.2' }, 1);
    const second = session.newLink();
    session.step({ kind: 'accepted', link: second, local: '10.0.0.2' }, 2);
    session.step({ kind: 'received', link: 1, bytes: open }, 3);
    const actions = session.step({ kind: 'received', link: second, bytes: open }, 4);
    const ended = actions.find(({ kind }) => kind === 'end');
    assert.equal(ended?.link, out ? second : 1);
    const told = actions.flatMap(action => (action.kind === 'send' ? [read(action.bytes)] : []));
    assert.ok(told.some(message => message.kind === 'notification' && message.subcode === 7));
  }
});

test('changes are sent as they are, and nothing twice', () => {
  const { wire, us, peer } = pair({ active: true, passive: false }, { active: false });
  start(us, peer);
  wire.run(500);
  const from = () => us.sent.length;
  let at = from();
  us.step({ kind: 'want', routes: [route('192.0.2.53')] });
  us.step({ kind: 'want', routes: [route('192.0.2.53')] });
  assert.deepEqual(kinds(us, at), ['update']);
  wire.run(20);
  assert.deepEqual(us.routes, ['192.0.2.53']);
  at = from();
  us.step({ kind: 'want', routes: [route('192.0.2.53', { med: 100 }), route('192.0.2.54', { med: 100 })] });
  assert.deepEqual(kinds(us, at), ['update'], 'one message for both');
  at = from();
  us.step({ kind: 'want', routes: [] });
  const [gone] = us.sent.slice(at).map(({ bytes }) => read(bytes));
  assert.ok(gone?.kind === 'update' && gone.withdrawn.length === 2);
  wire.run(20);
  assert.deepEqual(us.routes, []);
});

test('a route counts as announced when the stream has taken it, and not after the session', () => {
  const { wire, us, peer } = pair({ passive: false }, { active: false });
  start(us, peer);
  wire.run(500);
  us.step({ kind: 'want', routes: [route('192.0.2.53')] });
  assert.deepEqual(us.routes, []);
  wire.run(5);
  assert.deepEqual(us.routes, ['192.0.2.53']);
  wire.kill(peer);
  wire.run(3);
  assert.deepEqual(us.routes, []);
  assert.equal(us.session.report(wire.now).problem?.detail, 'the peer reset the connection');
});

test('a peer that was killed and came back is told again within a second', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1e6 }), fc.integer({ min: 0, max: 120_000 }), (seed, away) => {
      const { wire, us, peer } = pair({ passive: false }, { active: false }, seed);
      us.step({ kind: 'want', routes: [route('192.0.2.53')] });
      start(us, peer);
      wire.run(1_000);
      wire.kill(peer);
      wire.run(away);
      const again = wire.host('10.0.0.1', peer.options);
      start(again);
      wire.run(1_000);
      assert.deepEqual(us.routes, ['192.0.2.53']);
      assert.equal(again.session.report(wire.now).counts.dropped, 1);
    }),
    { numRuns: 50 },
  );
});

test('a silent peer is given up after the hold time, and a stopped one finds its session gone', () => {
  const { wire, us, peer } = pair({ passive: false }, { active: false });
  start(us, peer);
  wire.run(1_000);
  peer.frozen = true;
  wire.run(3_100);
  assert.equal(lastNotification(us), '4/0');
  assert.notEqual(us.state, 'established');
  assert.match(us.session.report(wire.now).problem?.detail ?? '', /Hold Timer Expired/);
  peer.frozen = false;
  wire.run(25_000);
  assert.equal(us.state, 'established');
});

test('what was late in our own loop does not count as silence of the peer', () => {
  const session = new Session({ ...ours, passive: false }, () => 0);
  session.step({ kind: 'start' }, 0);
  session.step({ kind: 'connected', link: 1, local: '10.0.0.2' }, 1);
  session.step({ kind: 'received', link: 1, bytes: encodeMessage(ourOpen(theirs)) }, 2);
  session.step({ kind: 'received', link: 1, bytes: encodeMessage({ kind: 'keepalive' }) }, 3);
  // The loop stood still beyond the hold time; what came meanwhile is read right after the timers.
  const actions = session.step({ kind: 'tick' }, 3_500);
  assert.ok(!actions.some(({ kind }) => kind === 'end'));
  session.step({ kind: 'received', link: 1, bytes: encodeMessage({ kind: 'keepalive' }) }, 3_501);
  session.step({ kind: 'tick' }, 3_600);
  assert.equal(session.report(3_600).state, 'established');
});

test('keepalives go three times in the hold time; the peer never waits for one', () => {
  const { wire, us, peer } = pair({ passive: false }, { active: false }, 7);
  start(us, peer);
  wire.run(60_000);
  const times = us.sent.filter(({ bytes }) => read(bytes).kind === 'keepalive').map(({ at }) => at);
  assert.ok(times.length >= 60 && times.length <= 82, `${times.length} keepalives`);
  for (const [i, at] of times.slice(1).entries()) assert.ok(at - times[i]! <= 1_000);
  assert.equal(us.session.report(wire.now).counts.sessions, 1);
});

test('without timers nothing is sent and nothing ends', () => {
  const { wire, us, peer } = pair({ passive: false, holdTime: 0 }, { active: false, holdTime: 0 });
  start(us, peer);
  wire.run(1_000);
  const sent = us.sent.length;
  wire.run(3_600_000);
  assert.equal(us.state, 'established');
  assert.equal(us.sent.length, sent);
});

test('a control loop that was heard and falls silent takes its routes back; they return with it', () => {
  const { wire, us, peer } = pair({ passive: false }, { active: false });
  us.step({ kind: 'want', routes: [route('192.0.2.53')] });
  start(us, peer);
  us.step({ kind: 'beat' });
  wire.run(2_900);
  assert.deepEqual(us.routes, ['192.0.2.53']);
  wire.run(200);
  assert.deepEqual(us.routes, []);
  assert.equal(lastNotification(us), '6/8');
  wire.run(10_000);
  assert.equal(us.state, 'idle');
  us.step({ kind: 'beat' });
  wire.run(100);
  assert.deepEqual(us.routes, ['192.0.2.53']);
});

test('the end withdraws, says why, and tries no more', () => {
  const { wire, us, peer } = pair({ passive: false }, { active: false });
  us.step({ kind: 'want', routes: [route('192.0.2.53')] });
  start(us, peer);
  wire.run(500);
  const at = us.sent.length;
  us.step({ kind: 'stop', reason: 'drained by Zoë' });
  const [update, notification] = us.sent.slice(at).map(({ bytes }) => read(bytes));
  assert.ok(update?.kind === 'update' && update.withdrawn.length === 1);
  assert.ok(notification?.kind === 'notification');
  assert.equal(readNotification(notification).words, 'drained by Zoë');
  wire.run(10);
  assert.match(
    peer.session.report(wire.now).problem?.detail ?? '',
    /Administrative Shutdown “drained by Zoë”/,
  );
  wire.run(60_000);
  assert.equal(us.state, 'idle');
  assert.equal(us.actions.filter(({ kind }) => kind === 'connect').length, 1);
});

test('who is refused tries ever less often, but soon where nothing listens', () => {
  const wrong = pair({ passive: false, peerAs: 64999 }, { active: false });
  start(wrong.us, wrong.peer);
  wrong.wire.run(600_000);
  const attempts = wrong.us.actions.filter(({ kind }) => kind === 'connect').length;
  assert.ok(attempts > 40 && attempts < 110, `${attempts} attempts in 10 minutes`);
  assert.equal(wrong.us.session.report(wrong.wire.now).problem?.kind, 'wrong-as');
  assert.equal(lastNotification(wrong.us), '2/2');
  const { wire, us } = pair({ passive: false }, { active: false, passive: false });
  start(us);
  wire.run(60_000);
  const soon = us.actions.filter(({ kind }) => kind === 'connect').length;
  assert.ok(soon > 100 && soon < 250, `${soon} attempts in a minute`);
  assert.deepEqual(us.session.report(wire.now).problem, {
    kind: 'unreachable',
    detail: 'connection refused',
  });
});

test('a connection that nobody answers is tried anew', () => {
  const { wire, us, peer } = pair({ passive: false }, { active: false });
  wire.cut = true;
  start(us, peer);
  wire.run(60_000);
  assert.equal(us.session.report(wire.now).problem?.detail, 'no answer');
  wire.cut = false;
  wire.run(2_000);
  assert.equal(us.state, 'established');
});

test('a cut cable ends the session at both ends, and its mending brings it back', () => {
  const { wire, us, peer } = pair({ passive: false }, { active: false });
  us.step({ kind: 'want', routes: [route('192.0.2.53')] });
  start(us, peer);
  wire.run(1_000);
  wire.cut = true;
  wire.run(5_000);
  assert.notEqual(us.state, 'established');
  assert.notEqual(peer.state, 'established');
  wire.cut = false;
  wire.run(4_000);
  assert.deepEqual(us.routes, ['192.0.2.53']);
});

/** A session of ours with a peer that is played here. */
class Played {
  readonly session: Session;
  now = 0;
  link = 1;
  readonly heard: Message[] = [];
  readonly actions: SessionAction[] = [];
  constructor(more: Partial<SessionOptions> = {}) {
    this.session = new Session({ ...ours, passive: false, ...more }, () => 0);
    this.#note(this.session.step({ kind: 'start' }, 0));
    this.#note(this.session.step({ kind: 'connected', link: 1, local: '10.0.0.2' }, 1));
  }
  #note(actions: readonly SessionAction[]): void {
    this.actions.push(...actions);
    for (const action of actions) if (action.kind === 'send') this.heard.push(read(action.bytes));
  }
  say(bytes: Uint8Array): this {
    this.#note(this.session.step({ kind: 'received', link: this.link, bytes }, ++this.now));
    return this;
  }
  up(open: Partial<OpenMessage> = {}): this {
    return this.say(encodeMessage({ ...ourOpen(theirs), ...open })).say(encodeMessage({ kind: 'keepalive' }));
  }
  want(...routes: WantedRoute[]): this {
    this.#note(this.session.step({ kind: 'want', routes }, ++this.now));
    return this;
  }
  take(total: number): this {
    this.#note(this.session.step({ kind: 'taken', link: this.link, total }, ++this.now));
    return this;
  }
  tick(now: number): this {
    this.now = now;
    this.#note(this.session.step({ kind: 'tick' }, now));
    return this;
  }
  get told(): string {
    const last = this.heard.at(-1);
    return last?.kind === 'notification' ? `${last.code}/${last.subcode} ${last.data}`.trim() : 'nothing';
  }
  get problem(): string {
    const { problem } = this.session.report(this.now);
    return problem ? `${problem.kind}: ${problem.detail}` : 'none';
  }
}

test('errors get their NOTIFICATION, and the operator its reason', () => {
  const open = (more: Partial<OpenMessage>) => encodeMessage({ ...ourOpen(theirs), ...more });
  const capabilities = ourOpen(theirs).capabilities;
  const long = (as: number) => [
    ...capabilities.filter(({ kind }) => kind !== 'four-octet-as'),
    { kind: 'four-octet-as', as } as const,
  ];
  const without = (...left: string[]) => capabilities.filter(({ kind }) => !left.includes(kind));
  const cases: readonly (readonly [Uint8Array, string, string])[] = [
    [open({ capabilities: long(64999) }), '2/2', 'wrong-as: AS 64999 instead of 65000'],
    [
      open({ as: 64999, capabilities: without('four-octet-as') }),
      '2/2',
      'wrong-as: AS 64999 instead of 65000',
    ],
    [open({ capabilities: long(0) }), '2/2', 'wrong-as: AS 0 instead of 65000'],
    [open({ routerId: '0.0.0.0' }), '2/3', 'bad-identifier: it is 0.0.0.0'],
    [open({ holdTime: 2 }), '2/6', 'hold-time: 2 s'],
    [open({ holdTime: 0 }), '2/6', 'hold-time: 0 s'],
    [
      open({
        capabilities: [{ kind: 'multiprotocol', afi: 1, safi: 128 } as const, ...long(65000)].filter(
          each => each.kind !== 'multiprotocol' || each.safi === 128,
        ),
      }),
      '2/7 010400010001010400020001',
      'no-family: the peer offers no family that is spoken here',
    ],
    [
      encodeMessage({ kind: 'keepalive' }),
      '5/1',
      'ended: Finite State Machine Error: Unexpected Message in OpenSent State: keepalive',
    ],
    [
      new Uint8Array(19),
      '1/1',
      'ended: Message Header Error: Connection Not Synchronized: the marker is not all ones',
    ],
  ];
  for (const [bytes, told, problem] of cases) {
    const played = new Played().say(bytes);
    assert.equal(played.told, told);
    assert.equal(played.problem, problem);
    assert.ok(played.actions.some(({ kind }) => kind === 'end'));
  }
});

test('messages out of turn', () => {
  const open = encodeMessage(ourOpen(theirs));
  const refresh = encodeMessage({ kind: 'route-refresh', afi: 1, safi: 1, subtype: 0 });
  assert.equal(new Played().say(open).say(open).told, '5/2');
  assert.equal(new Played().say(open).say(refresh).told, '5/2');
  assert.equal(new Played().up().say(open).told, '5/3');
});

test('an identifier like ours is refused within our AS, and taken from another (RFC 6286)', () => {
  const same = { routerId: ours.routerId };
  assert.equal(new Played().up(same).session.report(9).state, 'established');
  const inner = new Played({ peerAs: 65001 });
  inner.say(encodeMessage({ ...ourOpen({ ...theirs, localAs: 65001 }), ...same }));
  assert.equal(inner.told, '2/3');
});

test('updates of the peer are counted and dropped, wrong attributes too; what cannot be read ends the session', () => {
  const update = (hex: string) => {
    const body = Uint8Array.from(Buffer.from(hex, 'hex'));
    return Uint8Array.from([...new Array<number>(16).fill(255), 0, 19 + body.length, 2, ...body]);
  };
  const played = new Played().up();
  played.say(update('0000000e400101034002004003040a00000120c0000201'));
  const { counts, state } = played.session.report(9);
  assert.deepEqual([counts.dropped, counts.faults, state], [1, 1, 'established']);
  played.say(update('0000000021'));
  assert.equal(played.told, '3/10');
});

test('the peer’s words at the end of a session are told', () => {
  const bytes = encodeMessage(notificationOf(ceaseWithReason(2, 'maintenance until 6')));
  const played = new Played().up().say(bytes);
  assert.equal(played.problem, 'told: Cease: Administrative Shutdown “maintenance until 6”');
  assert.ok(played.actions.some(({ kind }) => kind === 'drop'));
  const refused = new Played().say(encodeMessage(notificationOf(new BgpError(2, 2, ''))));
  assert.equal(
    refused.problem,
    'told: OPEN Message Error: Bad Peer AS (it expects another AS of us: compare local-as)',
  );
});

test('a refresh of a family sends its routes once more', () => {
  const played = new Played().up().want(route('192.0.2.53'), route('2001:db8::53'));
  const before = played.heard.length;
  played.say(encodeMessage({ kind: 'route-refresh', afi: 2, safi: 1, subtype: 0 }));
  const again = played.heard.slice(before);
  assert.equal(again.length, 1);
  assert.ok(again[0]?.kind === 'update' && again[0].reach?.family === 'ipv6');
  // Begin and end of one of its own (RFC 7313), and other families, mean nothing to who accepts nothing.
  played.say(encodeMessage({ kind: 'route-refresh', afi: 2, safi: 1, subtype: 1 }));
  played.say(encodeMessage({ kind: 'route-refresh', afi: 25, safi: 70, subtype: 0 }));
  assert.equal(played.heard.length, before + 1);
});

test('graceful restart of the peer is reported, or refused', () => {
  const capabilities = [
    ...ourOpen(theirs).capabilities,
    {
      kind: 'graceful-restart',
      restarted: false,
      notification: true,
      time: 120,
      families: [{ afi: 1, safi: 1, forwarding: true }],
    } as const,
    {
      kind: 'long-lived-graceful-restart',
      families: [{ afi: 1, safi: 1, forwarding: false, time: 3600 }],
    } as const,
  ];
  const played = new Played().up({ capabilities });
  assert.deepEqual(played.session.report(9).agreement?.stale, {
    time: 120,
    forwarding: ['ipv4'],
    longLived: 3600,
  });
  const refused = new Played({ refuseStale: true }).up({ capabilities });
  assert.equal(refused.told, '6/5');
  assert.match(refused.problem, /^stale-routes/);
  // Without a family it only means that the end of routes is understood.
  const aware = [...ourOpen(theirs).capabilities, { ...capabilities.at(-2)!, families: [] }] as const;
  assert.equal(
    new Played({ refuseStale: true }).up({ capabilities: aware as OpenMessage['capabilities'] }).told,
    'nothing',
  );
});

test('a peer that takes nothing is given up (RFC 9687), and gets only the latest when it takes again', () => {
  const played = new Played().up();
  for (let round = 0; round < 1_000; round++) {
    played.want(
      route('192.0.2.53', { med: round, communities: Array.from({ length: 32 }, (_, i) => `1:${i}`) }),
    );
  }
  const octets = played.actions.reduce(
    (sum, action) => sum + (action.kind === 'send' ? action.bytes.length : 0),
    0,
  );
  assert.ok(octets < 40_000, `${octets} octets wait`);
  assert.deepEqual(played.session.report(played.now).routes, []);
  const before = played.heard.length;
  played.take(octets);
  const last = played.heard.at(-1);
  assert.equal(played.heard.length, before + 1);
  assert.ok(last?.kind === 'update' && last.attributes.med === 999);
  const keepalive = encodeMessage({ kind: 'keepalive' });
  for (let second = 2; second < 30 && played.told === 'nothing'; second++) {
    played.tick(second * 1_000).say(keepalive);
  }
  assert.equal(played.told, '8/0');
});

test('a peer that floods refreshes makes no memory grow', () => {
  const played = new Played().up().want(...Array.from({ length: 100 }, (_, i) => route(`192.0.2.${i}`)));
  const refresh = encodeMessage({ kind: 'route-refresh', afi: 1, safi: 1, subtype: 0 });
  for (let round = 0; round < 5_000; round++) played.say(refresh);
  const octets = played.actions.reduce(
    (sum, action) => sum + (action.kind === 'send' ? action.bytes.length : 0),
    0,
  );
  assert.ok(octets < 40_000, `${octets} octets wait`);
});

const agreement: Agreement = {
  peerAs: 65000,
  peerId: '10.0.0.1',
  internal: false,
  fourOctetAs: true,
  holdTime: 3,
  families: ['ipv4', 'ipv6'],
  extendedNextHop: false,
  routeRefresh: true,
  stale: null,
};

test('what a route becomes towards another AS, and within ours', () => {
  const wanted = route('192.0.2.53', { med: 7, localPreference: 200, prepend: 2 });
  const outer = routeFor(wanted, agreement, '10.0.0.2', ours);
  assert.ok(typeof outer === 'object');
  assert.deepEqual(
    [outer.asPath, outer.localPreference, outer.med, outer.nextHop],
    [[65001, 65001, 65001], null, 7, '10.0.0.2'],
  );
  const inner = routeFor(wanted, { ...agreement, internal: true }, '10.0.0.2', ours);
  assert.ok(typeof inner === 'object');
  assert.deepEqual([inner.asPath, inner.localPreference], [[], 200]);
  const plain = routeFor(route('192.0.2.53'), { ...agreement, internal: true }, '10.0.0.2', ours);
  assert.ok(typeof plain === 'object' && plain.localPreference === 100);
});

test('next hops over sessions of either family', () => {
  const hop = (address: string, local: string, more: Partial<Agreement>, nextHop = ours.nextHop) => {
    const found = routeFor(route(address), { ...agreement, ...more }, local, { ...ours, nextHop });
    return typeof found === 'string' ? found : found.nextHop;
  };
  const none = { ipv4: null, ipv6: null };
  assert.equal(hop('192.0.2.53', '10.0.0.2', {}, none), '10.0.0.2');
  assert.equal(hop('2001:db8::53', '2001:db8::2', {}, none), '2001:db8::2');
  assert.match(hop('2001:db8::53', '10.0.0.2', {}, none), /set next-hop-ipv6/);
  assert.match(hop('192.0.2.53', '2001:db8::2', {}, none), /set next-hop-ipv4/);
  assert.equal(hop('192.0.2.53', '2001:db8::2', { extendedNextHop: true }, none), '2001:db8::2');
  assert.match(hop('2001:db8::53', 'fe80::2', {}, none), /set next-hop-ipv6/);
  const six = { ipv4: '2001:db8::9', ipv6: null };
  assert.equal(hop('192.0.2.53', '10.0.0.2', { extendedNextHop: true }, six), '2001:db8::9');
  assert.match(hop('192.0.2.53', '10.0.0.2', {}, six), /RFC 8950/);
  assert.match(hop('192.0.2.53', '10.0.0.2', { families: ['ipv6'] }, none), /not agreed on/);
});

test('an unfit route is told and keeps nobody waiting', () => {
  const communities = Array.from({ length: 1_500 }, (_, i) => `65000:${i}`);
  const played = new Played().up().want(route('192.0.2.53', { communities }), route('192.0.2.54'));
  const { unsent } = played.session.report(played.now);
  assert.deepEqual(
    unsent.map(({ prefix }) => prefix.address),
    ['192.0.2.53'],
  );
});

test('whatever comes in whatever order, it goes on and asks for no time in vain', () => {
  const event = fc.oneof(
    fc.record({
      kind: fc.constant('received' as const),
      link: fc.nat(4),
      bytes: fc.uint8Array({ maxLength: 60 }),
    }),
    fc.record({
      kind: fc.constant('received' as const),
      link: fc.nat(4),
      bytes: fc.constantFrom(
        encodeMessage(ourOpen(theirs)),
        encodeMessage({ kind: 'keepalive' }),
        encodeMessage({ kind: 'route-refresh', afi: 1, safi: 1, subtype: 0 }),
        encodeMessage(notificationOf(new BgpError(6, 4, ''))),
      ),
    }),
    fc.record({ kind: fc.constant('connected' as const), link: fc.nat(4), local: fc.constant('10.0.0.2') }),
    fc.record({ kind: fc.constant('accepted' as const), link: fc.nat(9), local: fc.constant('10.0.0.2') }),
    fc.record({ kind: fc.constant('closed' as const), link: fc.nat(4), reason: fc.constant('closed') }),
    fc.record({ kind: fc.constant('taken' as const), link: fc.nat(4), total: fc.nat(10_000) }),
    fc.record({
      kind: fc.constant('want' as const),
      routes: fc.subarray([route('192.0.2.53'), route('192.0.2.54', { med: 9 }), route('2001:db8::53')]),
    }),
    fc.constantFrom({ kind: 'tick' } as const, { kind: 'beat' } as const, { kind: 'start' } as const),
  );
  fc.assert(
    fc.property(fc.array(fc.tuple(event, fc.nat(4_000)), { maxLength: 60 }), events => {
      const session = new Session(ours, bound => bound - 1);
      session.step({ kind: 'start' }, 0);
      let now = 0;
      for (const [each, wait] of events) {
        now += wait;
        session.step(each, now);
        // A tick at the time that was asked for leads on.
        for (let ticks = 0; session.due <= now; ticks++) {
          assert.ok(ticks < 20, 'it asks for the same time again and again');
          session.step({ kind: 'tick' }, now);
        }
        const report = session.report(now);
        if (report.state !== 'established') assert.deepEqual(report.routes, []);
      }
      session.step({ kind: 'stop', reason: 'end' }, now);
      assert.equal(session.due, Infinity);
    }),
    { numRuns: 300 },
  );
});
