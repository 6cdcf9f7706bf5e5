import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as fc from 'fast-check';
import { anyName, steady } from '#test/golden/arbitrary.ts';
import { WireError } from './error.ts';
import {
  compareNames,
  copyName,
  formatName,
  isWithin,
  labelsOf,
  lowerName,
  parseName,
  sameName,
  skipName,
} from './name.ts';

const wire = (...parts: (string | number)[]) =>
  Uint8Array.from(
    parts.flatMap(part => (typeof part === 'number' ? [part] : [...part].map(c => c.charCodeAt(0)))),
  );

const fails = (code: string) => (error: unknown) => error instanceof WireError && error.code === code;

test('texts become labels, with and without final dot', () => {
  assert.deepEqual(parseName('www.Example.'), wire(3, 'www', 7, 'Example', 0));
  assert.deepEqual(parseName('www.Example'), wire(3, 'www', 7, 'Example', 0));
  assert.deepEqual(parseName('.'), wire(0));
});

test('relative names are completed by the origin', () => {
  const origin = parseName('example.');
  assert.equal(formatName(parseName('www', origin)), 'www.example.');
  assert.equal(formatName(parseName('@', origin)), 'example.');
  assert.equal(formatName(parseName('www.', origin)), 'www.');
  assert.equal(formatName(parseName('.', origin)), '.');
});

test('escapes of RFC 1035 section 5.1 are read and written', () => {
  assert.deepEqual(parseName('a\\.b\\065\\000.'), wire(5, 'a.bA', 0, 0));
  assert.equal(formatName(wire(8, 'a.b\\ ;"', 255, 0)), 'a\\.b\\\\\\032\\;\\"\\255.');
  for (const text of ['a\\', 'a\\25', 'a\\256.', 'a\\2x5', ''])
    assert.throws(() => parseName(text), fails('TEXT'), text);
  assert.throws(() => parseName('ü€.'), fails('TEXT'));
});

test('labels have 1 to 63 octets and names at most 255', () => {
  const label = 'a'.repeat(63);
  assert.equal(parseName(`${label}.${label}.${label}.${'b'.repeat(61)}.`).length, 255);
  assert.throws(() => parseName(`${label}.${label}.${label}.${'b'.repeat(62)}.`), fails('NAME'));
  assert.throws(() => parseName(`${label}a.`), fails('NAME'));
  assert.throws(() => parseName(`${label}a`), fails('NAME'));
  for (const text of ['a..b.', '.a.', '..']) assert.throws(() => parseName(text), fails('NAME'), text);
  assert.throws(
    () => parseName('x', parseName(`${label}.${label}.${label}.${'b'.repeat(61)}.`)),
    fails('NAME'),
  );
});

test('a name on the wire may have 255 octets and no more', () => {
  const label = [63, ...new Array<number>(63).fill(97)];
  const full = Uint8Array.from([...label, ...label, ...label, 61, ...new Array<number>(61).fill(97), 0]);
  assert.equal(full.length, 255);
  assert.equal(skipName(full, 0), 255);
  const over = Uint8Array.from([...label, ...label, ...label, 62, ...new Array<number>(62).fill(97), 0]);
  assert.throws(() => formatName(over), fails('NAME'));
  const endless = new Uint8Array(400).fill(1);
  assert.throws(() => formatName(endless), fails('NAME'));
});

test('pointers go backwards, and only so', () => {
  const bytes = wire(3, 'com', 0, 1, 'a', 0xc0, 0, 1, 'b', 0xc0, 5);
  assert.equal(formatName(bytes, 5), 'a.com.');
  assert.equal(formatName(bytes, 9), 'b.a.com.');
  assert.equal(skipName(bytes, 9), 13);
  assert.deepEqual(copyName(bytes, 9), wire(1, 'b', 1, 'a', 3, 'com', 0));
  // To itself, to the run of labels it ends, forwards, and round in a loop.
  assert.throws(() => formatName(wire(0xc0, 0)), fails('POINTER'));
  assert.throws(() => formatName(wire(1, 'a', 0xc0, 0)), fails('POINTER'));
  assert.throws(() => formatName(wire(0xc0, 2, 0)), fails('POINTER'));
  assert.throws(() => formatName(wire(1, 'a', 0xc0, 4, 1, 'b', 0xc0, 0), 4), fails('POINTER'));
});

test('a chain of pointers ends at the number of labels a name can have', () => {
  const chain = (pointers: number) => {
    const links = Array.from({ length: pointers }, (_, i) => [
      0xc0 | ((2 * i - 1) >> 8),
      (2 * i - 1) & 0xff,
    ]).slice(1);
    return Uint8Array.from([0, 0xc0, 0, ...links.flat()]);
  };
  assert.equal(formatName(chain(127), 1 + 2 * 126), '.');
  assert.throws(() => formatName(chain(128), 1 + 2 * 127), fails('POINTER'));
});

test('what is cut off or of an unknown kind is refused where it is', () => {
  for (const bytes of [wire(), wire(3, 'ab'), wire(1, 'a'), wire(0xc0)]) {
    assert.throws(() => formatName(bytes), fails('TRUNCATED'));
  }
  assert.throws(
    () => formatName(wire(1, 'a', 0x40, 0)),
    (error: unknown) => error instanceof WireError && error.code === 'NAME' && error.offset === 2,
  );
  assert.throws(() => formatName(wire(0x80, 0)), fails('NAME'));
});

test('lower case is for A to Z alone', () => {
  assert.equal(lowerName('WWW.\\195É.'), 'www.\\195É.');
  assert.deepEqual(lowerName(wire(3, 'WwW', 1, 0xc9, 0)), wire(3, 'www', 1, 0xc9, 0));
});

test('canonical order is that of RFC 4034 section 6.1', () => {
  const sorted = [
    'example.',
    'a.example.',
    'yljkjljk.a.example.',
    'Z.a.example.',
    'zABC.a.EXAMPLE.',
    'z.example.',
  ].concat(['\\001.z.example.', '*.z.example.', '\\200.z.example.']);
  assert.deepEqual([...sorted].reverse().sort(compareNames), sorted);
  assert.ok(sameName('WWW.example.', 'www.EXAMPLE'));
  assert.ok(isWithin('a.B.example.', 'b.example.'));
  assert.ok(isWithin('example.', 'example.'));
  assert.ok(!isWithin('ab.example.', 'b.example.'));
  assert.ok(isWithin('example.', '.'));
  assert.equal(labelsOf(parseName('a.b.')).length, 2);
});

test('every name survives the way to text and back', () => {
  fc.assert(
    fc.property(anyName, name => {
      const bytes = parseName(name);
      assert.equal(formatName(bytes), name);
      assert.equal(skipName(bytes, 0), bytes.length);
      assert.equal(compareNames(name, lowerName(name)), 0);
    }),
    steady,
  );
});

test('no bytes and no text cause anything but WireError', () => {
  const onlyWireError = (run: () => unknown) => {
    try {
      run();
    } catch (error) {
      assert.ok(error instanceof WireError, String(error));
    }
  };
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(310), (bytes, at) =>
      onlyWireError(() => formatName(bytes, at)),
    ),
    steady,
  );
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), text => onlyWireError(() => parseName(text))),
    steady,
  );
});
