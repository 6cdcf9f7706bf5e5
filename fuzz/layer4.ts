/** What nft and ipvsadm say: any text gives tables that can be compared and changed, or nothing; nothing is thrown. */

import assert from 'node:assert/strict';
import { ipvsChange, parseIpvs } from '#layer4/ipvs.ts';
import { nftActual, nftAgrees, nftChange, nftWanted } from '#layer4/nftables.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

const utf8 = new TextDecoder();
const octets = (text: string) => new TextEncoder().encode(text);
const wanted = nftWanted('dns', [
  {
    address: '192.0.2.53',
    port: 53,
    udp: true,
    tcp: true,
    backends: [{ name: 'a', address: '10.0.0.1', port: 53, weight: 1, role: 'serves' }],
  },
]);

function judge(input: Uint8Array): boolean {
  const text = utf8.decode(input);
  const actual = nftActual(text);
  if (actual)
    assert.equal(
      nftAgrees(wanted, { ...actual, rules: wanted.rules }),
      nftChange(wanted, actual.elements) === '',
    );
  const table = parseIpvs(text);
  // What is read is what lines would make again.
  if (table) assert.equal(ipvsChange(table, parseIpvs(ipvsChange(table, new Map()))!), '');
  // The whole is refused for one line that is not understood; others are looked at by themselves.
  const lines = text.split('\n').filter(line => (parseIpvs(line)?.size ?? 0) > 0);
  return actual !== null || lines.length > 0;
}

const listing = `{"nftables": [{"metainfo": {"version": "1.0.6"}}, {"table": {"family": "inet", "name": "chorus_dns", "handle": 2}},
{"map": {"name": "s0_tcp", "handle": 5, "map": "ipv4_addr", "elem": [[0, "10.0.0.1"], [1, {"concat": ["10.0.0.2", 53]}]]}},
{"set": {"name": "s0_gone", "handle": 9, "elem": [{"concat": ["10.0.0.1", 53]}]}}, {"rule": {"handle": 14, "expr": [{"notrack": null}]}}]}`;
const saved = `-A -u 192.0.2.53:53 -s mh -b mh-fallback,mh-port -o
-a -u 192.0.2.53:53 -r 10.0.0.1:53 -m -w 1
-A -t [2001:db8::53]:53 -s wrr
-a -t [2001:db8::53]:53 -r [fd00::1]:53 -g -w 65535 -x 1 -y 0
-A -f 7 -s rr
`;

export const layer4: Target = {
  name: 'layer4',
  seeds: () => [listing, saved].map(octets),
  words: [
    '[',
    ']',
    '{',
    '}',
    '"elem": ',
    ' -o',
    ' --ops',
    ' -w 70000',
    ' -p 300',
    '-A ',
    '-a ',
    '\n',
    ':53',
    'null',
    '-C',
  ].map(octets),
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(layer4, options);
}
