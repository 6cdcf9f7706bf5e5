import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { systemClock } from '#health/clock.ts';
import { Output } from './output.ts';
import { commandLine, endLeftBehind, type LaunchPlan, launch, leftBehind } from './process.ts';
import type { ServerEnd, ServerProcess } from './supervisor.ts';

const folder = mkdtempSync(join(tmpdir(), 'chorus-process-'));
after(() => rmSync(folder, { recursive: true }));
const pidFile = join(folder, 'server.pid');
const found = (name: string) => ({ path: `/usr/bin/${name}` });
const plan = (command: string[], more: Partial<LaunchPlan> = {}): LaunchPlan => ({
  command,
  environment: {},
  account: null,
  folder,
  config: null,
  pidFile,
  ...more,
});

function begin(command: string[], more: Partial<LaunchPlan> = {}) {
  const output = new Output(
    () => 0,
    () => {},
    () => {},
  );
  let child: ServerProcess | undefined;
  const ended = new Promise<ServerEnd>(resolve => {
    child = launch(plan(command, more), output, resolve, { taken: () => null, onUntied: () => {} });
  });
  return { output, ended, child: child! };
}

describe('the command line', () => {
  const account = { user: 'bind', uid: 104, gid: 107 };
  test('setpriv ties the server to us', () => {
    assert.deepEqual(commandLine(plan(['named', '-g']), false, found), {
      words: ['/usr/bin/setpriv', '--pdeathsig=KILL', '--', '/usr/bin/named', '-g'],
      tied: true,
    });
  });
  test('another user gets the right to open port 53 and no other', () => {
    const line = commandLine(plan(['named', '-g'], { account }), true, found);
    assert.deepEqual('words' in line && line.words.slice(2, 7), [
      '--reuid=104',
      '--regid=107',
      '--init-groups',
      '--inh-caps=-all,+net_bind_service',
      '--ambient-caps=-all,+net_bind_service',
    ]);
    assert.deepEqual(commandLine(plan(['named'], { account }), false, found), {
      reason: 'only root can run it as the user bind',
    });
  });
  test('without setpriv it is not tied, and has no other user', () => {
    const none = (name: string) => (name === 'setpriv' ? { reason: 'no setpriv' } : found(name));
    assert.deepEqual(commandLine(plan(['named']), true, none), { words: ['/usr/bin/named'], tied: false });
    assert.ok('reason' in commandLine(plan(['named'], { account }), true, none));
  });
});

describe('a server process', () => {
  test('its output and its exit code are heard', async () => {
    const { output, ended } = begin(['sh', '-c', 'echo one; echo two >&2; exit 3']);
    assert.deepEqual(await ended, { code: 3, signal: null });
    assert.deepEqual([...output.last].sort(), ['one', 'two']);
  });

  test('it ends by a signal, and what it started ends with it', async () => {
    const { ended, child, output } = begin(['sh', '-c', 'sleep 1000 & echo $!; wait']);
    while (output.last.length === 0) await new Promise(resolve => systemClock.wait(10, () => resolve(null)));
    const grandchild = Number(output.last[0]);
    assert.equal(leftBehind(pidFile), child.pid);
    child.signal('SIGTERM');
    assert.deepEqual(await ended, { code: null, signal: 'SIGTERM' });
    assert.equal(leftBehind(pidFile), null);
    while (alive(grandchild)) await new Promise(resolve => systemClock.wait(10, () => resolve(null)));
    child.signal('SIGKILL');
  });

  test('its end is heard though its file cannot be removed', async () => {
    const file = join(folder, 'stuck.pid');
    const { ended, child } = begin(['sleep', '1000'], { pidFile: file });
    // As good as a disk that takes no writes any more.
    rmSync(file);
    mkdirSync(file);
    child.signal('SIGTERM');
    assert.deepEqual(await ended, { code: null, signal: 'SIGTERM' });
  });

  test('what cannot be started is told', async () => {
    const { ended, child } = begin(['/nonexistent/named']);
    assert.equal(child.pid, null);
    assert.deepEqual(await ended, { failed: 'there is no program /nonexistent/named' });
    const without = begin(['sleep', '1000'], { config: '/nonexistent/named.conf' });
    assert.deepEqual(await without.ended, {
      failed: 'there is no /nonexistent/named.conf (`server: config:`)',
    });
  });
});

describe('what an earlier Chorus left behind', () => {
  test('is ended by the file that it kept', async () => {
    const file = join(folder, 'old.pid');
    const left = spawn('sleep', ['1000'], { stdio: 'ignore' });
    const gone = new Promise(resolve => left.once('exit', resolve));
    const began = readFileSync(`/proc/${left.pid}/stat`, 'latin1').split(') ')[1]!.split(' ')[19];
    writeFileSync(file, `${left.pid} ${began}\n`);
    assert.equal(leftBehind(file), left.pid);
    assert.equal(await endLeftBehind(file, 5000, systemClock), left.pid);
    await gone;
    assert.equal(await endLeftBehind(file, 5000, systemClock), null);
  });

  test('is not mistaken for another process with the same pid, nor is a file that says something else', () => {
    const file = join(folder, 'bad.pid');
    for (const text of [`${process.pid} 1\n`, '1 1\n', '-1 5\n', 'x', '', '0 0\n', '9'.repeat(100_000)]) {
      writeFileSync(file, text);
      assert.equal(leftBehind(file), null, text.slice(0, 20));
    }
    assert.equal(leftBehind(join(folder, 'missing')), null);
  });
});

/** Runs, and is not only still to be buried. */
function alive(pid: number): boolean {
  try {
    return !/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}
