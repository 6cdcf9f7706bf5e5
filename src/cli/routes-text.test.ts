import assert from 'node:assert/strict';
import { test } from 'node:test';
import { someReading } from '#insight/fixture.ts';
import { routesText } from './routes-text.ts';

const routes = someReading().routes;
assert.ok(routes);

test('addresses, routes and drivers, in tables', () => {
  assert.equal(
    routesText(routes, 62_000),
    `ADDRESS        STATE  FOR    WHY
192.0.2.53/32  up     1m 0s  all 2 backends of pool default serve

ROUTE          THROUGH  WANTED          ACTUAL     FOR
192.0.2.53/32  core1    med 0 pref 200  announced  1m 0s  as wanted  in 10 ms

DRIVER  KIND  STATE  FOR    DETAIL
core1   bgp   up     1m 1s  established`,
  );
});

test('a drain, problems, warnings and the farm are shown', () => {
  const problem = { code: 'X', message: 'wrong AS', remedy: 'Mend it.' };
  const text = routesText(
    {
      ...routes,
      drain: { since: 2000, who: 'ada@noc', reason: 'new disk', until: 122_000, stop: false },
      traffic: 12,
      problems: [{ code: 'Y', message: 'another Chorus', remedy: 'Stop it.' }],
      drivers: routes.drivers.map(driver => ({
        ...driver,
        state: 'failed',
        problem,
        warnings: ['stale routes'],
      })),
      routes: routes.routes.map(route => ({ ...route, actual: null, agrees: false, convergence: null })),
      farm: [{ member: 'b', address: '192.0.2.53', state: 'down', reason: 'none serves' }],
    },
    62_000,
  );
  for (const part of [
    'drained for 1m 0s by ada@noc: new disk, ends in 1m 0s – not safe to stop yet, traffic 12/s',
    'another Chorus\nStop it.',
    'NOT AS WANTED',
    'core1: wrong AS\n  Mend it.',
    'core1: stale routes',
    'b       192.0.2.53  down   none serves',
  ])
    assert.ok(text.includes(part), `${part}\nin\n${text}`);
});
