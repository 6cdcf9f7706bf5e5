/**
 * Client and front on two hosts (namespaces with a cable between them): a front with several addresses that listens on
 * all of them answers from the one that was asked, and refuses strangers.
 */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { backend, Chorus, engines } from '../support/chorus.ts';
import { ask, askMany } from '../support/clients.ts';
import { addAddress, isolate, Namespace } from '../support/isolate.ts';
import { labAddresses, startLab } from '../support/lab.ts';
import { poll } from '../support/poll.ts';
import { must } from '../support/process.ts';
import { askTcp, askUdp, header, packet } from '../support/raw.ts';
import { requires } from '../support/requires.ts';

const client4 = '10.77.0.100';
const client6 = 'fd77::100';
const stranger4 = '198.51.100.9';
const stranger6 = '2001:db8:9::9';
const front4 = ['10.77.0.1', '10.77.0.2', '10.77.0.3'];
const front6 = ['fd77::1', 'fd77::2', 'fd77::3'];

describe(
  'a front on another host',
  requires('root', 'ip', 'nsenter', 'unshare', 'setpriv', 'named', 'dig'),
  () => {
    let host: Namespace;
    let linkLocal: string;
    before(async () => {
      await isolate();
      await startLab();
      host = await Namespace.make();
      await host.cable('near', 'far');
      await addAddress('near', `${client4}/24`);
      await addAddress('near', `${client6}/64`);
      await addAddress('lo', stranger4);
      await addAddress('lo', stranger6);
      for (const address of front4) await addAddress('far', `${address}/24`, host.pid);
      for (const address of front6) await addAddress('far', `${address}/64`, host.pid);
      // The front's host finds the lab and the strangers behind the client's.
      for (const to of [`${labAddresses.zones}/32`, `${stranger4}/32`]) {
        await must('ip', ['route', 'add', to, 'via', client4], { namespace: host.pid });
      }
      for (const to of [`${labAddresses.zones6}/128`, `${stranger6}/128`]) {
        await must('ip', ['-6', 'route', 'add', to, 'via', client6], { namespace: host.pid });
      }
      linkLocal = await poll('a link-local address', async () => {
        const shown = await must('ip', ['-6', 'address', 'show', 'dev', 'far', 'scope', 'link'], {
          namespace: host.pid,
        });
        return shown.includes('tentative') ? undefined : /inet6 (fe80::[^/]+)/.exec(shown)?.[1];
      });
    });
    after(() => host.stop());

    async function start(engine: string, listen: readonly string[], more: Record<string, unknown> = {}) {
      const backends = [
        backend('lab4', { address: labAddresses.zones, port: 53 }),
        backend('lab6', { address: labAddresses.zones6, port: 53 }),
      ];
      const pools = { default: { policy: 'round-robin', timeout: '2s', probe: 'off', backends } };
      const config = { engine, cache: 'off', identity: 'far-host', listen, pools, ...more };
      const front = await Chorus.launch(config, { namespace: host.pid });
      await front.ready({ address: front4[0]!, port: 53 });
      return front;
    }

    for (const engine of engines) {
      test(`${engine} engine: wildcards answer from the address that was asked`, async () => {
        const front = await start(engine, ['0.0.0.0:53', '[::]:53']);
        for (const address of [...front4, ...front6, `${linkLocal}%near`]) {
          // dig takes an answer from another address as none.
          const shown = await askMany({ address, port: 53 }, [
            ['www.lab.example', 'A'],
            ['www.lab.example', 'AAAA', '+tcp'],
            ['big.lab.example', 'TXT'],
            ['id.server', 'TXT', 'CH'],
          ]);
          assert.deepEqual(
            shown.map(({ answer }) => answer.length),
            [1, 1, 1, 1],
            address,
          );
          for (const { text } of shown) assert.doesNotMatch(text, /unexpected source/);
        }
        for (const name of ['lab4', 'lab6']) {
          // Its API listens on the loopback of its own host.
          const metrics = await must('nsenter', [
            `--net=/proc/${host.pid}/ns/net`,
            process.execPath,
            '-e',
            `fetch('http://127.0.0.1:${front.apiPort}/metrics').then(r => r.text()).then(t => console.log(t))`,
          ]);
          assert.match(metrics, new RegExp(`chorus_backend_queries_total\\{[^}]*"${name}"[^}]*\\} [1-9]`));
        }
        assert.equal(await front.stop(), 0);
      });

      test(`${engine} engine: one address of several: the others are silent`, async () => {
        const front = await start(engine, [`${front4[0]}:53`, `[${front6[1]}]:53`]);
        assert.equal((await ask({ address: front4[0]!, port: 53 }, ['www.lab.example'])).status, 'NOERROR');
        assert.equal((await ask({ address: front6[1]!, port: 53 }, ['www.lab.example'])).status, 'NOERROR');
        for (const address of [front4[1]!, front6[0]!]) {
          assert.equal(await askUdp({ address, port: 53 }, packet(), 200), undefined);
        }
        assert.equal(await front.stop(), 0);
      });

      test(`${engine} engine: clients outside the allowed networks are refused`, async () => {
        const front = await start(engine, ['0.0.0.0:53', '[::]:53']);
        for (const [from, address] of [
          [stranger4, front4[1]!],
          [stranger6, front6[1]!],
        ] as const) {
          for (const way of ['+notcp', '+tcp']) {
            const shown = await ask({ address, port: 53 }, ['-b', from, 'www.lab.example', 'A', way]);
            assert.equal(shown.status, 'REFUSED', shown.text);
            assert.equal(shown.answer.length, 0);
          }
        }
        assert.equal((await ask({ address: front4[1]!, port: 53 }, ['www.lab.example'])).status, 'NOERROR');
        assert.equal(await front.stop(), 0);
      });

      test(`${engine} engine: \`allow\` decides, for both families`, async () => {
        const front = await start(engine, ['0.0.0.0:53', '[::]:53'], {
          allow: [`${stranger4}/32`, `${stranger6}/128`, `${client4}/32`],
        });
        const status = async (from: string, address: string) =>
          (await ask({ address, port: 53 }, ['-b', from, 'www.lab.example', 'A'])).status;
        assert.equal(await status(stranger4, front4[0]!), 'NOERROR');
        assert.equal(await status(stranger6, front6[0]!), 'NOERROR');
        assert.equal(await status(client4, front4[0]!), 'NOERROR');
        assert.equal(await status(client6, front6[0]!), 'REFUSED');
        assert.equal(await front.stop(), 0);
      });
    }

    test('many clients at once over the cable', async () => {
      const front = await start('batch', ['0.0.0.0:53', '[::]:53']);
      const server = { address: front6[2]!, port: 53 };
      const asks = Array.from({ length: 200 }, (_, id) => {
        const way = id % 4 === 0 ? askTcp : askUdp;
        return way(server, packet({ id, name: `n${id}.lab.example` }), 10_000);
      });
      for (const [id, answer] of (await Promise.all(asks)).entries()) {
        assert.deepEqual(answer && [header(answer).id, header(answer).counts[1]], [id, 1]);
      }
      assert.equal(await front.stop(), 0);
    });
  },
);
