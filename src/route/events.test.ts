import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ChorusError } from '#kit/errors.ts';
import { hostPrefix } from './announcement.ts';
import { parseEvents, type ReplayPlan } from './events.ts';
import { replay } from './replay.ts';

const attributes = { med: 0, localPreference: null, communities: [], largeCommunities: [], prepend: 0 };
const backend = (name: string) => ({ name, family: 'ipv4' as const, weight: 1 });
const plan: ReplayPlan = {
  addresses: ['192.0.2.53', '2001:db8::53'].map(address => ({
    address,
    prefix: hostPrefix(address),
    via: ['core1'],
    pools: ['default'],
    family: 'any',
    least: 1,
    degradedBelow: 0.5,
    capacity: 1000,
    rise: 3000,
    fall: 0,
    hold: { first: 10_000, most: 300_000, forget: 600_000 },
    whenDown: 'withdraw',
    role: 'primary',
    attributes: { up: attributes, degraded: attributes, draining: attributes },
  })),
  drain: { wait: 1000, quiet: 0.01, settle: 100, stop: { wait: 100, settle: 10 } },
  pools: [
    { pool: 'default', backends: [backend('kai'), backend('nika')] },
    { pool: 'inside', backends: [backend('kai')] },
  ],
};
const parse = (text: string) => parseEvents(text, 'e.jsonl', plan);

function problems(text: string): string[] {
  try {
    parse(text);
  } catch (error) {
    assert.ok(error instanceof ChorusError && error.code === 'EVENTS_INVALID', String(error));
    return String(error.details.problems).split('\n');
  }
  assert.fail('these events were taken');
}

describe('events', () => {
  test('times in words and in ms; empty lines, notes, Windows line ends', () => {
    const text = '\ufeff# a note\r\n\r\n{"at":"1.5s","warm":true}\r\n{"at":1500,"warm":false}\n';
    assert.deepEqual(parse(text), [
      { at: 1500, fact: { kind: 'warm', warm: true } },
      { at: 1500, fact: { kind: 'warm', warm: false } },
    ]);
  });
  test('backends by name, of a pool, all', () => {
    const names = (name: string) =>
      parse(`{"at":0,"backend":"${name}","state":"down"}`).map(({ fact }) =>
        fact.kind === 'backend' ? `${fact.pool}/${fact.name}` : '',
      );
    assert.deepEqual(names('nika'), ['default/nika']);
    assert.deepEqual(names('inside/kai'), ['inside/kai']);
    assert.deepEqual(names('default/*'), ['default/kai', 'default/nika']);
    assert.equal(names('*').length, 3);
  });
  test('a drain', () => {
    const drain = (value: unknown) => parse(`{"at":0,"drain":${JSON.stringify(value)}}`)[0]?.fact;
    const order = { who: 'an operator', reason: '', stop: false, lasts: null };
    assert.deepEqual(drain(true), { kind: 'drain', drain: order });
    assert.deepEqual(drain({ who: 'a\u001b[31mda', for: '30m', stop: true }), {
      kind: 'drain',
      drain: { ...order, who: 'a [31mda', lasts: 1_800_000, stop: true },
    });
  });
  test('of a budget for one address, and for all', () => {
    const facts = parse(
      '{"at":0,"budget":"denied"}\n{"at":0,"budget":"granted","address":"2001:DB8::53","detail":"d"}',
    );
    assert.deepEqual(
      facts.map(({ fact }) => fact),
      [
        { kind: 'budget', address: null, view: { verdict: 'denied', detail: '' } },
        { kind: 'budget', address: '2001:db8::53', view: { verdict: 'granted', detail: 'd' } },
      ],
    );
  });

  const cases: Record<string, [string, string]> = {
    'no JSON': ['{"at":', 'it is not JSON'],
    'no object': ['[1]', 'it is no object, such as {"at": "5s", "warm": true}'],
    'no time': ['{"warm":true}', '"at" is missing: when it happened, such as "12.5s", or in ms'],
    'a time without unit': [
      '{"at":"5","warm":true}',
      '"at" is not a time from 0s to 366d, such as "12.5s", or in ms: "5"',
    ],
    'a time before all': [
      '{"at":-1,"warm":true}',
      '"at" is not a time from 0s to 366d, such as "12.5s", or in ms: -1',
    ],
    'a time after all': [
      '{"at":"400d","warm":true}',
      '"at" is not a time from 0s to 366d, such as "12.5s", or in ms: "400d"',
    ],
    'about nothing': [
      '{"at":0}',
      'it does not say what happened: one of begin, backend, everybody, load, traffic, listener, warm, drain, undrain, budget, forbidden',
    ],
    'a slip': [
      '{"at":0,"bakcend":"kai","state":"up"}',
      'it does not say what happened: did you mean "backend"?',
    ],
    'about two things': [
      '{"at":0,"warm":true,"traffic":5}',
      'it is about both "warm" and "traffic": write two lines',
    ],
    'a word too many': [
      '{"at":0,"backend":"nika","stat":"up"}',
      '"backend" does not go with "stat"; did you mean "state"?',
    ],
    'an unknown backend': [
      '{"at":0,"backend":"nikka","state":"up"}',
      'there is no backend "nikka"; one of default/kai, default/nika, inside/kai',
    ],
    'a slip in a backend': [
      '{"at":0,"backend":"default/nikka","state":"up"}',
      'there is no backend "default/nikka"; did you mean "default/nika"?',
    ],
    'a backend that is a number': [
      '{"at":0,"backend":5,"state":"up"}',
      'there is no backend 5; one of default/kai, default/nika, inside/kai',
    ],
    'several backends': [
      '{"at":0,"backend":"kai","state":"up"}',
      '"kai" are several backends: default/kai, inside/kai',
    ],
    'no state': [
      '{"at":0,"backend":"nika"}',
      '"state" is missing; one of absent, starting, up, suspect, down, draining, disabled',
    ],
    'a state that is none': [
      '{"at":0,"backend":"nika","state":"dwon"}',
      '"state" cannot be "dwon"; did you mean "down"?',
    ],
    'a pool that is none': [
      '{"at":0,"load":5,"pool":"insidd"}',
      'there is no pool "insidd"; did you mean "inside"?',
    ],
    'a rate that is none': [
      '{"at":0,"load":"5/s"}',
      '"load" is a number of queries per second, or null, not "5/s"',
    ],
    'an address that is none': [
      '{"at":0,"listener":"192.0.2.54"}',
      '"192.0.2.54" is no service address; did you mean "192.0.2.53"?',
    ],
    'a verdict that is none': [
      '{"at":0,"budget":"no"}',
      '"budget" cannot be "no"; one of free, asking, granted, denied, away, everybody',
    ],
    'neither true nor false': ['{"at":0,"warm":"yes"}', '"warm" is true or false, not "yes"'],
    'an undrain that is none': ['{"at":0,"undrain":false}', '"undrain" is true or not there'],
    'a drain that is none': [
      '{"at":0,"drain":5}',
      '"drain" is true, or an object such as {"who": "ada", "for": "30m"}',
    ],
    'a drain with a slip': [
      '{"at":0,"drain":{"fro":"1m"}}',
      '"drain" has no "fro"; it has who, reason, for, stop',
    ],
    'a begin that is none': [
      '{"at":0,"begin":"now"}',
      '"begin" is true, or a time such as "2026-01-31T12:00:00Z", not "now"',
    ],
    'a reason that is none': ['{"at":0,"forbidden":true}', '"forbidden" is a text, not true'],
    'a line without end': [
      `{"at":0,"forbidden":"${'x'.repeat(70_000)}"}`,
      'it has more than 65536 characters',
    ],
  };
  for (const [name, [text, expected]] of Object.entries(cases)) {
    test(name, () => assert.deepEqual(problems(`\n${text}`), [`e.jsonl:2: ${expected}`]));
  }
  test('all at once, by line', () => {
    assert.deepEqual(
      problems('{"at":"2s","warm":true}\n{"at":"1s","warm":true}\nx\n{"at":"2s","begin":true}'),
      [
        'e.jsonl:2: it is before the line above it (2s)',
        'e.jsonl:3: it is not JSON',
        'e.jsonl:4: `begin` stands in the first line only',
      ],
    );
    assert.equal(problems('x\n'.repeat(1000)).length, 51);
    assert.deepEqual(problems('# nothing\n'), ['e.jsonl: there is no event in it']);
    assert.match(
      problems('{"at":0,"warm":true}\n'.repeat(200_001)).join(),
      /^e\.jsonl:200001: there are more than 200000 lines$/,
    );
  });
  test('any text gives a timeline or a ChorusError', () => {
    const word = fc.constantFrom(
      '{"at":',
      '0',
      '"5s"',
      ',',
      '}',
      '\n',
      '"backend":',
      '"*"',
      '"state":',
      '"down"',
      '"up"',
      '"drain":',
      'true',
      'null',
      '"load":',
      '5000',
      '"budget":',
      '"denied"',
      '"begin":',
      '{"at":0,"backend":"*","state":"down"}\n',
      '{"at":"1m","drain":true}\n',
      '{"at":"2m","undrain":true}\n',
      '{"at":"366d","warm":false}\n',
      '#',
    );
    const settles = (text: string) => {
      try {
        replay(parse(text), plan);
      } catch (error) {
        if (!(error instanceof ChorusError)) throw error;
      }
    };
    fc.assert(
      fc.property(fc.array(word, { maxLength: 40 }), words => settles(words.join(''))),
      { numRuns: 1000 },
    );
    fc.assert(fc.property(fc.string({ unit: 'binary' }), settles), { numRuns: 300 });
  });
});
