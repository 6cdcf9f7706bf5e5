/** Replies of etcd and what is in its keys: each is understood in its form or not at all, and what is kept is bounded. */

import assert from 'node:assert/strict';
import { BudgetMachine, type StoreReply } from '#route/budget.ts';
import { entryOf, placeOf } from '#route/budget-keys.ts';
import {
  readError,
  readGrant,
  readRange,
  readRenewal,
  readToken,
  readTxn,
  readWatch,
} from '#route/etcd-messages.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

const utf8 = new TextDecoder();
const octets = (text: string) => new TextEncoder().encode(text);
const base64 = (text: string) => Buffer.from(text).toString('base64');
const address = '192.0.2.53';

/** A machine that has asked all that it asks at first; the reply goes to each. */
function tell(replies: readonly StoreReply[], line: ReturnType<typeof readWatch>): void {
  let now = 0;
  const machine = new BudgetMachine(
    {
      least: 1,
      farm: 'f',
      member: 'a',
      lease: 5000,
      whenAway: 'keep',
      window: 60_000,
      settle: 10_000,
    },
    { now: () => now, wall: () => now, random: () => 0, instance: '0123456789abcdef' },
  );
  const own = { address, reason: '', found: 'down', since: 0, asks: true, there: true } as const;
  machine.announced([{ ...own, state: 'up' }]);
  let rounds = 0;
  for (let step = machine.step(); rounds < 8; step = machine.step(), rounds++) {
    for (const { id, request } of step.ask) {
      if (request.kind === 'grant') machine.replied(id, { kind: 'granted', lease: '7', ttl: 5 });
      else if (request.kind === 'watch' && line !== undefined) machine.watched(id, line);
      else for (const reply of replies) machine.replied(id, reply);
    }
    now += 100;
  }
  assert.equal(machine.view().size, 1);
  assert.ok(JSON.stringify(machine.farm()).length < 2 ** 22);
  for (const { message } of machine.status().problems) assert.doesNotMatch(message, /\p{C}/u);
}

function judge(input: Uint8Array): boolean {
  const text = utf8.decode(input);
  const place = placeOf('f', text);
  if (place !== undefined) assert.ok(place.address.length <= 45 && place.member.length <= 63);
  const entry = entryOf(text);
  if (entry !== undefined) assert.ok(entry.reason.length <= 200);
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return entry !== undefined || place !== undefined;
  }
  const said = readError(json);
  if (said !== undefined) assert.ok(said.length <= 200);
  readGrant(json);
  readToken(json);
  const renewal = readRenewal(json);
  const range = readRange(json);
  const txn = readTxn(json);
  const line = readWatch(json);
  const replies: StoreReply[] = [
    ...(renewal === undefined ? [] : [{ kind: 'renewed', ttl: renewal } as const]),
    ...(range === undefined ? [] : [{ kind: 'listed', ...range } as const]),
    ...(txn === undefined ? [] : [{ kind: 'written', ...txn } as const]),
  ];
  tell(replies, line);
  return true;
}

const header = { cluster_id: '1', revision: '9', raft_term: '2' };
const value = '{"state":"up","found":"well","since":1,"there":true,"everybody":false,"reason":"well"}';
const kv = {
  key: base64(`/chorus/f/1/${address}/b/0123456789abcdef`),
  value: base64(value),
  mod_revision: '8',
  lease: '5',
};
const seeds = [
  value,
  `/chorus/f/1/${address}/b/0123456789abcdef`,
  JSON.stringify({ header, kvs: [kv], count: '1' }),
  JSON.stringify({ header, responses: [{ response_range: { header, kvs: [kv] } }] }),
  JSON.stringify({ header, succeeded: true, responses: [{ response_put: { header } }] }),
  JSON.stringify({ result: { header, ID: '7', TTL: '5' } }),
  JSON.stringify({ result: { header, events: [{ kv }, { type: 'DELETE', kv }] } }),
  JSON.stringify({ result: { header, canceled: true, compact_revision: '4' } }),
  JSON.stringify({ error: { message: 'etcdserver: no leader', grpc_code: 14 } }),
  JSON.stringify({ header, token: 'abc.1' }),
];

export const etcd: Target = {
  name: 'etcd',
  seeds: () => seeds.map(octets),
  words: [
    ...['null', 'true', '-1', '1e99', '"9999999999999999999"', '{}', '[]', '""', '"MQ=="', '\\u0000', '/'],
    ...['"type":"DELETE"', '"state":"down"', '"found":"down"', '"everybody":true', '"mod_revision":"1"'],
    ...['"revision":"1"', '"TTL":"0"', '"more":true', '"kvs":', '"events":', '"canceled":true'],
  ].map(octets),
  judge,
};

export const fuzz = (options: FuzzOptions): FuzzResult => fuzzTarget(etcd, options);
