import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { replayEvents } from '#route/replay.ts';
import { loadConfig } from './load.ts';
import { replayPlan } from './plan.ts';

const golden = (file: string) => new URL(`../../test/golden/routes/${file}`, import.meta.url);
const read = (file: string) => readFileSync(golden(file), 'utf8');
const plan = replayPlan(loadConfig(read('farm.yaml'), 'farm.yaml', { cores: 2, hostname: 'front-1' }));

describe('replays', () => {
  for (const name of ['day', 'recorded']) {
    test(`${name}.jsonl gives the timeline of the golden files`, () => {
      const { timeline, text } = replayEvents(read(`${name}.jsonl`), `${name}.jsonl`, plan);
      const json = `${JSON.stringify(timeline, null, 1)}\n`;
      if (process.env.UPDATE_GOLDEN) {
        writeFileSync(golden(`${name}.txt`), text);
        writeFileSync(golden(`${name}.timeline.txt`), json);
      }
      assert.equal(text, read(`${name}.txt`));
      assert.equal(json, read(`${name}.timeline.txt`));
    });
  }

  test('nothing but the beginning', () => {
    const { text, timeline } = replayEvents('{"at":0,"begin":true}', 'x', plan);
    assert.deepEqual(timeline.entries, []);
    assert.match(
      text,
      /^Nothing changes\.\n\nAt the end \(0s\):\n {2}192\.0\.2\.53 is initial via core1, core2: nothing is known yet of 2 of 2 IPv4 backends/,
    );
  });
});
