import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import type { Outcome } from '../cases/case.ts';
import { caseTable, page } from './markdown.ts';
import { isMet, type Result, readResult, writeResult } from './result.ts';
import { ratioGoal } from './rounds.ts';
import { median, pairedRatio } from './stats.ts';
import { bars, lines, picture } from './svg.ts';

const rows = [
  { name: 'chorus', label: 'Chorus <a&b>', values: { cpu: [5, 4, 6], rate: [1000, 1200, 1100] } },
  { name: 'rival', label: 'Rival', values: { cpu: [10, 4, 8], rate: [900, 900, 900] } },
  { name: 'broken', label: 'Broken', values: {}, failed: 'it\ndied' },
];
const outcome: Outcome = {
  metrics: [
    { key: 'cpu', label: 'CPU per query', unit: 'µs', digits: 1 },
    { key: 'rate', label: 'queries/s', unit: '', digits: 0 },
  ],
  rows,
  reference: 'rival',
  goals: [ratioGoal(rows, 'cpu', 'chorus', 'rival', 1), ratioGoal(rows, 'cpu', 'chorus', 'broken', 1)],
};
const result: Result = {
  name: 'sample',
  title: 'Sample',
  about: 'About it.',
  measured: '2026-01-01',
  commit: 'abc',
  machine: {
    cores: 2,
    processor: 'p',
    memoryGiB: 1,
    kernel: '6',
    receiveBufferMax: 1,
    versions: { node: '26' },
  },
  loadBefore: 0,
  pinned: false,
  options: { rounds: 3, seconds: 1, soak: 1 },
  took: 1,
  outcome,
};

it('takes medians, and ratios round by round', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
  assert.equal(pairedRatio([5, 4, 6], [10, 4, 8]), 0.75);
});

it('tells met from missed from not measured', () => {
  assert.equal(isMet(outcome.goals[0]!), true);
  assert.equal(isMet({ ...outcome.goals[0]!, bound: 0.5 }), false);
  assert.equal(isMet({ ...outcome.goals[0]!, atLeast: true }), false);
  assert.equal(isMet(outcome.goals[1]!), null);
});

it('writes a table with medians, spread, ratios and gaps', () => {
  assert.equal(
    caseTable(result),
    [
      '|  | CPU per query, µs | × Rival | queries/s |',
      '|---|--:|--:|--:|',
      '| Chorus <a&b> | **5.0** (4.0–6.0) | 0.75 | 1,100 |',
      '| Rival | **8.0** (4.0–10.0) | 1.00 | 900 |',
      '| Broken | – | – | – |',
    ].join('\n'),
  );
});

it('keeps a result in JSON, and says the same after reading it back', () => {
  const folder = mkdtempSync(join(tmpdir(), 'bench-'));
  try {
    writeResult(folder, result);
    const back = readResult(folder, 'sample');
    assert.ok(back);
    assert.equal(page([back]), page([result]));
    assert.match(readFileSync(join(folder, 'sample.json'), 'utf8'), /"cpu": \[5, 4, 6\]/);
    assert.match(page([back]), /not measured/);
    assert.match(page([back]), /- Broken: it died/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

it('draws a bar for each row that was measured, with escaped text', () => {
  const drawn = bars('T', outcome.metrics[0]!, rows);
  assert.equal(drawn.match(/<rect x=/g)?.length, 2);
  assert.match(drawn, /Chorus &lt;a&amp;b>/);
  assert.doesNotMatch(drawn, /NaN|Infinity/);
});

it('draws figures that are all zero, lines, and nothing for nothing', () => {
  const zero = [{ name: 'a', label: 'A', values: { cpu: [0, 0] } }];
  assert.doesNotMatch(bars('T', outcome.metrics[0]!, zero), /NaN|Infinity/);
  const points: [number, number][] = [
    [0, 10],
    [1, 20],
  ];
  assert.doesNotMatch(lines('T', [{ label: 'A', unit: 'MiB', points }]), /NaN|Infinity/);
  assert.equal(picture('T', { ...outcome, rows: [rows[2]!] }), undefined);
});

it('sets rows of groups apart in the table, and draws them as a grid', () => {
  const grouped = ['quiet', 'silent & gone'].flatMap(group =>
    rows.map(row => ({ ...row, group, values: row.failed ? {} : { cpu: [group === 'quiet' ? 0 : 1500] } })),
  );
  const [cpu] = outcome.metrics;
  const both = { ...outcome, metrics: [cpu!], rows: grouped, reference: 'none', goals: [] };
  assert.equal(
    caseTable({ ...result, outcome: both })
      .split('\n')
      .slice(0, 6)
      .join('\n'),
    [
      '|  |  | CPU per query, µs |',
      '|---|--:|--:|',
      '| quiet | Chorus <a&b> | 0.0 |',
      '|  | Rival | 0.0 |',
      '|  | Broken | – |',
      '| silent & gone | Chorus <a&b> | 1,500.0 |',
    ].join('\n'),
  );
  const drawn = picture('T', both) ?? '';
  assert.equal(drawn.match(/rx="3"/g)?.length, 4);
  assert.match(drawn, />1,500.0 µs</);
  assert.match(drawn, />silent &amp; gone</);
  assert.doesNotMatch(drawn, /NaN|Infinity|undefined/);
  assert.match(page([{ ...result, outcome: { ...both, span: 'an hour' } }]), /commit abc; an hour;/);
});
