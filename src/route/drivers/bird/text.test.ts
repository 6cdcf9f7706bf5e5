import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Announcement, hostPrefix } from '../../announcement.ts';
import { configurationFile, type FileOptions, mark } from './text.ts';

const announcement = (address: string, bits?: number): Announcement => ({
  prefix: bits === undefined ? hostPrefix(address) : { address: '192.0.2.0', bits },
  address,
  attributes: {
    med: 10,
    localPreference: 50,
    communities: ['65000:100', '65535:0'],
    largeCommunities: ['65000:1:2'],
    prepend: 2,
  },
  grade: 'primary',
});
const options: FileOptions = { name: 'chorus', table: 'master', lease: null, as: 65001 };
const attributes =
  'bgp_med = 10; bgp_local_pref = 50; bgp_community.add((65000,100)); bgp_community.add((65535,0)); ' +
  'bgp_large_community.add((65000,1,2)); bgp_path.prepend(65001); bgp_path.prepend(65001);';

describe('the file for BIRD', () => {
  test('has static routes with attributes', () => {
    assert.equal(
      configurationFile([announcement('192.0.2.53')], options),
      `${mark}, and written anew at every change: do not edit.
protocol static chorus4 {
  ipv4 { table master4; };
  route 192.0.2.53/32 blackhole { ${attributes} };
}
protocol static chorus6 {
  ipv6 { table master6; };
}
`,
    );
  });

  test('lets through the addresses of an interface, with attributes', () => {
    const file = configurationFile([announcement('192.0.2.53'), announcement('192.0.2.54', 24)], {
      ...options,
      lease: 'chorus0',
      as: null,
    });
    assert.match(file, /interface "chorus0";/);
    assert.match(file, /if net = 192\.0\.2\.53\/32 then \{ bgp_med = 10; .*; accept; \}/);
    assert.match(file, /if net = 192\.0\.2\.0\/24 then/);
    assert.doesNotMatch(file, /prepend/, 'no AS is known');
  });

  test('is the same in any order', () => {
    const both = [announcement('192.0.2.53'), announcement('2001:db8::53')];
    assert.equal(configurationFile(both, options), configurationFile(both.toReversed(), options));
  });
});
