import assert from 'node:assert/strict';
import { test } from 'node:test';
import { typeCode } from '#wire/types.ts';
import { parseZone } from '#wire/zone.ts';
import { Zone } from './zone.ts';

const head = '$ORIGIN example.\n$TTL 60\n@ SOA ns hostmaster 1 1 1 1 30\n@ NS ns\n';
const zoneOf = (text: string) => new Zone(parseZone(head + text));

const zone = zoneOf(`
www A 192.0.2.1
a.b.c A 192.0.2.2
alias CNAME www
* A 192.0.2.3
*.wild TXT "any"
child NS ns.child
ns.child A 192.0.2.4
with\\.dot A 192.0.2.5
`);

const cases: readonly [name: string, type: string, kind: string][] = [
  ['www.example.', 'A', 'records'],
  ['WwW.ExAmPlE.', 'A', 'records'],
  ['www.example.', 'ANY', 'records'],
  ['www.example.', 'AAAA', 'nodata'],
  ['example.', 'SOA', 'records'],
  ['example.', 'NS', 'records'],
  ['example.', 'A', 'nodata'],
  ['alias.example.', 'A', 'alias'],
  ['alias.example.', 'CNAME', 'records'],
  ['alias.example.', 'ANY', 'records'],
  // A wildcard of the origin covers new names, but none below a name that exists (RFC 4592 section 2.2.1).
  ['new.example.', 'A', 'records'],
  ['deep.new.example.', 'A', 'records'],
  ['new.example.', 'AAAA', 'nodata'],
  ['x.www.example.', 'A', 'nxdomain'],
  // Names between exist without records.
  ['b.c.example.', 'A', 'nodata'],
  ['c.example.', 'A', 'nodata'],
  ['x.c.example.', 'A', 'nxdomain'],
  ['wild.example.', 'TXT', 'nodata'],
  ['x.y.wild.example.', 'TXT', 'records'],
  // A zone below.
  ['child.example.', 'A', 'referral'],
  ['deep.child.example.', 'A', 'referral'],
  ['ns.child.example.', 'A', 'referral'],
  ['child.example.', 'DS', 'nodata'],
  ['with\\.dot.example.', 'A', 'records'],
  ['other.', 'A', 'nxdomain'],
];

for (const [name, type, kind] of cases) {
  test(`${name} ${type} gives ${kind}`, () => {
    assert.equal(zone.find(name, typeCode(type)!).kind, kind);
  });
}

test('keeps the letters of the name that was asked', () => {
  const found = zone.find('Any.WILD.example.', typeCode('TXT')!);
  assert.equal(found.kind === 'records' && found.records[0]?.name, 'Any.WILD.example.');
});

test('knows what it covers', () => {
  assert.ok(zone.covers('example.') && zone.covers('A.EXAMPLE.'));
  assert.ok(!zone.covers('notexample.') && !zone.covers('.') && !zone.covers('a\\.example.'));
});

for (const [what, text] of [
  ['two SOA records', '@ SOA ns hostmaster 2 1 1 1 30'],
  ['a record outside', 'www.other. A 192.0.2.1'],
  ['an alias with company', 'www A 192.0.2.1\nwww CNAME alias'],
] as const) {
  test(`refuses ${what}`, () => assert.throws(() => zoneOf(text)));
}

test('a root zone works', () => {
  const root = new Zone(parseZone('. 60 SOA ns. h. 1 1 1 1 1\n* 60 A 192.0.2.1\n'));
  assert.equal(root.find('anything.', 1).kind, 'records');
  assert.equal(root.find('.', 1).kind, 'nodata');
});
