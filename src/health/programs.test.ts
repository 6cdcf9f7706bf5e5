import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Ended,
  type FileFacts,
  type FileView,
  findProgram,
  keptOutput,
  SystemPrograms,
} from './programs.ts';

const ours = (mode = 0o755): FileFacts => ({ uid: 0, mode, file: false });
const view = (files: Record<string, FileFacts>, links: Record<string, string> = {}): FileView => ({
  facts: path => files[links[path] ?? path],
  real: path => (files[links[path] ?? path] ? (links[path] ?? path) : undefined),
  executable: path => ((files[path]?.mode ?? 0) & 0o111) !== 0,
});
const check = { uid: 0, mode: 0o755, file: true };
const found = (name: string, root: boolean, files: FileView) => {
  const result = findProgram(name, root, files);
  return 'path' in result ? result.path : result.reason;
};

test('root runs no program that another user could change, by whatever folder or link', () => {
  const files = { '/': ours(), '/x': ours(), '/x/check': check };
  assert.equal(found('/x/check', true, view(files)), '/x/check');
  const refused = (changed: Record<string, FileFacts>, links = {}) =>
    found('/x/check', true, view({ ...files, ...changed }, links));
  const reason = (path: string) => `root does not run /x/check: others than root may change ${path}`;
  assert.equal(refused({ '/x/check': { ...check, uid: 1000 } }), reason('/x/check'));
  assert.equal(refused({ '/x/check': { ...check, mode: 0o775 } }), reason('/x/check'));
  assert.equal(refused({ '/x/check': { ...check, mode: 0o757 } }), reason('/x/check'));
  assert.equal(refused({ '/x': ours(0o777) }), reason('/x'));
  assert.equal(refused({ '/': { ...ours(), uid: 7 } }), reason('/'));
  const linked = { '/tmp': ours(0o1777), '/tmp/check': check };
  assert.equal(refused(linked, { '/x/check': '/tmp/check' }), reason('/tmp'));
  assert.equal(found('/x/check', false, view({ ...files, '/x': ours(0o777) })), '/x/check');
});

test('a program is looked for where programs are, and must be there', () => {
  const files = { '/': ours(), '/usr': ours(), '/usr/bin': ours(), '/usr/bin/dig': check };
  assert.equal(found('dig', true, view(files)), '/usr/bin/dig');
  assert.equal(found('host', true, view(files)), 'there is no program host');
  assert.equal(found('/usr/bin', true, view(files)), 'there is no program /usr/bin');
  const dull = view({ ...files, '/usr/bin/dig': { ...check, mode: 0o644 } });
  assert.equal(found('dig', false, dull), '/usr/bin/dig cannot be executed by this user');
});

type Told = { ended?: Ended; failed?: string; output: string };

function run(programs: SystemPrograms, command: readonly string[], environment = {}) {
  const told: Told = { output: '' };
  let close = () => {};
  let heard = () => {};
  const begun = new Promise<void>(resolve => {
    heard = resolve;
  });
  const over = new Promise<Told>(resolve => {
    close = programs.run(command, environment, {
      output: text => {
        told.output = text;
        heard();
      },
      ended: how => resolve(Object.assign(told, { ended: how })),
      failed: reason => resolve(Object.assign(told, { failed: reason })),
    });
  });
  return { over, begun, close };
}

const shell = (script: string, programs = new SystemPrograms(), environment = {}) =>
  run(programs, ['/bin/sh', '-c', script], environment);

test('exit code, signal, output of both streams', async () => {
  assert.deepEqual(await shell('echo one; echo two >&2; exit 3').over, {
    ended: { code: 3, signal: null },
    output: 'one\ntwo\n',
  });
  assert.deepEqual((await shell('kill -9 $$').over).ended, { code: null, signal: 'SIGKILL' });
});

test('no shell, no input, a short environment', async () => {
  const programs = new SystemPrograms();
  assert.equal((await run(programs, ['echo', '$HOME; x', '>y']).over).output, '$HOME; x >y\n');
  assert.deepEqual((await run(programs, ['cat']).over).ended, { code: 0, signal: null });
  const { output } = await run(programs, ['env'], { CHORUS_PORT: '53' }).over;
  assert.deepEqual(
    output
      .trim()
      .split('\n')
      .map(line => line.split('=')[0])
      .sort(),
    ['CHORUS_PORT', 'LC_ALL', 'PATH'],
  );
});

test('of much output the beginning is kept', async () => {
  const { output, ended } = await shell('head -c 3000000 /dev/zero | tr "\\0" x').over;
  assert.deepEqual(ended, { code: 0, signal: null });
  assert.equal(output, 'x'.repeat(keptOutput));
});

test('what cannot be run is told, and no more than so many run', async () => {
  const programs = new SystemPrograms(1);
  assert.equal((await run(programs, ['/no/such']).over).failed, 'there is no program /no/such');
  const first = shell('echo up; exec sleep 100', programs);
  await first.begun;
  assert.equal(programs.running, 1);
  assert.equal((await run(programs, ['/bin/true']).over).failed, '1 programs run already');
  first.close();
});

test('closing ends the program and those that it started, and nothing more is heard', async () => {
  const programs = new SystemPrograms();
  // The inner one holds the pipe open until it is gone; the reader of the pipe then ends.
  const { begun, close, over } = shell('trap "" TERM; (trap "" TERM; sleep 100) & echo $!; wait', programs);
  await begun;
  let told = false;
  void over.then(() => {
    told = true;
  });
  close();
  while (programs.running > 0) await new Promise(resolve => setImmediate(resolve));
  assert.equal(told, false);
});

test('a program that leaves another behind has ended', async () => {
  const { ended } = await shell('sleep 100 & exit 0').over;
  assert.deepEqual(ended, { code: 0, signal: null });
});
