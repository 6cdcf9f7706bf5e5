/** The events of a replay: any text gives an error that names its lines, or a timeline that comes to rest and tells no lies. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { loadConfig } from '#config/load.ts';
import { replayPlan } from '#config/plan.ts';
import { ChorusError } from '#kit/errors.ts';
import { parseEvents } from '#route/events.ts';
import { replayEvents } from '#route/replay.ts';
import { type FuzzOptions, type FuzzResult, fuzzTarget, type Target } from './harness.ts';

const utf8 = new TextDecoder();
const octets = (text: string) => new TextEncoder().encode(text);
const golden = (file: string) =>
  readFileSync(new URL(`../test/golden/routes/${file}`, import.meta.url), 'utf8');
const plan = replayPlan(loadConfig(golden('farm.yaml'), 'farm.yaml', { cores: 2, hostname: 'front' }));

/** What is wrong in a line must not hide what the others do: those that stand alone are told again, in the order of time. */
function judge(input: Uint8Array): boolean {
  const text = utf8.decode(input);
  if (stands(text)) return true;
  const alone = text
    .split('\n')
    .slice(0, 100)
    .flatMap(line => {
      try {
        return parseEvents(line, 'line', plan).map(({ at }) => ({ at, line }));
      } catch {
        return [];
      }
    })
    .filter(({ line }) => !line.includes('begin'))
    .toSorted((one, other) => one.at - other.at);
  return alone.length > 0 && stands(alone.map(({ line }) => line).join('\n'));
}

function stands(events: string): boolean {
  let result: ReturnType<typeof replayEvents>;
  try {
    result = replayEvents(events, 'events', plan);
  } catch (error) {
    if (!(error instanceof ChorusError) || error.code !== 'EVENTS_INVALID') throw error;
    assert.match(error.message, /^the events of events are not understood, \d+ problem/);
    return false;
  }
  const { timeline, text } = result;
  const announced = new Set<string>();
  let last = timeline.begin;
  for (const entry of timeline.entries) {
    assert.ok(entry.at >= last, 'time goes on');
    last = entry.at;
    if (!('address' in entry)) continue;
    const { address, change, to, attributes } = entry;
    assert.equal(announced.has(address), change === 'changed' || change === 'withdrawn');
    if (attributes) announced.add(address);
    else announced.delete(address);
    if (['initial', 'rising', 'down'].includes(to)) assert.equal(attributes, null);
    if (['up', 'degraded'].includes(to)) assert.notEqual(attributes, null);
  }
  assert.ok(timeline.end >= last && timeline.addresses.length === 2);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: what must not reach a terminal.
  assert.doesNotMatch(text, /[\u0000-\u0009\u000b-\u001f\u007f\u0080-\u009f\u202a-\u202e]/);
  return true;
}

export const events: Target = {
  name: 'events',
  seeds: () =>
    [
      golden('day.jsonl'),
      golden('recorded.jsonl'),
      '{"at":"5s","backend":"*","state":"down"}\n',
      '{"at":"5s","drain":{"who":"ada","reason":"new disk","for":"1m"}}\n{"at":"6s","undrain":true}\n',
      '# a note\n{"at":500,"load":5000}\n',
    ].map(octets),
  words: [
    '\n',
    '#',
    '{"at":0,"begin":true}\n',
    '{"at":"1h","warm":false}\n',
    '{"at":"366d","backend":"*","state":"starting"}\n',
    '{"at":1e300,',
    '{"at":0.001,"drain":true}\n',
    '{"at":"10m","undrain":true}\n',
    '{"at":"10m","drain":{"for":0,"stop":true}}\n',
    '{"at":"11m","budget":"asking"}\n',
    '{"at":"11m","budget":"denied","detail":"\\u001b[31m\\u202e"}\n',
    '{"at":"11m","load":1e9}\n',
    '{"at":"11m","load":null,"pool":"inside"}\n',
    '{"at":"12m","listener":"2001:DB8::0053","tcp":"bad"}\n',
    '{"at":"12m","forbidden":"x"}\n',
    '"__proto__":',
    '"constructor":',
    'null',
    '1e999',
    '-0',
    '"absent"',
    '"disabled"',
    '"suspect"',
    '\\u0000',
    'é',
    '\u202e',
  ].map(octets),
  judge,
};

/** Runs this target. */
export function fuzz(options: FuzzOptions): FuzzResult {
  return fuzzTarget(events, options);
}
