/** A BGP session: whatever a peer sends, in whatever pieces, it goes on; what it sends itself can be read. */

import assert from 'node:assert/strict';
import { ourOpen } from '#bgp/agreement.ts';
import { decodeMessage, encodeMessage } from '#bgp/message.ts';
import { Session, type SessionAction, type SessionOptions } from '#bgp/session.ts';
import { fromHex } from '#test/golden/golden.ts';
import { bgp } from './bgp.ts';
import { corpusOf, type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

const options: SessionOptions = {
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
const open = encodeMessage(ourOpen({ ...options, localAs: 65000, peerAs: 65001, routerId: '10.0.0.1' }));
const keepalive = encodeMessage({ kind: 'keepalive' });
const plain = { med: 0, localPreference: null, communities: [], largeCommunities: [], prepend: 0 };
const routes = [
  { ...plain, prefix: { address: '192.0.2.53', bits: 32 } },
  { ...plain, prefix: { address: '2001:db8::53', bits: 128 } },
];

/** The first octet says in which state the rest, the stream of the peer, meets the session, and how it is cut. */
function judge(input: Uint8Array): boolean {
  const choice = input[0] ?? 0;
  const session = new Session(options, bound => choice % bound);
  let now = 0;
  let sent = 0;
  const note = (actions: readonly SessionAction[]): void => {
    for (const action of actions) {
      if (action.kind !== 'send') continue;
      sent += action.bytes.length;
      decodeMessage(action.bytes, { fourOctetAs: true, internal: false, keepPrefixes: true });
    }
  };
  const step = (event: Parameters<Session['step']>[0]): void => {
    note(session.step(event, now));
    for (let ticks = 0; session.due <= now; ticks++) {
      assert.ok(ticks < 20, 'it asks for the same time again and again');
      note(session.step({ kind: 'tick' }, now));
    }
  };
  step({ kind: 'start' });
  step({ kind: 'want', routes });
  const link = choice & 4 ? session.newLink() : 1;
  if (choice & 4) step({ kind: 'accepted', link, local: '10.0.0.2' });
  else step({ kind: 'connected', link, local: '10.0.0.2' });
  if (choice & 1) step({ kind: 'received', link, bytes: open });
  if ((choice & 3) === 3) step({ kind: 'received', link, bytes: keepalive });
  const stream = input.subarray(1);
  const size = 1 + (choice >> 3) * 7;
  for (let at = 0; at < stream.length; at += size) {
    now += 1;
    step({ kind: 'received', link, bytes: stream.subarray(at, at + size) });
  }
  assert.ok(sent < 65_536, `${sent} octets wait for a peer that takes none`);
  const { state, counts } = session.report(now);
  now += 60_000;
  step({ kind: 'tick' });
  assert.notEqual(session.report(now).state, 'established');
  step({ kind: 'stop', reason: 'end' });
  assert.equal(session.due, Infinity);
  return state === 'established' || counts.received > ((choice & 3) === 3 ? 2 : choice & 1);
}

export const bgpSession: Target = {
  name: 'bgp-session',
  seeds() {
    const messages = [...corpusOf('bgp').values(), ...bgp.seeds()].map(seed => seed.subarray(1));
    return messages.flatMap((message, i) => [
      Uint8Array.from([3 | ((i % 30) << 3), ...message]),
      Uint8Array.from([7, ...message, ...message]),
      Uint8Array.from([0, ...open, ...keepalive, ...message]),
    ]);
  },
  words: [...bgp.words, open, keepalive, fromHex('ffffffffffffffffffffffffffffffff00170500010001')],
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(bgpSession, options);
}
