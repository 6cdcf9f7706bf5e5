import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { anyDataOf, everyCodec, steady } from '#test/golden/arbitrary.ts';
import { fromHex, goldenRecords, toHex } from '#test/golden/golden.ts';
import { WireError } from '../error.ts';
import { Reader } from '../reader.ts';
import { formatRecord, parseRecord } from '../record.ts';
import { classes, types } from '../types.ts';
import { Writer } from '../writer.ts';
import { decodeRData, encodeRData, formatRData, type RData } from './registry.ts';

/** Names in lone record data are not compressed. */
function decode(type: number, bytes: Uint8Array, klass: number = classes.IN): RData {
  return decodeRData(type, klass, new Reader(bytes, 0, bytes.length, bytes.length));
}

function encode(type: number, data: RData, klass: number = classes.IN): Uint8Array {
  const to = new Writer();
  encodeRData(type, klass, data, to);
  return to.done();
}

for (const { text, hex } of goldenRecords) {
  test(`golden: ${text}`, () => {
    const record = parseRecord(text);
    assert.equal(toHex(encode(record.type, record.data, record.class)), hex);
    const data = decode(record.type, fromHex(hex), record.class);
    assert.deepEqual(data, record.data);
    assert.equal(formatRecord({ ...record, data }), text);
  });
}

for (const codec of everyCodec) {
  test(`${codec.kind} survives the way to octets, to text and to the form of RFC 3597`, () => {
    fc.assert(
      fc.property(anyDataOf(codec), data => {
        const bytes = encode(codec.type, data);
        assert.deepEqual(decode(codec.type, bytes), data);
        const record = { name: 'x.', type: codec.type, class: classes.IN, ttl: 1, data };
        assert.deepEqual(parseRecord(formatRecord(record)), record);
        const generic = `x. 1 IN TYPE${codec.type} ${formatRData({ kind: 'unknown', bytes })}`;
        assert.deepEqual(parseRecord(generic), record);
      }),
      steady,
    );
  });

  test(`${codec.kind} data of random octets is refused with WireError or survives`, () => {
    const golden = goldenRecords
      .filter(({ text }) => parseRecord(text).type === codec.type)
      .map(({ hex }) => fromHex(hex));
    const changed = fc
      .tuple(
        fc.constantFrom(...golden),
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 4 }),
        fc.nat(200),
      )
      .map(([bytes, changes, cut]) => {
        const copy = bytes.slice(0, cut);
        for (const [at, octet] of changes) if (copy.length > 0) copy[at % copy.length] = octet;
        return copy;
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), changed), bytes => {
        let data: RData;
        try {
          data = decode(codec.type, bytes);
        } catch (error) {
          assert.ok(error instanceof WireError, String(error));
          return;
        }
        assert.deepEqual(decode(codec.type, encode(codec.type, data)), data);
        const record = { name: 'x.', type: codec.type, class: classes.IN, ttl: 1, data };
        assert.deepEqual(parseRecord(formatRecord(record)), record);
      }),
      steady,
    );
  });
}

test('data that is too short, too long or of another type is refused', () => {
  assert.throws(() => decode(types.A, fromHex('c00002')), { code: 'TRUNCATED' });
  assert.throws(() => decode(types.A, fromHex('c000020100')), { code: 'RDATA' });
  assert.throws(() => encode(types.A, { kind: 'MX', preference: 1, exchange: '.' }), { code: 'RANGE' });
  assert.throws(() => encode(types.MX, { kind: 'MX', preference: 65536, exchange: '.' }), { code: 'RANGE' });
  assert.throws(() => encode(types.MX, { kind: 'MX', preference: 1.5, exchange: '.' }), { code: 'RANGE' });
  assert.throws(() => encode(types.A, { kind: 'A', address: '192.0.2' }), { code: 'RANGE' });
  assert.throws(() => encode(types.TXT, { kind: 'TXT', strings: [] }), { code: 'RANGE' });
  assert.throws(() => encode(types.TXT, { kind: 'TXT', strings: ['a'.repeat(256)] }), { code: 'RANGE' });
  assert.throws(() => encode(types.TXT, { kind: 'TXT', strings: ['€'] }), { code: 'RANGE' });
});

test('types of class IN are unknown data elsewhere, and UPDATE has records without data', () => {
  assert.deepEqual(decode(types.A, fromHex('0161000001'), classes.CH), {
    kind: 'unknown',
    bytes: fromHex('0161000001'),
  });
  const empty = { kind: 'unknown', bytes: new Uint8Array() };
  assert.deepEqual(decode(types.A, new Uint8Array(), classes.ANY), empty);
  assert.deepEqual(decode(types.MX, new Uint8Array(), classes.NONE), empty);
  assert.deepEqual(decode(types.A, fromHex('c0000201'), classes.NONE), { kind: 'A', address: '192.0.2.1' });
});

test('versions and families that are not known are kept as they are', () => {
  const loc = fromHex(`01${'00'.repeat(15)}`);
  assert.deepEqual(decode(types.LOC, loc), { kind: 'unknown', bytes: loc });
  const apl = fromHex('0003080100');
  assert.deepEqual(decode(types.APL, apl), { kind: 'unknown', bytes: apl });
});

test('names are compressed where RFC 3597 section 4 allows it, and nowhere else', () => {
  const at = (type: number) => {
    const to = new Writer(true);
    for (let i = 0; i < 12; i++) to.u8(0);
    to.name('a.example.', true);
    const before = to.at;
    return (data: RData) => {
      encodeRData(type, classes.IN, data, to);
      return to.at - before;
    };
  };
  assert.equal(at(types.NS)({ kind: 'NS', target: 'a.example.' }), 2);
  assert.equal(at(types.MX)({ kind: 'MX', preference: 1, exchange: 'b.example.' }), 6);
  assert.equal(at(types.DNAME)({ kind: 'DNAME', target: 'a.example.' }), 11);
  assert.equal(at(types.SRV)({ kind: 'SRV', priority: 0, weight: 0, port: 0, target: 'a.example.' }), 17);
});

test('compressed names are taken in the types of RFC 3597 section 4, and refused in later ones', () => {
  const message = fromHex(`${'00'.repeat(12)}016100000000000000c00c`);
  const srv = decodeRData(types.SRV, classes.IN, new Reader(message, 15, message.length));
  assert.deepEqual(srv, { kind: 'SRV', priority: 0, weight: 0, port: 0, target: 'a.' });
  const dname = () => decodeRData(types.DNAME, classes.IN, new Reader(message, 21, message.length));
  assert.throws(dname, { code: 'COMPRESSED' });
});
