import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Board, backendCounters, maxBackends, viewField } from '#balance/board.ts';
import { ChorusError } from '#kit/errors.ts';
import { type BackendIdentity, backendKey, Slots } from './slots.ts';

const backend = (name: string, port = 53): BackendIdentity => ({
  pool: 'default',
  name,
  address: '192.0.2.1',
  port,
});
const slotIn = (slots: ReadonlyMap<string, number>, who: BackendIdentity) => slots.get(backendKey(who));

test('a backend keeps its slot and numbers across reloads', () => {
  const board = new Board(2);
  const slots = new Slots(board);
  const first = slots.propose([backend('a'), backend('b')]);
  slots.commit(first);
  const slot = slotIn(first.slots, backend('b'))!;
  board.counters(1)[slot * backendCounters.size] = 7;
  const second = slots.propose([backend('c'), backend('b')]);
  assert.equal(slotIn(second.slots, backend('b')), slot);
  assert.equal(board.counters(1)[slot * backendCounters.size], 7);
});

test('a fresh slot is clear and serves at once', () => {
  const board = new Board(1);
  const proposal = new Slots(board).propose([backend('a')]);
  const slot = slotIn(proposal.slots, backend('a'))!;
  assert.equal(board.state(slot), 'starting');
  assert.equal(board.healthWeight(slot), 1000);
});

test('a change of address or port makes another backend', () => {
  const slots = new Slots(new Board(1));
  const first = slots.propose([backend('a', 53)]);
  slots.commit(first);
  const second = slots.propose([backend('a', 54)]);
  assert.notEqual(slotIn(second.slots, backend('a', 54)), slotIn(first.slots, backend('a', 53)));
});

test('a slot is not given away while queries to the old backend are in flight', () => {
  const board = new Board(2);
  const slots = new Slots(board);
  const first = slots.propose([backend('a')]);
  slots.commit(first);
  const slot = slotIn(first.slots, backend('a'))!;
  board.view(1)[slot * viewField.size + viewField.outstanding] = 3;
  slots.commit(slots.propose([]));
  const second = slots.propose([backend('b')]);
  assert.notEqual(slotIn(second.slots, backend('b')), slot);
  slots.commit(second);
  assert.equal(slots.sweep(), 1);
  board.view(1)[slot * viewField.size + viewField.outstanding] = 0;
  assert.equal(slots.sweep(), 0);
  assert.equal(board.state(slot), 'absent');
  const many = Array.from({ length: maxBackends - 1 }, (_, index) => backend(`c${index}`));
  const third = slots.propose([backend('b'), ...many]);
  assert.ok([...third.slots.values()].includes(slot));
});

test('a slot rests as long as there are others, so that an engine can close what it had open', () => {
  const slots = new Slots(new Board(1));
  const seen = new Set<number | undefined>();
  for (let i = 0; i < maxBackends; i++) {
    const proposal = slots.propose([backend(`b${i}`)]);
    seen.add(slotIn(proposal.slots, backend(`b${i}`)));
    slots.commit(proposal);
  }
  assert.equal(seen.size, maxBackends);
});

test('a backend that comes back while it leaves gets its slot again', () => {
  const board = new Board(1);
  const slots = new Slots(board);
  const first = slots.propose([backend('a')]);
  slots.commit(first);
  const slot = slotIn(first.slots, backend('a'))!;
  board.view(0)[slot * viewField.size + viewField.outstanding] = 1;
  slots.commit(slots.propose([]));
  board.setState(slot, 'absent');
  slots.abort(slots.propose([backend('a')]));
  assert.equal(board.state(slot), 'absent');
  const again = slots.propose([backend('a')]);
  assert.equal(slotIn(again.slots, backend('a')), slot);
  assert.deepEqual(again.fresh, []);
  assert.equal(board.state(slot), 'starting', 'workers may use it before health has spoken');
  slots.commit(again);
  assert.equal(slots.sweep(), 0);
});

test('an aborted proposal leaves everything as it was', () => {
  const board = new Board(1);
  const slots = new Slots(board);
  slots.commit(slots.propose([backend('a')]));
  const tried = slots.propose([backend('a'), backend('b')]);
  const slot = slotIn(tried.slots, backend('b'))!;
  slots.abort(tried);
  assert.equal(board.state(slot), 'absent');
  const many = Array.from({ length: maxBackends - 1 }, (_, index) => backend(`z${index}`));
  assert.ok([...slots.propose([backend('a'), ...many]).slots.values()].includes(slot));
});

test('too many backends are refused and change nothing', () => {
  const slots = new Slots(new Board(1));
  const many = (count: number) => Array.from({ length: count }, (_, index) => backend(`b${index}`));
  assert.throws(
    () => slots.propose(many(maxBackends + 1)),
    (error: unknown) => error instanceof ChorusError && error.code === 'BACKENDS_FULL',
  );
  slots.commit(slots.propose(many(maxBackends)));
});
