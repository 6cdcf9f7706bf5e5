/** The npm package dns-packet as an independent judge, in both directions, for the types it knows. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import dnsPacket from 'dns-packet';
import * as fc from 'fast-check';
import { anyDataOf, everyCodec, steady } from '#test/golden/arbitrary.ts';
import { fromHex, goldenMessages, toHex } from '#test/golden/golden.ts';
import { decodeMessage, encodeMessage, query, type RData, type ResourceRecord, reply } from './message.ts';
import { typeBitmap } from './rdata/bitmap.ts';
import * as field from './rdata/field.ts';
import { classes, opcodeName, rcodeName, typeName, types } from './types.ts';

const noDot = (name: string) => (name === '.' ? '.' : name.slice(0, -1));
const buffer = (bytes: Uint8Array) => Buffer.from(bytes);
const names = (codes: readonly number[]) => codes.map(typeName);

/** Our data as dns-packet writes it; undefined for types that it does not know. */
function theirs(data: RData): unknown {
  switch (data.kind) {
    case 'A':
    case 'AAAA':
      return data.address;
    case 'NS':
    case 'CNAME':
    case 'DNAME':
    case 'PTR':
      return noDot(data.target);
    case 'SOA': {
      const { primary, mailbox, serial, refresh, retry, expire, minimum } = data;
      return { mname: noDot(primary), rname: noDot(mailbox), serial, refresh, retry, expire, minimum };
    }
    case 'MX':
      return { preference: data.preference, exchange: noDot(data.exchange) };
    case 'TXT':
      return data.strings.map(text => Buffer.from(text, 'latin1'));
    case 'SRV':
      return { priority: data.priority, weight: data.weight, port: data.port, target: noDot(data.target) };
    case 'HINFO':
      return { cpu: data.cpu, os: data.os };
    case 'CAA':
      return { flags: data.flags, tag: data.tag, value: data.value, issuerCritical: data.flags >= 128 };
    case 'RP':
      return { mbox: noDot(data.mailbox), txt: noDot(data.text) };
    case 'NAPTR': {
      const { order, preference, flags, services, regexp, replacement } = data;
      return { order, preference, flags, services, regexp, replacement: noDot(replacement) };
    }
    case 'DS': {
      const { keyTag, algorithm, digestType, digest } = data;
      return { keyTag, algorithm, digestType, digest: buffer(digest) };
    }
    case 'DNSKEY':
      return { flags: data.flags, algorithm: data.algorithm, key: buffer(data.key) };
    case 'RRSIG': {
      const { algorithm, labels, expiration, inception, keyTag } = data;
      const rest = { algorithm, labels, expiration, inception, keyTag, originalTTL: data.originalTtl };
      const signed = { signersName: noDot(data.signer), signature: buffer(data.signature) };
      return { typeCovered: typeName(data.typeCovered), ...rest, ...signed };
    }
    case 'NSEC':
      return { nextDomain: noDot(data.next), rrtypes: names(data.types) };
    case 'NSEC3': {
      const { algorithm, flags, iterations, salt, next } = data;
      return {
        algorithm,
        flags,
        iterations,
        salt: buffer(salt),
        nextDomain: buffer(next),
        rrtypes: names(data.types),
      };
    }
    case 'SSHFP': {
      const fingerprint = toHex(data.fingerprint).toUpperCase();
      return { algorithm: data.algorithm, hash: data.hash, fingerprint };
    }
    case 'TLSA': {
      const { usage, selector, matching, certificate } = data;
      return { usage, selector, matchingType: matching, certificate: buffer(certificate) };
    }
    default:
      return undefined;
  }
}

const label = fc.stringMatching(/^[a-z0-9-]{1,12}$/);
const plainName = fc.array(label, { minLength: 1, maxLength: 4 }).map(labels => `${labels.join('.')}.`);
const plainText = fc.string({ unit: 'grapheme-ascii', maxLength: 60 });
const knownType = fc.constantFrom(
  types.A,
  types.NS,
  types.SOA,
  types.MX,
  types.TXT,
  types.AAAA,
  types.RRSIG,
  types.CAA,
);

/** What dns-packet can hold: names and texts in ASCII, types with a name, digests that are there. */
const narrow = new Map<unknown, fc.Arbitrary<unknown>>([
  [field.compressedName, plainName],
  [field.tolerantName, plainName],
  [field.plainName, plainName],
  [field.string, plainText],
  [field.stringRest, plainText],
  [
    field.strings,
    fc.array(
      plainText.filter(text => text !== ''),
      { minLength: 1, maxLength: 4 },
    ),
  ],
  [field.rrType, knownType],
  [typeBitmap, fc.uniqueArray(knownType, { minLength: 1 }).map(list => list.sort((a, b) => a - b))],
  [field.base64Rest, fc.uint8Array({ minLength: 1, maxLength: 40 })],
]);

/** The data with what dns-packet holds to one value set to it. */
function holdable(data: RData): RData {
  if (data.kind === 'DNSKEY') return { ...data, protocol: 3 };
  if (data.kind === 'CAA') return { ...data, flags: data.flags & 128 };
  if (data.kind === 'SSHFP')
    return { ...data, hash: 1, fingerprint: new Uint8Array(20).fill(data.algorithm) };
  return data;
}

for (const codec of everyCodec) {
  const record = fc.tuple(plainName, anyDataOf(codec, narrow)).map(([name, data]): ResourceRecord => {
    return { name, type: codec.type, class: classes.IN, ttl: 300, data: holdable(data) };
  });
  const [sample] = fc.sample(record, { ...steady, numRuns: 1 });
  if (!sample || theirs(sample.data) === undefined) continue;

  test(`${codec.kind}: dns-packet reads what is written here, and writes what is read here`, () => {
    fc.assert(
      fc.property(record, record, (first, second) => {
        const answers = [first, second];
        const message = reply(query(first.name, codec.type, { id: 77 }), { answers, aa: true });
        const read = dnsPacket.decode(buffer(encodeMessage(message)));
        assert.equal(read.id, 77);
        const expected = answers.map(({ name, data }) => ({ name: noDot(name), data: theirs(data) }));
        const got = (read.answers ?? []).map(answer => ({
          name: answer.name,
          data: 'data' in answer ? answer.data : 0,
        }));
        assert.deepEqual(JSON.parse(JSON.stringify(got)), JSON.parse(JSON.stringify(expected)));

        const list = answers.map(({ name, data }) => {
          return { name: noDot(name), type: codec.kind, class: 'IN', ttl: 300, data: theirs(data) };
        });
        const written = dnsPacket.encode({
          type: 'response',
          id: 77,
          questions: [{ name: noDot(first.name), type: codec.kind as 'A' }],
          answers: list as unknown as dnsPacket.Answer[],
        });
        assert.deepEqual(decodeMessage(written).answers, answers);
      }),
      { ...steady, numRuns: 100 },
    );
  });
}

test('dns-packet agrees on the header and the names of the golden messages', () => {
  let compared = 0;
  for (const { name, hex } of goldenMessages) {
    // It reads no records without data, which UPDATE has, and takes escapes for dots.
    if (name.startsWith('nsupdate') || name.includes('escapes')) continue;
    const ours = decodeMessage(fromHex(hex));
    const read = dnsPacket.decode(buffer(fromHex(hex)));
    assert.equal(read.id, ours.id, name);
    assert.equal(read.type, ours.qr ? 'response' : 'query', name);
    const { opcode, rcode, flag_aa, flag_tc } = read as unknown as Record<string, unknown>;
    if (ours.opcode < 3) assert.equal(opcode, opcodeName(ours.opcode), name);
    if (ours.rcode < 11) assert.equal(rcode, rcodeName(ours.rcode), name);
    assert.equal(flag_aa, ours.aa, name);
    assert.equal(flag_tc, ours.tc, name);
    assert.deepEqual(
      (read.answers ?? []).map(answer => answer.name),
      ours.answers.map(answer => noDot(answer.name)),
      name,
    );
    compared++;
  }
  assert.ok(compared > 60);
});
