import assert from 'node:assert/strict';
import { test } from 'node:test';
import { someReading } from '#insight/fixture.ts';
import { ChorusError } from '#kit/errors.ts';
import type { DrainPhase, RoutesStatus } from '#route/report.ts';
import { DrainProgress } from './drain-progress.ts';

const routes = someReading().routes;
assert.ok(routes);
const order = { since: 0, who: 'ada', reason: '', until: null, stop: false };

function status(drain: DrainPhase, traffic: number | null, there: boolean, safe = false): RoutesStatus {
  assert.ok(routes);
  return {
    ...routes,
    addresses: routes.addresses.map(address => ({ ...address, drain })),
    routes: routes.routes.map(route => ({ ...route, actual: there ? route.actual : null })),
    drain: order,
    traffic,
    safe,
  };
}

test('phases follow each other, with the traffic before and now', () => {
  const progress = new DrainProgress(10_000);
  const seen: [string, boolean, boolean][] = [];
  const take = (now: number, of: RoutesStatus) => {
    const { line, ended } = progress.take(of, now);
    seen.push([line, progress.fresh, ended]);
  };
  take(0, status('leaving', 1840, true));
  take(200, status('leaving', 900, true));
  take(400, status('settling', 12, true));
  take(600, status('settling', 12, false));
  take(800, status('safe', 0, false, true));
  assert.deepEqual(seen, [
    ['announced as draining, traffic 1,840/s → 1,840/s', true, false],
    ['announced as draining, traffic 1,840/s → 900/s', false, false],
    ['to be withdrawn, and not yet gone everywhere, traffic 1,840/s → 12/s', true, false],
    ['withdrawn; packets may still be under way, traffic 1,840/s → 12/s', true, false],
    ['withdrawn and settled, traffic 1,840/s → 0/s', true, true],
  ]);
});

test('clients that still ask at the end are told of', () => {
  const progress = new DrainProgress(1);
  progress.take(status('leaving', 300, true), 0);
  assert.match(progress.left(status('safe', 299, false, true)) ?? '', /clients still ask 299 queries\/s/);
  assert.equal(progress.left(status('safe', 12, false, true)), null);
  assert.equal(progress.left(status('safe', null, false, true)), null);
});

test('without a listener there is no traffic to tell', () => {
  const { line } = new DrainProgress(1).take(status('leaving', null, true), 0);
  assert.match(
    line,
    /^announced as draining; no traffic is measured here, so this lasts for `drain: wait:`$/,
  );
});

const code = (wanted: string) => (error: unknown) => error instanceof ChorusError && error.code === wanted;

test('a route that stands for too long, and a drain that somebody ended', () => {
  const progress = new DrainProgress(10_000);
  progress.take(status('settling', 0, true), 0);
  progress.take(status('safe', 0, true), 9000);
  assert.throws(() => progress.take(status('safe', 0, true), 10_001), code('DRAIN_UNFINISHED'));
  const blind = status('safe', 0, false);
  const unread = { ...blind, drivers: blind.drivers.map(driver => ({ ...driver, unread: true })) };
  assert.throws(
    () => progress.take(unread, 10_002),
    (error: unknown) => error instanceof Error && /what core1 announces cannot be read/.test(error.message),
  );
  assert.throws(
    () => progress.take({ ...status('safe', 0, false), drain: null }, 10_003),
    code('DRAIN_LIFTED'),
  );
});
