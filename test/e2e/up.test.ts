/** `chorus up` as a user starts it: a farm that answers, survives the death of a node, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { describe, test } from 'node:test';
import { chorusCommand } from '#test/support/chorus.ts';
import { poll } from '#test/support/poll.ts';
import { freePort } from '#test/support/ports.ts';
import { Program, temporaryFolder } from '#test/support/process.ts';
import { type Address, askUdp, packet } from '#test/support/raw.ts';
import { decodeMessage } from '#wire/message.ts';
import { formatRecord } from '#wire/record.ts';

const deadline = 40_000;

/** A running `chorus up`, and what it said about its parts. */
async function startUp(...more: readonly string[]) {
  const [port, apiPort] = [await freePort(), await freePort()];
  const program = new Program(
    chorusCommand,
    ['up', '--port', String(port), '--api', String(apiPort), ...more],
    { env: { TMPDIR: temporaryFolder('up') } },
  );
  const parts = await program.until(
    'its nodes',
    () => {
      const found = [...program.stdout.matchAll(/^node (\w+): \S+, process (\d+)$/gm)];
      return found.length === 3 && found;
    },
    deadline,
  );
  const pids = new Map(parts.map(([, name = '', pid = '']) => [name, Number(pid)]));
  const config = /configuration (\S+)/.exec(program.stdout)?.[1] ?? '';
  const front = Number(/^front: .*, process (\d+)$/m.exec(program.stdout)?.[1]);
  assert.ok(runs(front), program.log);
  return { program, at: { address: '127.0.0.1', port }, apiPort, pids, front, config };
}

/** Asks until an answer without failure comes. */
async function answerOf(at: Address, name: string, type = 1): Promise<string> {
  return await poll(`an answer for ${name}`, async () => {
    const bytes = await askUdp(at, packet({ name, type }), 3000);
    if (bytes === undefined) return undefined;
    const message = decodeMessage(bytes);
    return message.rcode === 0 && message.answers.map(formatRecord).join('\n');
  });
}

/** Runs, and is not only still to be buried: an orphan is left to whatever buries here, soon or late. */
function runs(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

/** Waits until no process is left. */
async function gone(pids: Iterable<number>): Promise<void> {
  for (const pid of pids) await poll(`process ${pid} to be gone`, () => !runs(pid), { deadline });
}

describe('chorus up', () => {
  test('answers, survives a node, starts it again, stops clean', { timeout: 180_000 }, async () => {
    const { program, at, apiPort, pids, front, config } = await startUp('--restart', '2s', '--load', '10');
    assert.equal(await answerOf(at, 'www.lab.internal'), 'www.lab.internal. 60 IN A 192.0.2.80');
    const who = /"(\w+)"$/.exec(await answerOf(at, 'whoami.lab.internal', 16))?.[1] ?? '';
    assert.ok(pids.has(who), who);
    assert.ok(existsSync(config));

    process.kill(pids.get(who)!, 'SIGKILL');
    await program.until(`the end of ${who}`, () =>
      program.stdout.includes(`node ${who} (process ${pids.get(who)}) ended: SIGKILL`),
    );
    for (let i = 0; i < 20; i++) await answerOf(at, `after-${i}.wild.lab.internal`);
    const again = await program.until(
      'its return',
      () => new RegExp(`node ${who} starts again \\(process (\\d+)\\)`).exec(program.stdout)?.[1],
      deadline,
    );
    pids.set(who, Number(again));
    await program.until(
      'all up',
      async () => {
        const response = await fetch(`http://127.0.0.1:${apiPort}/api/v1/status`);
        const text = await response.text();
        return [...text.matchAll(/"state": ?"up"/g)].length === 3;
      },
      deadline,
    );

    program.signal('SIGINT');
    assert.deepEqual(await program.ended, { code: 0, signal: null }, program.log);
    await gone([front, ...pids.values()]);
    assert.ok(!existsSync(config));
    const silent = await askUdp(at, packet({ name: 'www.lab.internal' }), 200);
    assert.equal(silent, undefined);
  });

  test('a dead node is told as down, with the reason', { timeout: 180_000 }, async () => {
    const { program, at, pids } = await startUp('--restart', 'off', '--load', '10');
    process.kill(pids.get('nika')!, 'SIGKILL');
    await program.until('nika down', () => / {2}nika is down, was \w+: \S/.test(program.stdout), deadline);
    await answerOf(at, 'www.lab.internal');
    assert.equal((await program.stop(20_000)).code, 0);
    await gone(pids.values());
  });

  test('kill -9 of it ends all its processes', { timeout: 180_000 }, async () => {
    const { program, at, pids, front } = await startUp();
    await answerOf(at, 'www.lab.internal');
    await program.kill();
    await gone([front, ...pids.values()]);
  });

  test('the death of the front is an error, and stops the nodes', { timeout: 180_000 }, async () => {
    const { program, pids, front } = await startUp();
    process.kill(front, 'SIGKILL');
    assert.equal((await program.ended).code, 1);
    assert.match(program.stderr, /the front ended \(SIGKILL\)/);
    await gone(pids.values());
  });

  test('a port in use is named, with the option that changes it', { timeout: 60_000 }, async () => {
    const server = createServer();
    await new Promise<void>(done => server.listen(0, '127.0.0.1', done));
    const address = server.address();
    const port = address !== null && typeof address === 'object' ? address.port : 0;
    try {
      for (const [option, other] of [
        ['--port', '--api'],
        ['--api', '--port'],
      ] as const) {
        const program = new Program(chorusCommand, [
          'up',
          option,
          String(port),
          other,
          String(await freePort()),
        ]);
        assert.equal((await program.ended).code, 69);
        assert.match(
          program.stderr,
          new RegExp(`127\\.0\\.0\\.1:${port} \\(TCP\\) is in use[^]*chorus up ${option} PORT`),
        );
      }
    } finally {
      server.close();
    }
  });
});
