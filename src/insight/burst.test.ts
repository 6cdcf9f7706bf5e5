import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type BurstMeasure, burstId, burstName, roundOf, rowOf, Tally } from './burst.ts';
import { bar, burstHeader, burstLine, burstNotes } from './burst-table.ts';

const measure: BurstMeasure = { count: 10, unsent: 0, unreachable: 0, sendMs: 1, lastMs: 2, droppedHere: 0 };
const answer = (id: number, rcode = 0) =>
  Uint8Array.of(id >> 8, id & 255, 0x80, rcode, 0, 1, 0, 0, 0, 0, 0, 0);

test('ids of a socket differ, all 65,536 of them', () => {
  const seen = new Set(Array.from({ length: 65_536 }, (_, index) => burstId(60_000, index)));
  assert.equal(seen.size, 65_536);
});

test('names', () => {
  assert.equal(burstName('x{n}.y{n}.example', 12), 'x12.y12.example');
  assert.equal(burstName('www.example', 12), 'www.example');
});

describe('tally', () => {
  const tallied = () => {
    const tally = new Tally(2);
    for (let id = 0; id < 5; id++) for (const socket of [0, 1]) tally.asked(socket, id);
    const came = (socket: number, bytes: Uint8Array) => tally.came(socket, bytes, 0, bytes.length);
    return { tally, came };
  };

  test('tells good answers, SERVFAIL and others apart', () => {
    const { tally, came } = tallied();
    for (let id = 0; id < 5; id++) came(0, answer(id));
    came(1, answer(0, 2));
    came(1, answer(1, 3));
    came(1, answer(2, 5));
    const round = roundOf(tally, measure);
    assert.deepEqual(round.rcodes, { NOERROR: 5, SERVFAIL: 1, NXDOMAIN: 1, REFUSED: 1 });
    assert.deepEqual([round.answered, round.lost], [8, 2]);
    const row = rowOf([round]);
    assert.deepEqual([row.servfail, row.otherRcode, row.answeredShare], [1, 1, 0.8]);
  });

  test('counts the second answer as doubled', () => {
    const { tally, came } = tallied();
    came(0, answer(1));
    came(0, answer(1, 2));
    assert.deepEqual([tally.answered, tally.doubled, tally.rcodes], [1, 1, { NOERROR: 1 }]);
  });

  test('takes no answer to what was not asked from that socket', () => {
    const { tally, came } = tallied();
    came(0, answer(9));
    came(1, answer(1).subarray(0, 11));
    const question = answer(1);
    question[2] = 0;
    came(1, question);
    came(0, new Uint8Array(0));
    assert.deepEqual([tally.answered, tally.strange], [0, 4]);
  });

  test('reads an answer where it lies', () => {
    const { tally } = tallied();
    const memory = new Uint8Array(100);
    memory.set(answer(3), 40);
    tally.came(1, memory, 40, 12);
    assert.equal(tally.answered, 1);
  });
});

describe('rounds', () => {
  const round = (answered: number, more: Partial<BurstMeasure> = {}) => {
    const tally = new Tally(1);
    for (let id = 0; id < 10; id++) tally.asked(0, id);
    for (let id = 0; id < answered; id++) tally.came(0, answer(id), 0, 12);
    return roundOf(tally, { ...measure, ...more });
  };

  test('our own drops and what was not sent are not the loss of the server', () => {
    const { lost, droppedHere } = round(4, { droppedHere: 3, unsent: 1 });
    assert.deepEqual([lost, droppedHere], [2, 3]);
    // Doubled answers may be dropped too.
    assert.deepEqual([round(9, { droppedHere: 5 }).lost, round(9, { droppedHere: 5 }).droppedHere], [0, 1]);
    assert.equal(round(4, { droppedHere: null }).lost, 6);
  });

  test('sums up', () => {
    const row = rowOf([round(10), round(4, { lastMs: 9 }), round(7, { lastMs: null })]);
    assert.deepEqual([row.answeredShare, row.lostMedian, row.lostMost, row.lastMs], [0.7, 3, 6, 2]);
    assert.equal(row.droppedHere, 0);
    assert.equal(rowOf([round(10), round(10, { droppedHere: null })]).droppedHere, null);
    assert.equal(rowOf([round(0, { lastMs: null })]).lastMs, null);
  });

  test('lines stand under the header', () => {
    const line = burstLine(rowOf([round(9)]));
    assert.match(line, /^ +10 +90\.00% +1 +1 +0 +0 +0 +0 +1\.0 ms +2\.0 ms {2}█{18}$/);
    assert.equal(burstHeader().length, line.indexOf('█') - 2);
    assert.match(burstLine(rowOf([round(0, { lastMs: null, droppedHere: null })])), / \? +1\.0 ms +-$/);
  });

  test('notes say what is not the fault of the server', () => {
    assert.deepEqual(burstNotes(rowOf([round(10)])), []);
    assert.equal(burstNotes(rowOf([round(3, { unsent: 2, droppedHere: 3, unreachable: 4 })])).length, 3);
  });
});

test('a bar is full for all and empty for none only', () => {
  assert.equal(bar(1), '█'.repeat(20));
  assert.equal(bar(0), '');
  assert.equal(bar(0.999_999), `${'█'.repeat(19)}▉`);
  assert.equal(bar(0.000_001), '▏');
  assert.equal(bar(0.5), '█'.repeat(10));
});
