/** What Wireshark makes of BGP messages, those of the golden file and our own, is what we make of them. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { goldenMessages, prefix } from '#test/golden/bgp/golden.ts';
import { must, temporaryFolder } from '#test/support/process.ts';
import { requires } from '#test/support/requires.ts';
import { ourOpen } from './agreement.ts';
import { formatPrefix } from './family.ts';
import { ceaseWithReason, decodeMessage, encodeMessage, type Message, notificationOf } from './message.ts';
import { octetsOf } from './octets.ts';
import { packUpdates, type Route } from './pack.ts';

/** A capture with each message in a TCP segment of its own, of one connection each: what went before explains nothing. */
function capture(messages: readonly Uint8Array[]): Buffer {
  const head = Buffer.alloc(24);
  head.writeUInt32LE(0xa1b2c3d4, 0);
  head.writeUInt16LE(2, 4);
  head.writeUInt16LE(4, 6);
  head.writeUInt32LE(65_535, 16);
  // LINKTYPE_RAW: begins with the IP header.
  head.writeUInt32LE(101, 20);
  const records = messages.map((message, i) => {
    const packet = Buffer.alloc(40 + message.length);
    packet[0] = 0x45;
    packet.writeUInt16BE(packet.length, 2);
    packet[8] = 64;
    packet[9] = 6;
    packet.set([10, 0, 0, 2], 12);
    packet.set([10, 0, 0, 1], 16);
    packet.writeUInt16BE(20_000 + i, 20);
    packet.writeUInt16BE(179, 22);
    packet.writeUInt32BE(1, 24);
    packet[32] = 0x50;
    packet[33] = 0x18;
    packet.writeUInt16BE(65_535, 34);
    packet.set(message, 40);
    const record = Buffer.alloc(16);
    record.writeUInt32LE(i, 0);
    record.writeUInt32LE(packet.length, 8);
    record.writeUInt32LE(packet.length, 12);
    return Buffer.concat([record, packet]);
  });
  return Buffer.concat([head, ...records]);
}

const fields = [
  'bgp.type',
  'bgp.open.myas',
  'bgp.open.holdtime',
  'bgp.open.identifier',
  'bgp.cap.4as',
  'bgp.notify.major_error',
  'bgp.update.path_attribute.multi_exit_disc',
  'bgp.update.path_attribute.local_pref',
  'bgp.update.path_attribute.next_hop',
  'bgp.update.path_attribute.as_path_segment.as4',
  'bgp.update.path_attribute.community_as',
  'bgp.update.path_attribute.community_value',
  'bgp.nlri_prefix',
  'bgp.withdrawn_prefix',
  'bgp.mp_reach_nlri_ipv4_prefix',
  'bgp.mp_reach_nlri_ipv6_prefix',
  'bgp.mp_unreach_nlri_ipv4_prefix',
  'bgp.mp_unreach_nlri_ipv6_prefix',
  '_ws.malformed',
] as const;
type Seen = Record<(typeof fields)[number], string>;

async function seenBy(messages: readonly Uint8Array[]): Promise<Seen[]> {
  const file = join(temporaryFolder('tshark'), 'bgp.pcap');
  writeFileSync(file, capture(messages));
  const args = fields.flatMap(field => ['-e', field]);
  const text = await must('tshark', [
    ...['-n', '-r', file, '-T', 'fields', '-E', 'separator=|', '-E', 'aggregator=,', ...args],
    // Four-octet AS numbers are to be known as such without an OPEN.
    ...['-o', 'bgp.asn_len:4 octet', '-o', 'tcp.check_checksum:false'],
  ]);
  return text
    .trimEnd()
    .split('\n')
    .map(line => {
      const values = line.split('|');
      return Object.fromEntries(fields.map((field, i) => [field, values[i] ?? ''])) as Seen;
    });
}

/** The same of a message as we read it. */
function expected(message: Message): { [Field in keyof Seen]?: string } {
  const blank = Object.fromEntries(fields.map(field => [field, ''])) as Seen;
  const numbers = { open: 1, update: 2, notification: 3, keepalive: 4, 'route-refresh': 5 };
  const base = { ...blank, 'bgp.type': String(numbers[message.kind]) };
  if (message.kind === 'open') {
    const long = message.capabilities.flatMap(each => (each.kind === 'four-octet-as' ? [each.as] : []));
    return {
      ...base,
      'bgp.open.myas': String(message.as),
      'bgp.open.holdtime': String(message.holdTime),
      'bgp.open.identifier': message.routerId,
      'bgp.cap.4as': long.join(),
    };
  }
  if (message.kind === 'notification') return { ...base, 'bgp.notify.major_error': String(message.code) };
  if (message.kind !== 'update') return base;
  const { attributes, announced, withdrawn, reach, unreach } = message;
  const list = (prefixes: readonly { readonly address: string }[]) =>
    prefixes.map(({ address }) => address).join();
  const of = (part: typeof reach | typeof unreach, family: string) =>
    part?.family === family ? list(part.prefixes) : '';
  const parts = attributes.communities.map(each => each.split(':'));
  return {
    ...base,
    'bgp.update.path_attribute.multi_exit_disc': String(attributes.med ?? ''),
    'bgp.update.path_attribute.local_pref': String(attributes.localPreference ?? ''),
    'bgp.update.path_attribute.next_hop': attributes.nextHop ?? '',
    'bgp.update.path_attribute.as_path_segment.as4': (attributes.asPath ?? []).flatMap(({ as }) => as).join(),
    'bgp.update.path_attribute.community_as': parts.map(([as]) => as).join(),
    'bgp.update.path_attribute.community_value': parts.map(([, value]) => value).join(),
    'bgp.nlri_prefix': list(announced),
    'bgp.withdrawn_prefix': list(withdrawn),
    'bgp.mp_reach_nlri_ipv4_prefix': of(reach, 'ipv4'),
    'bgp.mp_reach_nlri_ipv6_prefix': of(reach, 'ipv6'),
    'bgp.mp_unreach_nlri_ipv4_prefix': of(unreach, 'ipv4'),
    'bgp.mp_unreach_nlri_ipv6_prefix': of(unreach, 'ipv6'),
  };
}

const communityFields = [
  'bgp.update.path_attribute.community_as',
  'bgp.update.path_attribute.community_value',
] as const;

async function compare(messages: readonly Uint8Array[]): Promise<void> {
  const seen = await seenBy(messages);
  assert.equal(seen.length, messages.length);
  for (const [i, bytes] of messages.entries()) {
    const message = decodeMessage(bytes, { fourOctetAs: true, internal: true, keepPrefixes: true });
    const theirs: { [Field in keyof Seen]?: string } = { ...seen[i] };
    const ours = expected(message);
    // Well-known communities have a name there instead of two numbers.
    if (message.kind === 'update' && message.attributes.communities.some(each => each.startsWith('65535:'))) {
      for (const field of communityFields) {
        delete theirs[field];
        delete ours[field];
      }
    }
    assert.deepEqual(theirs, ours, Buffer.from(bytes).toString('hex'));
  }
}

test('golden messages', requires('tshark'), async () => {
  await compare(goldenMessages.filter(({ context }) => context.fourOctetAs).map(({ hex }) => octetsOf(hex)));
});

test('what we send', requires('tshark'), async () => {
  const speaker = {
    localAs: 4_200_000_001,
    peerAs: 65000,
    routerId: '10.0.0.2',
    holdTime: 3,
    families: ['ipv4', 'ipv6'],
  } as const;
  const routes = fc.sample(fc.oneof(prefix('ipv4'), prefix('ipv6')), { numRuns: 300, seed: 4 });
  const announce = routes
    .filter((each, i) => routes.findIndex(other => formatPrefix(other) === formatPrefix(each)) === i)
    .map(
      (each, i): Route => ({
        prefix: each,
        nextHop: each.address.includes(':') || i % 3 === 0 ? '2001:db8::2' : '10.0.0.2',
        asPath: i % 2 === 0 ? [] : [4_200_000_001, 4_200_000_001],
        med: i % 5,
        localPreference: i % 2 === 0 ? 200 : null,
        communities: i % 4 === 0 ? [] : ['65000:100', '65001:7'],
        largeCommunities: i % 7 === 0 ? ['4200000001:1:2'] : [],
      }),
    );
  await compare([
    encodeMessage(ourOpen(speaker)),
    encodeMessage({ kind: 'keepalive' }),
    encodeMessage({ kind: 'route-refresh', afi: 2, safi: 1, subtype: 0 }),
    encodeMessage(notificationOf(ceaseWithReason(2, 'ticket 4711'))),
    ...packUpdates({ withdraw: [], announce }, { fourOctetAs: true }).messages,
    ...packUpdates({ withdraw: announce, announce: [] }, { fourOctetAs: true }).messages,
  ]);
});
