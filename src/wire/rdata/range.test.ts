/** What objects may hold is checked when they are written. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { anyDataOf, everyCodec, steady } from '#test/golden/arbitrary.ts';
import { WireError } from '../error.ts';
import { classes } from '../types.ts';
import { Writer } from '../writer.ts';
import { encodeRData, type RData } from './registry.ts';

const wild = [-1, 0.5, 2 ** 48, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY];

for (const codec of everyCodec) {
  const numbers = Object.keys(codec.fields).filter(name => {
    const [sample] = fc.sample(anyDataOf(codec), { ...steady, numRuns: 1 });
    return typeof Object.entries(sample ?? {}).find(([key]) => key === name)?.[1] === 'number';
  });
  for (const name of numbers) {
    test(`${codec.kind}: ${name} out of range is refused`, () => {
      const [sample] = fc.sample(anyDataOf(codec), { ...steady, numRuns: 1 });
      // A LOC record has signed angles.
      for (const value of codec.kind === 'LOC' ? wild.slice(1) : wild) {
        const data = { ...sample, [name]: value } as unknown as RData;
        assert.throws(
          () => encodeRData(codec.type, classes.IN, data, new Writer()),
          WireError,
          String(value),
        );
      }
    });
  }
}

const long = new Uint8Array(70_000);

test('counts and lists out of range are refused', () => {
  const cases: readonly RData[] = [
    {
      kind: 'NSEC3',
      algorithm: 1,
      flags: 0,
      iterations: 0,
      salt: new Uint8Array(256),
      next: long.slice(0, 20),
      types: [],
    },
    {
      kind: 'NSEC3',
      algorithm: 1,
      flags: 0,
      iterations: 0,
      salt: new Uint8Array(),
      next: new Uint8Array(),
      types: [],
    },
    { kind: 'NSEC', next: '.', types: [65536] },
    { kind: 'NSEC', next: `${'a'.repeat(64)}.`, types: [1] },
    { kind: 'TLSA', usage: 1, selector: 1, matching: 1, certificate: long },
    { kind: 'HIP', identity: { algorithm: 1, hit: new Uint8Array(), key: new Uint8Array(1) }, servers: [] },
    { kind: 'APL', items: [{ negated: false, family: 1, address: '192.0.2.0', prefix: 33 }] },
    { kind: 'APL', items: [{ negated: false, family: 2, address: '192.0.2.0', prefix: 3 }] },
    {
      kind: 'SVCB',
      priority: 1,
      target: '.',
      params: [
        { key: 3, value: long.slice(0, 2) },
        { key: 3, value: long.slice(0, 2) },
      ],
    },
    { kind: 'CAA', flags: 0, tag: '', value: '' },
    { kind: 'EUI48', address: '00-00' },
    { kind: 'AAAA', address: '::1::' },
    { kind: 'unknown', bytes: long },
  ];
  for (const data of cases) {
    const codec = everyCodec.find(each => each.kind === data.kind);
    assert.throws(
      () => encodeRData(codec?.type ?? 65280, classes.IN, data, new Writer()),
      WireError,
      data.kind,
    );
  }
});
