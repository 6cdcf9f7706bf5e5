import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { prefix } from '#test/golden/bgp/golden.ts';
import { formatPrefix } from './family.ts';
import { decodeMessage, type UpdateMessage } from './message.ts';
import { endOfRibFor, packUpdates, type Route } from './pack.ts';

const plain: Route = {
  prefix: { address: '192.0.2.53', bits: 32 },
  nextHop: '10.0.0.2',
  asPath: [65001],
  med: 0,
  localPreference: null,
  communities: ['65000:100'],
  largeCommunities: [],
};
const long = { fourOctetAs: true };

function read(bytes: Uint8Array, fourOctetAs = true): UpdateMessage {
  const message = decodeMessage(bytes, { fourOctetAs, internal: false, keepPrefixes: true });
  assert.equal(message.kind, 'update');
  return message as UpdateMessage;
}

const routes = fc.array(
  fc.record({
    prefix: fc.oneof(prefix('ipv4'), prefix('ipv6')),
    med: fc.constantFrom(0, 10),
    six: fc.boolean(),
    communities: fc.constantFrom<string[]>(
      [],
      ['65000:1'],
      Array.from({ length: 300 }, (_, i) => `65000:${i}`),
    ),
  }),
  { maxLength: 400 },
);

test('each prefix is announced once, with its attributes, in messages of a lawful size', () => {
  fc.assert(
    fc.property(routes, list => {
      const announce = list.map(({ prefix, med, six, communities }): Route => {
        const nextHop = six || prefix.address.includes(':') ? '2001:db8::2' : '10.0.0.2';
        return { ...plain, prefix, med, communities, nextHop };
      });
      const { messages, unfit } = packUpdates({ withdraw: [], announce }, long);
      assert.deepEqual(unfit, []);
      const found = messages.flatMap(bytes => {
        const { announced, reach, attributes, faults } = read(bytes);
        assert.deepEqual(faults, []);
        const hop = reach ? reach.nextHops[0] : attributes.nextHop;
        return [...announced, ...(reach?.prefixes ?? [])].map(
          each => `${formatPrefix(each)} ${hop} ${attributes.med} ${attributes.communities}`,
        );
      });
      const wanted = announce.map(
        route => `${formatPrefix(route.prefix)} ${route.nextHop} ${route.med} ${route.communities}`,
      );
      assert.deepEqual(found.toSorted(), wanted.toSorted());
      const gone = packUpdates({ withdraw: announce, announce: [] }, long).messages.flatMap(bytes => {
        const { withdrawn, unreach, counts } = read(bytes);
        assert.equal(counts.announced, 0);
        return [...withdrawn, ...(unreach?.prefixes ?? [])].map(formatPrefix);
      });
      assert.deepEqual(gone.toSorted(), announce.map(({ prefix }) => formatPrefix(prefix)).toSorted());
    }),
    { numRuns: 60 },
  );
});

test('prefixes with the same attributes share one message, those of each form apart', () => {
  const hosts = (start: string, bits: number, count: number) =>
    Array.from({ length: count }, (_, i) => ({ address: `${start}${i}`, bits }));
  const announce = [
    ...hosts('192.0.2.', 32, 200).map(prefix => ({ ...plain, prefix })),
    ...hosts('198.51.100.', 32, 9).map(prefix => ({ ...plain, prefix, nextHop: '2001:db8::2' })),
    ...hosts('203.0.113.', 32, 9).map(prefix => ({ ...plain, prefix, med: 100 })),
  ];
  assert.equal(packUpdates({ withdraw: [], announce }, long).messages.length, 3);
});

test('a next hop of the other family goes in MP_REACH_NLRI (RFC 8950), its withdrawal in MP_UNREACH_NLRI', () => {
  const route = { ...plain, nextHop: '2001:db8::2' };
  const [announced] = packUpdates({ withdraw: [], announce: [route] }, long).messages.map(bytes =>
    read(bytes),
  );
  assert.deepEqual(announced?.reach, { family: 'ipv4', nextHops: ['2001:db8::2'], prefixes: [route.prefix] });
  const [gone] = packUpdates({ withdraw: [route], announce: [] }, long).messages.map(bytes => read(bytes));
  assert.deepEqual(gone?.unreach, { family: 'ipv4', prefixes: [route.prefix] });
});

test('an old speaker gets AS_TRANS and the long number beside it', () => {
  const route = { ...plain, asPath: [200_000, 200_000] };
  const [bytes] = packUpdates({ withdraw: [], announce: [route] }, { fourOctetAs: false }).messages;
  const { attributes, faults } = read(bytes!, false);
  assert.deepEqual(faults, []);
  assert.deepEqual(attributes.asPath, [{ kind: 'sequence', as: [23456, 23456] }]);
  assert.deepEqual(attributes.as4Path, [{ kind: 'sequence', as: [200_000, 200_000] }]);
  const [short] = packUpdates({ withdraw: [], announce: [plain] }, { fourOctetAs: false }).messages;
  assert.equal(read(short!, false).attributes.as4Path, null);
});

test('what leaves no room for a prefix is told, the rest is sent', () => {
  const communities = Array.from({ length: 1100 }, (_, i) => `65000:${i}`);
  const { messages, unfit } = packUpdates(
    { withdraw: [], announce: [{ ...plain, communities }, plain] },
    long,
  );
  assert.equal(unfit.length, 1);
  assert.equal(messages.length, 1);
});

test('the end of the routes of each family', () => {
  assert.equal(Buffer.from(endOfRibFor('ipv4').subarray(16)).toString('hex'), '00170200000000');
  assert.equal(Buffer.from(endOfRibFor('ipv6').subarray(16)).toString('hex'), '001d0200000006800f03000201');
});
