/** What is more than a question and an answer goes through to a backend: transfers, NOTIFY, UPDATE, TSIG, unknown opcodes. */
import assert from 'node:assert/strict';
import { before, describe, test } from 'node:test';
import { backend, Chorus, engines } from '../support/chorus.ts';
import { ask, askRaw, comparable, nsupdate } from '../support/clients.ts';
import { labKeyOption, startLab } from '../support/lab.ts';
import { poll } from '../support/poll.ts';
import { askTcp, askUdp, header, opt, packet } from '../support/raw.ts';
import { requires } from '../support/requires.ts';
import type { NameServer } from '../support/server.ts';

const opcodeFlags = (opcode: number) => opcode << 11;

describe('passed to a backend', requires('root', 'ip', 'named', 'dig', 'nsupdate'), () => {
  let lab: NameServer;
  before(async () => {
    lab = await startLab();
  });

  for (const engine of engines) {
    describe(`${engine} engine`, () => {
      let front: Chorus;
      before(async () => {
        // The cache is on: none of this may come from it or go into it.
        const backends = [backend('lab', lab)];
        front = await Chorus.start({
          engine,
          cache: { memory: '16MiB' },
          pools: { default: { timeout: '5s', probe: 'off', backends } },
        });
      });

      test('a zone transfer of many records', async () => {
        const [expected, got] = await Promise.all(
          [lab, front.v6].map(at => askRaw(at, ['lab.example', 'AXFR'])),
        );
        const records = (text: string) =>
          text.split('\n').filter(line => line !== '' && !line.startsWith(';'));
        assert.ok(records(expected!.stdout).length > 1000);
        assert.deepEqual(records(got!.stdout), records(expected!.stdout));
      });

      test('a signed zone transfer, and the refusal of an unsigned one', async () => {
        const signed = await askRaw(front.v4, ['keyed.example', 'AXFR', '-y', labKeyOption]);
        assert.match(signed.stdout, /XFR size: 4 records/, signed.stdout + signed.stderr);
        assert.doesNotMatch(signed.stdout + signed.stderr, /verify failure|Couldn't verify/);
        const unsigned = await askRaw(front.v4, ['keyed.example', 'AXFR']);
        assert.match(unsigned.stdout, /Transfer failed/);
      });

      test('an incremental transfer, over TCP and UDP', async () => {
        const over = await askRaw(front.v4, ['lab.example', 'IXFR=1', '+tcp']);
        assert.match(over.stdout, /IN\s+SOA\s+ns\.lab\.example\./, over.stdout);
        const udp = await askRaw(front.v4, ['lab.example', 'IXFR=1', '+notcp']);
        assert.match(udp.stdout, /IN\s+SOA\s+ns\.lab\.example\./, udp.stdout);
      });

      test('a signed question over UDP and TCP', async () => {
        for (const way of ['+notcp', '+tcp']) {
          const shown = await ask(front.v4, ['www.keyed.example', 'A', way, '-y', labKeyOption]);
          assert.equal(shown.answer.length, 1, shown.text);
          assert.match(shown.text, /TSIG\s+hmac-sha256\. .* NOERROR 0/);
          assert.doesNotMatch(shown.text, /verify failure|Couldn't verify/);
        }
      });

      test('signed updates over UDP and TCP', async () => {
        for (const tcp of [false, true]) {
          const name = `fresh-${engine}-${tcp ? 'tcp' : 'udp'}.dyn.example`;
          // The cache learns that there is no such name; the update does not end there.
          assert.equal((await ask(lab, [name, 'A'])).status, 'NXDOMAIN');
          const result = await nsupdate(front.v4, labKeyOption, [`update add ${name}. 60 A 192.0.2.77`], tcp);
          assert.equal(result.code, 0, result.stdout + result.stderr);
          const [record] = (await ask(front.v4, [name, 'A'])).answer;
          assert.equal(comparable(record ?? ''), `${name}. IN A 192.0.2.77`);
        }
      });

      test('an update with a wrong key is refused by the backend', async () => {
        const wrong = labKeyOption.replace(/Q2hv/, 'AAAA');
        const result = await nsupdate(
          front.v4,
          wrong,
          ['update add evil.dyn.example. 60 A 192.0.2.66'],
          false,
        );
        assert.notEqual(result.code, 0);
        assert.match(result.stderr, /BADSIG|BADKEY|verify|NOTAUTH/i);
        assert.equal((await ask(lab, ['evil.dyn.example', 'A'])).status, 'NXDOMAIN');
      });

      test('NOTIFY reaches the backend', async () => {
        const notify = packet({ name: 'lab.example', type: 6, flags: opcodeFlags(4) | 0x0400 });
        for (const way of [askUdp, askTcp]) {
          const before = notifies(lab.log);
          const [expected, got] = [await way(lab, notify), await way(front.v4, notify)];
          assert.ok(got !== undefined && expected !== undefined);
          assert.deepEqual(header(got), header(expected));
          await poll('both NOTIFY in the log', () => notifies(lab.log) >= before + 2, {
            explain: () => lab.log,
          });
        }
      });

      for (const opcode of [2, 3, 6, 15]) {
        test(`opcode ${opcode}: the backend's word`, async () => {
          const query = packet({ flags: opcodeFlags(opcode) | 0x0100 });
          for (const way of [askUdp, askTcp]) {
            const [expected, got] = [await way(lab, query), await way(front.v6, query)];
            assert.ok(got !== undefined && expected !== undefined);
            assert.deepEqual([header(got).rcode, header(got).opcode], [header(expected).rcode, opcode]);
          }
        });
      }

      test('two OPT, or an OPT among the answers: FORMERR in the end (RFC 6891, section 6.1.1)', async () => {
        for (const query of [
          packet({ counts: [1, 0, 0, 2], rest: Buffer.concat([opt(), opt()]) }),
          packet({ counts: [1, 1, 0, 0], rest: opt() }),
        ]) {
          for (const way of [askUdp, askTcp]) {
            const answer = await way(front.v4, query);
            assert.equal(answer && header(answer).rcode, 1);
          }
        }
      });

      test('all of it leaves a working front', async () => {
        assert.equal((await ask(front.v4, ['www.lab.example', 'A'])).status, 'NOERROR');
        assert.equal(await front.stop(), 0);
      });
    });
  }
});

function notifies(log: string): number {
  return [...log.matchAll(/received notify for zone 'lab\.example'/g)].length;
}
