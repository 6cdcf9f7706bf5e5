/** The real servers by themselves: what they do with the lab's data before Chorus stands in front of them. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { ask, askMany, askRaw } from '../support/clients.ts';
import { hasNoWayOut, labKeyOption, startLab } from '../support/lab.ts';
import { requires } from '../support/requires.ts';
import { resolverNames, resolvers, startResolver } from '../support/resolvers.ts';
import type { NameServer } from '../support/server.ts';

describe('the lab', requires('root', 'ip', 'named', 'dig'), () => {
  let lab: NameServer;
  before(async () => {
    lab = await startLab();
  });

  test('has no way out', async () => {
    assert.ok(await hasNoWayOut());
  });

  test('serves its zones', async () => {
    const [www, unknown, big, child] = await askMany(lab, [
      ['www.lab.example', 'A'],
      ['unknown.lab.example', 'TYPE65280'],
      ['big.lab.example', 'TXT', '+ignore'],
      ['www.child.lab.example', 'A'],
    ]);
    assert.match(www?.answer[0] ?? '', /198\.51\.100\.10$/);
    assert.match(unknown?.answer[0] ?? '', /TYPE65280 \\# 4 0A000001$/);
    assert.ok(big?.flags.includes('tc'));
    assert.match(child?.authority[0] ?? '', /ns\.child\.lab\.example\.$/);
  });

  test('transfers a keyed zone only with the key', async () => {
    const good = await askRaw(lab, ['keyed.example', 'AXFR', '-y', labKeyOption]);
    assert.match(good.stdout, /XFR size: 4 records/);
    const bad = await askRaw(lab, ['keyed.example', 'AXFR']);
    assert.match(bad.stdout, /Transfer failed/);
  });

  for (const name of resolverNames) {
    test(`${name} resolves from the lab's root`, requires(resolvers[name].program), async () => {
      const server = await startResolver(name);
      for (const address of ['127.0.0.1', '::1']) {
        const at = { address, port: server.port };
        const [deep, long, broken] = await askMany(at, [
          ['deep.er.child.lab.example', 'A'],
          ['big.lab.example', 'TXT'],
          ['broken.example', 'A'],
        ]);
        assert.match(deep?.answer[0] ?? '', /198\.51\.100\.91$/);
        assert.deepEqual([long?.transport, long?.answer.length], ['TCP', 1]);
        assert.equal(broken?.status, 'SERVFAIL');
      }
      const over = await ask(server, ['www.lab.example', 'AAAA', '+tcp']);
      assert.match(over.answer[0] ?? '', /2001:db8:1::10$/);
      await server.stop();
    });
  }
});
