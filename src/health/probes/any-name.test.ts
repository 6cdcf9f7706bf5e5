import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeMessage } from '#wire/message.ts';
import { rcodes, types } from '#wire/types.ts';
import { VirtualClock } from '../clock.ts';
import { answerTo, VirtualNetwork } from '../network.ts';
import { anyNameProbe } from './any-name.ts';
import type { ProbeOutcome } from './probe.ts';

const to = { address: '127.0.0.1', port: 53 };

/** Runs the probe; by name: the response code, or null for silence. */
function run(codes: Readonly<Record<string, number | null>>) {
  const clock = new VirtualClock();
  const network = new VirtualNetwork(clock);
  let asked = 0;
  network.servers.set('127.0.0.1 53', query => {
    asked++;
    const code = codes[decodeMessage(query).questions[0]!.name];
    return code === null || code === undefined ? [] : [{ after: 1 + code, bytes: answerTo(query, code) }];
  });
  const outcomes: ProbeOutcome[] = [];
  const [name = '.', ...also] = Object.keys(codes);
  const world = { datagrams: network, streams: network, now: () => clock.now(), random: () => 7 };
  const probe = anyNameProbe('datagrams')(to, { name, type: types.A, also });
  const running = probe.start(world, outcome => outcomes.push(outcome));
  clock.advance(100);
  return { outcomes, running, asked };
}

test('one good answer is enough, whatever the others say', () => {
  for (const codes of [
    { 'a.example.': rcodes.SERVFAIL, 'b.example.': rcodes.NOERROR },
    { 'a.example.': null, 'b.example.': rcodes.NXDOMAIN },
    { 'a.example.': rcodes.NOERROR, 'b.example.': null },
  ]) {
    const { outcomes, asked } = run(codes);
    assert.equal(asked, 2);
    assert.equal(outcomes.length, 1);
    assert.equal(outcomes[0]?.good, true);
  }
});

test('when all fail it tells each', () => {
  const { outcomes } = run({ 'a.example.': rcodes.SERVFAIL, 'b.example.': rcodes.REFUSED });
  assert.equal(outcomes.length, 1);
  assert.equal(outcomes[0]?.good, false);
  assert.match(outcomes[0]?.detail ?? '', /^a\.example\. SERVFAIL in .*; b\.example\. REFUSED in /);
});

test('while one is silent and the others fail, the prober’s timeout decides, and is told what was heard', () => {
  const { outcomes, running } = run({ 'a.example.': rcodes.SERVFAIL, 'b.example.': null });
  assert.deepEqual(outcomes, []);
  assert.match(running.heard, /^a\.example\. SERVFAIL/);
  running.close();
});
