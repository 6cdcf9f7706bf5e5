/** The units of systemd: no unknown setting, no wrong value. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { run, temporaryFolder } from './support/process.ts';
import { requires } from './support/requires.ts';

const home = join(import.meta.dirname, '..');
const units = readdirSync(join(home, 'packaging')).filter(name => name.endsWith('.service'));

test('systemd takes the units as they are', requires('systemd-analyze'), async () => {
  assert.deepEqual(units, ['chorus-node.service', 'chorus.service']);
  const folder = temporaryFolder('units');
  for (const unit of units) {
    const text = readFileSync(join(home, 'packaging', unit), 'utf8');
    // Where the package puts it there is nothing on this machine.
    const file = join(folder, unit);
    writeFileSync(file, text.replaceAll('/opt/chorus/bin/chorus', join(home, 'bin/chorus')));
    const { code, stdout, stderr } = await run('systemd-analyze', ['verify', '--man=no', file]);
    assert.equal(stdout + stderr, '', unit);
    assert.equal(code, 0, unit);
  }
});

test('what is fatal ends the unit, and a stop has time', () => {
  for (const unit of units) {
    const text = readFileSync(join(home, 'packaging', unit), 'utf8');
    for (const line of [
      'Type=exec',
      'RestartPreventExitStatus=64 78',
      'KillMode=mixed',
      'StateDirectory=chorus',
    ])
      assert.ok(text.split('\n').includes(line), `${unit}: ${line}`);
  }
});
