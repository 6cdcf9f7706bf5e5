import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { entryOf, keyOf, placeOf, valueFor } from './budget-keys.ts';
import {
  endOf,
  mostRows,
  readError,
  readGrant,
  readRange,
  readRenewal,
  readToken,
  readTxn,
  readWatch,
  txnRequest,
  watchRequest,
} from './etcd-messages.ts';

// Replies as etcd 3.4.23 gave them.
const header = {
  cluster_id: '14841639068965178418',
  member_id: '10276657743932975437',
  revision: '3',
  raft_term: '2',
};
const kv = {
  key: 'Zm9v',
  create_revision: '2',
  mod_revision: '3',
  version: '2',
  value: 'YmF6',
  lease: '7587899081489852426',
};
const row = { key: 'foo', value: 'baz', mod: 3, lease: '7587899081489852426' };

describe('messages of etcd', () => {
  test('leases', () => {
    assert.deepEqual(readGrant({ header, ID: '7587899081489852424', TTL: '3' }), {
      lease: '7587899081489852424',
      ttl: 3,
    });
    assert.equal(readGrant({ header, ID: '7587899081489852424' }), undefined);
    assert.equal(readRenewal({ result: { header, ID: '7587899081489852426', TTL: '3' } }), 3);
    assert.equal(readRenewal({ result: { header, ID: '12345' } }), 0, 'there is none');
    assert.equal(readRenewal({ error: { message: 'no leader' } }), undefined);
  });

  test('ranges', () => {
    assert.deepEqual(readRange({ header, kvs: [kv], count: '1' }), { revision: 3, rows: [row], more: false });
    assert.deepEqual(readRange({ header }), { revision: 3, rows: [], more: false });
    assert.deepEqual(
      readRange({ header, kvs: [{ ...kv, value: undefined, lease: undefined }], more: true }),
      {
        revision: 3,
        rows: [{ ...row, value: '', lease: '0' }],
        more: true,
      },
    );
    assert.equal(readRange({ header, kvs: [{ ...kv, mod_revision: '99999999999999999999' }] }), undefined);
    assert.equal(readRange({ header, kvs: Array.from({ length: mostRows + 1 }, () => kv) }), undefined);
  });

  test('transactions', () => {
    const change = { put: 'foo', value: 'baz', lease: '7' };
    assert.deepEqual(txnRequest({ compare: [{ key: 'foo', mod: 2 }], change, otherwise: 'a/' }), {
      compare: [{ target: 'MOD', result: 'EQUAL', key: 'Zm9v', mod_revision: '2' }],
      success: [{ request_put: { key: 'Zm9v', value: 'YmF6', lease: '7' } }],
      failure: [{ request_range: { key: 'YS8=', range_end: 'YTA=', limit: '4096' } }],
    });
    const responses = [{ response_put: { header: { revision: '3' } } }];
    assert.deepEqual(readTxn({ header, succeeded: true, responses }), { done: true, revision: 3, rows: [] });
    const others = [{ response_range: { header: { revision: '3' }, kvs: [kv], count: '1' } }];
    assert.deepEqual(readTxn({ header, responses: others }), { done: false, revision: 3, rows: [row] });
    assert.equal(readTxn({ header }), undefined);
    assert.equal(readTxn({ header, succeeded: 'yes', responses }), undefined);
  });

  test('watches', () => {
    assert.deepEqual(watchRequest('a/', 7), {
      create_request: { key: 'YS8=', range_end: 'YTA=', start_revision: '7' },
    });
    assert.deepEqual(readWatch({ result: { header, created: true } }), {
      kind: 'changes',
      revision: 3,
      changes: [],
    });
    const events = [{ kv }, { type: 'DELETE', kv: { key: 'Zm9v', mod_revision: '5' } }];
    assert.deepEqual(readWatch({ result: { header, events } }), {
      kind: 'changes',
      revision: 3,
      changes: [
        { key: 'foo', mod: 3, row },
        { key: 'foo', mod: 5, row: null },
      ],
    });
    assert.equal(readWatch({ result: { header, canceled: true, compact_revision: '4' } })?.kind, 'over');
    assert.equal(readWatch({ error: { grpc_code: 14, http_code: 503, message: 'closing' } })?.kind, 'over');
    assert.equal(readWatch({ result: { header, events: [{ kv: { key: 7 } }] } }), undefined);
  });

  test('errors and tokens', () => {
    assert.equal(readError({ error: 'a', message: 'b', code: 5 }), 'b');
    assert.equal(readError({ error: { message: 'c' } }), 'c');
    assert.equal(readError({ message: 'a\u001b[31m\n' }), 'a?[31m?');
    assert.equal(readError([]), undefined);
    assert.equal(readToken({ token: 'a.7' }), 'a.7');
    assert.equal(readToken({ token: 'a\r\nX: y' }), undefined);
  });

  test('the end of a prefix is beyond all that begins with it', () => {
    assert.equal(Buffer.from(endOf('/chorus/f/'), 'base64').toString(), '/chorus/f0');
  });

  test('whatever comes, each reader gives something of its form or undefined', () => {
    const readers = [readGrant, readRenewal, readRange, readTxn, readWatch, readToken, readError];
    fc.assert(
      fc.property(fc.jsonValue(), json => {
        for (const read of readers) {
          read(json);
          read({ header, ID: json, TTL: json, kvs: json, succeeded: json, responses: json, token: json });
          read({ result: { header, TTL: json, events: json, canceled: json, cancel_reason: json } });
        }
      }),
      { numRuns: 2000, seed: 1 },
    );
  });
});

describe('keys of the budget', () => {
  const place = { address: '2001:db8::53', member: 'fr-1.example', instance: '0123456789abcdef' };
  const entry = {
    state: 'up',
    found: 'well',
    since: 1_700_000_000_000,
    there: true,
    everybody: false,
    reason: 'well',
  } as const;

  test('are read as they were written', () => {
    const key = keyOf('f', place);
    assert.equal(key, '/chorus/f/1/2001:db8::53/fr-1.example/0123456789abcdef');
    assert.deepEqual(placeOf('f', key), place);
    assert.deepEqual(entryOf(valueFor(entry)), entry);
  });

  test('of others are nobody’s', () => {
    for (const key of [
      '/chorus/g/1/192.0.2.53/a/0123456789abcdef',
      '/chorus/f/2/192.0.2.53/a/0123456789abcdef',
      '/chorus/f/1/192.0.2.53/a/0123456789abcdef/more',
      '/chorus/f/1/192.0.2.53/a',
      '/chorus/f/1/192.0.2.53//0123456789abcdef',
      '/chorus/f/1/www/a/0123456789abcdef',
      `/chorus/f/1/192.0.2.53/${'a'.repeat(64)}/0123456789abcdef`,
    ])
      assert.equal(placeOf('f', key), undefined, key);
  });

  test('values of others say nothing', () => {
    for (const value of ['', 'null', '[]', '{}', '{"state":"up"}', valueFor(entry).replace('"up"', '"king"')])
      assert.equal(entryOf(value), undefined, value);
    assert.equal(entryOf(valueFor(entry).replace('"since":1700000000000', '"since":1e99')), undefined);
    assert.equal(entryOf(`${valueFor(entry)}${' '.repeat(5000)}`), undefined);
    assert.equal(entryOf(valueFor({ ...entry, reason: 'x\u0007\n' }))?.reason, 'x??');
  });
});
