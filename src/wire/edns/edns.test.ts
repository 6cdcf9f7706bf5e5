import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '#test/golden/golden.ts';
import { Reader } from '../reader.ts';
import { Writer } from '../writer.ts';
import { type Edns, findOption, readEdns, writeEdns } from './edns.ts';
import { type EdnsOption, formatOption, readOption, writeOption } from './registry.ts';

const bytes = (hex: string) => fromHex(hex.replaceAll(' ', ''));
const read = (hex: string) => readOption(new Reader(bytes(hex)));
const write = (option: EdnsOption) => {
  const to = new Writer();
  writeOption(to, option);
  return toHex(to.done());
};

const cases: readonly { hex: string; option: EdnsOption; text: string }[] = [
  { hex: '0003 0000', option: { kind: 'NSID', bytes: new Uint8Array() }, text: '' },
  { hex: '0003 0002 6e31', option: { kind: 'NSID', bytes: bytes('6e31') }, text: '6e 31 ("n1")' },
  {
    hex: '0008 0007 0001 18 00 c00002',
    option: { kind: 'ECS', family: 1, source: 24, scope: 0, address: '192.0.2.0' },
    text: '192.0.2.0/24/0',
  },
  {
    hex: '0008 0009 0002 21 10 20010db880',
    option: { kind: 'ECS', family: 2, source: 33, scope: 16, address: '2001:db8:8000::' },
    text: '2001:db8:8000::/33/16',
  },
  {
    hex: '0008 0004 0001 00 00',
    option: { kind: 'ECS', family: 1, source: 0, scope: 0, address: '0.0.0.0' },
    text: '0.0.0.0/0/0',
  },
  {
    hex: '0008 0004 0003 00 00',
    option: { kind: 'unknown', code: 8, bytes: bytes('00030000') },
    text: '00 03 00 00 ("....")',
  },
  { hex: '0009 0000', option: { kind: 'EXPIRE' }, text: '' },
  { hex: '0009 0004 00000e10', option: { kind: 'EXPIRE', seconds: 3600 }, text: '3600' },
  {
    hex: '000a 0010 0102030405060708 1112131415161718',
    option: { kind: 'COOKIE', client: bytes('0102030405060708'), server: bytes('1112131415161718') },
    text: '01020304050607081112131415161718',
  },
  { hex: '000b 0000', option: { kind: 'KEEPALIVE' }, text: '' },
  { hex: '000b 0002 012c', option: { kind: 'KEEPALIVE', timeout: 300 }, text: '30.0 secs' },
  { hex: '000c 0003 000000', option: { kind: 'PADDING', length: 3 }, text: '(3 bytes)' },
  { hex: '000f 0002 0016', option: { kind: 'EDE', info: 22, text: '' }, text: '22 (No Reachable Authority)' },
  { hex: '000f 0004 ffff c3a9', option: { kind: 'EDE', info: 65535, text: 'é' }, text: '65535: (é)' },
  { hex: 'fde9 0001 aa', option: { kind: 'unknown', code: 65001, bytes: bytes('aa') }, text: 'aa (".")' },
];

for (const { hex, option, text } of cases) {
  test(`option ${hex}`, () => {
    assert.deepEqual(read(hex), option);
    assert.equal(write(option), hex.replaceAll(' ', ''));
    assert.equal(formatOption(option), text);
  });
}

test('options of the wrong size or content are refused', () => {
  const bad: readonly (readonly [hex: string, code: string])[] = [
    ['0003 0005 00', 'TRUNCATED'],
    ['0003', 'TRUNCATED'],
    ['0008 0003 0001 18', 'TRUNCATED'],
    ['0008 0006 0001 18 00 c000', 'RDATA'],
    ['0008 0008 0001 18 00 c0000201', 'RDATA'],
    ['0008 0007 0001 17 00 c00003', 'RDATA'],
    ['0008 0009 0001 21 00 c000020100', 'RDATA'],
    ['0009 0005 0000000000', 'RDATA'],
    ['0009 0002 0000', 'TRUNCATED'],
    ['000a 0007 01020304050607', 'RDATA'],
    ['000a 0009 010203040506070809', 'RDATA'],
    [`000a 0029 ${'01'.repeat(41)}`, 'RDATA'],
    ['000b 0001 00', 'TRUNCATED'],
    ['000b 0003 000000', 'RDATA'],
    ['000f 0001 00', 'TRUNCATED'],
  ];
  for (const [hex, code] of bad) assert.throws(() => read(hex), { name: 'WireError', code }, hex);
});

test('values out of range are refused', () => {
  const bad: readonly EdnsOption[] = [
    { kind: 'ECS', family: 1, source: 33, scope: 0, address: '192.0.2.0' },
    { kind: 'ECS', family: 1, source: 24, scope: 0, address: '192.0.2.1' },
    { kind: 'ECS', family: 2, source: 24, scope: 0, address: '192.0.2.1' },
    { kind: 'COOKIE', client: bytes('00'), server: bytes('') },
    { kind: 'PADDING', length: -1 },
    { kind: 'KEEPALIVE', timeout: 65536 },
    { kind: 'EXPIRE', seconds: 0.5 },
    { kind: 'EDE', info: 65536, text: '' },
    { kind: 'NSID', bytes: new Uint8Array(65536) },
  ];
  for (const option of bad) assert.throws(() => write(option), { name: 'WireError' }, option.kind);
});

test('the OPT record has the form of RFC 6891 section 6.1', () => {
  const edns: Edns = {
    udpSize: 1232,
    version: 1,
    do: true,
    z: 1,
    options: [{ kind: 'EXPIRE' }, { kind: 'NSID', bytes: bytes('') }],
  };
  const to = new Writer();
  writeEdns(to, edns, 0xab);
  assert.equal(toHex(to.done()), '00002904d0ab018001000800090000 00030000'.replaceAll(' ', ''));
  assert.deepEqual(readEdns(new Reader(to.done(), 3)), { edns, upperRcode: 0xab });
  assert.throws(() => writeEdns(new Writer(), { ...edns, z: 0x8000 }, 0), { code: 'RANGE' });
  assert.equal(findOption(edns, 'NSID')?.bytes.length, 0);
  assert.equal(findOption(edns, 'EDE'), undefined);
  assert.equal(findOption(undefined, 'EDE'), undefined);
});
