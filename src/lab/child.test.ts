import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { poll } from '#test/support/poll.ts';
import { freePort } from '#test/support/ports.ts';
import { temporaryFolder } from '#test/support/process.ts';
import { Child } from './child.ts';

const folder = temporaryFolder('child');
const childModule = new URL('./child.ts', import.meta.url).href;

/** Whether a process runs; one that has ended and waits for its parent does not. */
function alive(pid: number): boolean {
  try {
    return !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
}

test('runs a command with its output in a log, and stops', async () => {
  const port = await freePort();
  const child = new Child(
    ['node', '--listen', `127.0.0.1:${port}`, '--name', 'kai'],
    join(folder, 'kai.log'),
  );
  await poll('the node', () => child.lastLines(1)[0] === `node kai answers on 127.0.0.1:${port}`);
  assert.equal(child.end, undefined);
  assert.equal(await child.stop(10_000), 'exit code 0');
  assert.equal(alive(child.pid), false);
});

test('tells how a child ended', async () => {
  const child = new Child(['no-such-command'], join(folder, 'bad.log'));
  assert.equal(await child.ended, 'exit code 64');
  assert.match(child.lastLines(10).join('\n'), /no-such-command/);
});

test('a child ends when its parent is killed', async () => {
  const port = await freePort();
  const log = join(folder, 'orphan.log');
  const program = `
    import { Child } from ${JSON.stringify(childModule)};
    const child = new Child(['node', '--listen', '127.0.0.1:${port}', '--name', 'kai'], ${JSON.stringify(log)});
    console.log(child.pid);
    setInterval(() => {}, 1000);`;
  const args = ['--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program];
  const parent = spawn(process.execPath, args, {
    cwd: import.meta.dirname,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  parent.stdout.on('data', bytes => {
    said += String(bytes);
  });
  try {
    const pid = Number(await poll('the pid', () => /^(\d+)\n/.exec(said)?.[1]));
    assert.ok(alive(pid));
    parent.kill('SIGKILL');
    await once(parent, 'exit');
    await poll('the end of the child', () => !alive(pid));
  } finally {
    parent.kill('SIGKILL');
  }
});
