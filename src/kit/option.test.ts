import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  autoOr,
  choice,
  duration,
  fileForm,
  flag,
  label,
  list,
  mapping,
  offOr,
  option,
  optional,
  required,
  section,
  size,
  text,
  whole,
} from './option.ts';

const docs = 'It is.';
const schema = section('a mapping', {
  wait: option(duration('0s', '1h'), { docs, default: '90s' }),
  ttl: option(duration('1s', '1d', 's'), { docs, default: '5m' }),
  memory: option(size('1KiB', '1GiB'), { docs, default: '64MiB' }),
  on: option(flag(), { docs, default: 'off' }),
  hold: option(offOr(duration('0s', '1h')), { docs, default: 'off' }),
  workers: option(autoOr(whole(1, 9)), { docs, default: 'auto' }),
  kind: optional(choice(['a', 'b']), { docs, optional: 'none', example: 'a' }),
  times: option(list('times', duration('0s', '1h'), 0), { docs, default: [] }),
  parts: required(
    mapping(
      'a mapping',
      label('a name'),
      section('a part', { every: required(duration('0s', '1h'), { docs, example: '1s' }) }),
    ),
    { docs, example: {} },
  ),
  checked: option(
    section('a mapping', { name: option(text('a text', /./), { docs, default: 'x' }) }).superRefine(() => {}),
    { docs, default: {} },
  ),
});

test('what a schema gave has the form of a file again', () => {
  const of = (value: unknown) => fileForm(schema, schema.parse(value));
  assert.deepEqual(of({ parts: {} }), {
    wait: '90s',
    ttl: '5m',
    memory: '64MiB',
    on: 'off',
    hold: 'off',
    workers: 'auto',
    times: [],
    parts: {},
    checked: { name: 'x' },
  });
  const given = {
    wait: '1500ms',
    ttl: '7s',
    memory: '3KiB',
    on: 'on',
    hold: '2s',
    workers: 3,
    kind: 'b',
    times: ['1s', '1h'],
    parts: { one: { every: '10ms' }, two: { every: '0s' } },
    checked: { name: 'y' },
  };
  assert.deepEqual(of(given), given);
  // One element stands for a list of one.
  assert.deepEqual(of({ ...given, times: '5s' }), { ...given, times: ['5s'] });
});
