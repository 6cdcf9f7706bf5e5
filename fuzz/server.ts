/** What comes from a supervised nameserver and from its files: output, names of a warm-up, a kept pid, tables of the kernel. */

import assert from 'node:assert/strict';
import { keptLines, lineBurst, lineLimit, Output } from '#node/output.ts';
import { parseKept } from '#node/process.ts';
import { mostNames } from '#node/schema.ts';
import { takes } from '#node/taken.ts';
import { parseNames } from '#node/warm-up.ts';
import { formatName, parseName } from '#wire/name.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

const utf8 = new TextDecoder();
const octets = (text: string) => new TextEncoder().encode(text);

/** However its output is cut, the lines are the same, bounded, and safe to show. */
function said(text: string): readonly string[] {
  const cut = (size: number) => {
    const lines: string[] = [];
    const output = new Output(
      () => 0,
      line => lines.push(line),
      () => assert.fail('none is let through after it'),
    );
    const stream = output.stream();
    for (let at = 0; at < text.length; at += size) stream.write(text.slice(at, at + size));
    stream.end();
    assert.ok(lines.length <= lineBurst && output.last.length <= keptLines);
    return lines;
  };
  const lines = cut(Math.max(1, text.length));
  for (const line of lines) {
    assert.ok(line.length > 0 && line.length <= lineLimit);
    assert.doesNotMatch(line, /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u);
  }
  // A long line may be cut at another place where no end of it is in sight.
  if (text.split('\n').every(line => line.length <= 2 * lineLimit)) assert.deepEqual(cut(7), lines);
  return lines;
}

function judge(input: Uint8Array): boolean {
  const text = utf8.decode(input);
  said(text);
  const { names, wrong } = parseNames(text);
  assert.ok(names.length <= mostNames && wrong >= 0);
  for (const { name, type } of names) {
    assert.equal(formatName(parseName(name)), name);
    assert.ok(type > 0 && type <= 0xffff);
  }
  const kept = parseKept(text);
  if (kept) assert.ok(Number.isInteger(kept.pid) && kept.pid >= 2);
  for (const address of ['10.0.1.11', '2001:db8::11', '::']) takes(text, address, 53, true);
  return kept !== null || names.length > 0;
}

const row =
  '   0: 0B01000A:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1 1 0 100 0 0 10 0\n';

export const server: Target = {
  name: 'server',
  seeds: () =>
    [
      '4711 123456\n',
      '# top names\nwww.example.net\nexample.net MX\n',
      row,
      '22-Nov-2026 12:09:44.945 starting BIND 9.18\nall zones loaded\n',
      `\u001b[31mred\u0007 ${'x'.repeat(1500)}\nnext\n`,
    ].map(octets),
  words: [
    '\n',
    '\r\n',
    '\u001b]0;',
    '\u202e',
    '# ',
    ' TYPE65535',
    '-1 ',
    '0 0\n',
    '99999999999 1\n',
    '\\000',
  ].map(octets),
  judge,
};

export const fuzz = (options: FuzzOptions): FuzzResult => fuzzTarget(server, options);
