import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { bgp } from './bgp.ts';
import { bgpSession } from './bgp-session.ts';
import { codec } from './codec.ts';
import { drain } from './drain.ts';
import { etcd } from './etcd.ts';
import { events } from './events.ts';
import { corpusOf, fuzzTarget, type Target } from './harness.ts';
import { keepalived } from './keepalived.ts';
import { layer4 } from './layer4.ts';
import { netlink } from './netlink.ts';
import { routing } from './routing.ts';
import { scan } from './scan.ts';
import { server } from './server.ts';
import { stream } from './stream.ts';
import { zone } from './zone.ts';

for (const target of [
  bgp,
  bgpSession,
  codec,
  drain,
  etcd,
  events,
  keepalived,
  layer4,
  netlink,
  routing,
  scan,
  server,
  stream,
  zone,
]) {
  for (const [file, input] of corpusOf(target.name)) {
    test(`${target.name} stands ${file}`, () => void target.judge(input));
  }

  test(`${target.name} stands two thousand inputs made from it`, () => {
    const result = fuzzTarget(target, { count: 2000, seed: 1 });
    assert.deepEqual(result.crashes, []);
    assert.ok(result.understood > 200, `${result.understood} were understood`);
  });
}

test('a crash is found, made small and kept with its fault', () => {
  const folder = mkdtempSync(join(tmpdir(), 'chorus-fuzz-'));
  const faulty: Target = {
    ...zone,
    judge: input => {
      if (input.includes(0x3b)) throw new Error('semicolon 42');
      return true;
    },
  };
  try {
    const { crashes } = fuzzTarget(faulty, { count: 5000, seed: 1, crashes: folder });
    assert.equal(crashes.length, 1);
    assert.equal(readFileSync(crashes[0]!, 'utf8'), ';');
    assert.equal(readFileSync(crashes[0]!.replace('.bin', '.txt'), 'utf8'), 'Error: semicolon N\n');
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test('the same seed makes the same inputs', () => {
  const inputs = (seed: number) => {
    const seen: string[] = [];
    const before = (input: Uint8Array) => void seen.push(Buffer.from(input).toString('hex'));
    fuzzTarget({ ...zone, judge: () => false }, { count: 200, seed, before });
    return seen;
  };
  assert.deepEqual(inputs(7), inputs(7));
  assert.notDeepEqual(inputs(7), inputs(8));
});
