import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { anyRecord, steady } from '#test/golden/arbitrary.ts';
import { WireError } from './error.ts';
import { formatRecord, parseRecord } from './record.ts';
import { canonicalName, parseZone } from './zone.ts';

const lines = (text: string, origin?: string) => parseZone(text, origin).map(formatRecord);

test('a zone file with all that RFC 1035 section 5 has', () => {
  const text = `
$TTL 1h ; the default
$ORIGIN lab.test.
@       IN SOA ns1 hostmaster (
            2024010101 ; serial
            2h 15m 2w
            300 )
        NS  ns1
        NS  ns2.other.test.
ns1     60 IN A 192.0.2.1
        IN 60 AAAA 2001:db8::1
$ORIGIN sub
www     A 192.0.2.2
txt     TXT "a;b (c)" two "q\\"uote" ( "in
" ) 
`.replace('"in\n"', '"in"\n');
  assert.deepEqual(lines(text), [
    'lab.test. 3600 IN SOA ns1.lab.test. hostmaster.lab.test. 2024010101 7200 900 1209600 300',
    'lab.test. 3600 IN NS ns1.lab.test.',
    'lab.test. 3600 IN NS ns2.other.test.',
    'ns1.lab.test. 60 IN A 192.0.2.1',
    'ns1.lab.test. 60 IN AAAA 2001:db8::1',
    'www.sub.lab.test. 3600 IN A 192.0.2.2',
    'txt.sub.lab.test. 3600 IN TXT "a;b (c)" "two" "q\\"uote" "in"',
  ]);
});

test('without $TTL the TTL before holds, and SOA has its minimum', () => {
  assert.deepEqual(lines('@ SOA a b 1 2 3 4 55\n@ NS c\nx 7 A 192.0.2.1\ny A 192.0.2.1', 'z.'), [
    'z. 55 IN SOA a.z. b.z. 1 2 3 4 55',
    'z. 55 IN NS c.z.',
    'x.z. 7 IN A 192.0.2.1',
    'y.z. 7 IN A 192.0.2.1',
  ]);
});

test('faults name their line', () => {
  const cases: readonly [string, RegExp][] = [
    ['a 1 A 192.0.2.1\nb 1 A 192.0.2', /line 2: .*192\.0\.2/],
    ['a 1 A 192.0.2.1 extra', /line 1: "extra"/],
    ['a 1 NOPE x', /line 1: "NOPE" is not a record type/],
    ['a A 192.0.2.1', /line 1: .*TTL/],
    ['  A 192.0.2.1', /line 1: .*owner/],
    ['\n\na 1 TXT "open', /line 3: .*never closed/],
    ['a 1 A )', /line 1: .*closes nothing/],
    ['a 1 ( A 192.0.2.1', /never closed/],
    ['$INCLUDE other', /line 1: \$INCLUDE/],
    ['$TTL soon', /line 1: \$TTL/],
    ['a 1 MX 70000 b', /line 1: .*70000/],
    ['a 1 MX 10', /line 1: .*exchange is missing/],
    ['a 1 A \\# 3 010203', /line 1: /],
    ['a 1 TYPE65280 x', /line 1: .*\\# LENGTH HEX/],
    ['a 1 OPT x', /line 1: OPT/],
  ];
  for (const [text, message] of cases)
    assert.throws(() => parseZone(text), { name: 'WireError', message }, text);
});

test('one record from one line', () => {
  assert.equal(
    formatRecord(parseRecord('www 300 IN A 192.0.2.1', 'example.')),
    'www.example. 300 IN A 192.0.2.1',
  );
  assert.equal(
    formatRecord(parseRecord('www IN A 192.0.2.1', 'example.', 5)),
    'www.example. 5 IN A 192.0.2.1',
  );
  assert.equal(formatRecord(parseRecord('www CH 1h TXT x')), 'www. 3600 CH TXT "x"');
  assert.throws(() => parseRecord('a 1 A 192.0.2.1\nb 1 A 192.0.2.1'), { code: 'TEXT' });
  assert.throws(() => parseRecord(''), { code: 'TEXT' });
  assert.equal(canonicalName('a\\098.C', 'x'), 'ab.C.x.');
});

test('all records survive a zone file', () => {
  fc.assert(
    fc.property(fc.array(anyRecord, { maxLength: 8 }), records => {
      const text = records.map(record => `${formatRecord(record)}\n`).join('');
      assert.deepEqual(parseZone(text), records);
    }),
    steady,
  );
});

test('no text causes anything but WireError', () => {
  const words = fc
    .constantFrom('a', '@', '$TTL', '$ORIGIN', '"', '(', ')', ';', '\n', ' ', '\\', '\\#', 'IN', 'A', 'MX')
    .chain(word => fc.constantFrom(word, `${word} `, ` ${word}`));
  const types = fc.constantFrom(
    'SVCB 1 . ',
    'LOC 1 ',
    'APL ',
    'NSEC . ',
    'TXT ',
    'HIP ',
    'CERT ',
    'RRSIG A ',
    'key=',
    '1h',
  );
  fc.assert(
    fc.property(fc.array(fc.oneof(words, types, fc.string({ unit: 'binary', maxLength: 8 }))), parts => {
      try {
        parseZone(`a 1 IN ${parts.join('')}`);
      } catch (error) {
        assert.ok(error instanceof WireError, String(error));
      }
    }),
    { ...steady, numRuns: 2000 },
  );
});
