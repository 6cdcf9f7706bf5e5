/** A keepalived.conf, imported and served from, with its checks: a question, and a program. */
import assert from 'node:assert/strict';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { parse } from 'yaml';
import { Chorus, chorus } from '../support/chorus.ts';
import { answerTo, HandBackend } from '../support/hand-backend.ts';
import { isolate } from '../support/isolate.ts';
import { temporaryFolder } from '../support/process.ts';
import { askUdp, header, packet } from '../support/raw.ts';
import { requires } from '../support/requires.ts';

const virtual = { address: '192.0.2.53', port: 53 };

describe('an imported keepalived.conf', requires('root', 'ip'), () => {
  const folder = temporaryFolder('import');
  const flag = ({ port }: HandBackend) => join(folder, `${port}`);
  const output = join(folder, 'chorus.yaml');
  let servers: HandBackend[];
  let front: Chorus;
  before(async () => {
    await isolate([virtual.address]);
    const answers = ({ query, reply }: { query: Buffer; reply: (bytes: Uint8Array) => void }) =>
      reply(answerTo(query, { addresses: ['192.0.2.1'] }));
    servers = [await HandBackend.start({ udp: answers }), await HandBackend.start({ udp: answers })];
  });
  after(async () => {
    await front?.stop();
    for (const server of servers) await server.stop();
  });

  test('loads as it is, and answers at the address of the virtual server', async () => {
    for (const server of servers) writeFileSync(flag(server), '');
    const real = ({ port }: HandBackend) => `
      real_server 127.0.0.1 ${port} {
        weight 1
        DNS_CHECK {
          type A
          name check.example
        }
        MISC_CHECK {
          misc_path "/bin/sh -c 'test -e ${folder}/$CHORUS_PORT || { echo it is gone; exit 1; }'"
          misc_timeout 2
        }
      }`;
    const block = (protocol: string) => `
      virtual_server ${virtual.address} ${virtual.port} {
        delay_loop 1
        lb_algo rr
        protocol ${protocol}
        ${servers.map(real).join('\n')}
      }`;
    const file = join(folder, 'keepalived.conf');
    writeFileSync(file, `${block('UDP')}\n${block('TCP')}\n`);
    const imported = await chorus('config', 'import', 'keepalived', file, '-o', output);
    assert.equal(imported.code, 0, imported.stderr);
    assert.equal(imported.stdout, '');
    assert.match(imported.stderr, /it answers nothing: +24 s → 4 s/);
    assert.equal((await chorus('config', 'check', output)).code, 0);
    // The report says that clients need to be allowed.
    assert.match(imported.stderr, /→ name your clients’ networks in `allow`/);
    front = await Chorus.launch({ ...parse(readFileSync(output, 'utf8')), allow: '192.0.2.0/24' });
    await front.ready(virtual);
    const answer = await askUdp(virtual, packet({ name: 'www.example' }));
    assert.equal(answer && header(answer).counts[1], 1);
    for (const { port } of servers) await front.reaches(`127.0.0.1-${port}`, ['up']);
  });

  test('the program takes a backend out and brings it back, and says why', async () => {
    const [server] = servers;
    const name = `127.0.0.1-${server!.port}`;
    rmSync(flag(server!));
    await front.reaches(name, ['down']);
    assert.match((await front.get('/api/v1/status')).body, /failed: sh: exit 1 in [\d.]+ms: it is gone/);
    assert.notEqual(await front.state(`127.0.0.1-${servers[1]!.port}`), 'down');
    writeFileSync(flag(server!), '');
    await front.reaches(name, ['up', 'suspect']);
  });
});
