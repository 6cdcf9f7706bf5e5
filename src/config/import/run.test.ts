import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { ChorusError } from '#kit/errors.ts';
import { runImport } from './run.ts';

const folder = mkdtempSync(join(tmpdir(), 'chorus-import-'));
after(() => rmSync(folder, { recursive: true }));

const file = join(folder, 'keepalived.conf');
mkdirSync(join(folder, 'conf.d'));
writeFileSync(file, '! Latin-1: \xe9\nvirtual_server 192.0.2.1 53 {\ninclude conf.d/*.conf\n}\n', 'latin1');
writeFileSync(
  join(folder, 'conf.d', 'kai.conf'),
  'real_server 10.0.0.1 53 {\n@there weight 9\nDNS_CHECK {\n}\n}\n',
);

const code = (act: () => void): [string, number] => {
  try {
    act();
  } catch (error) {
    if (error instanceof ChorusError) return [error.code, error.exit];
    throw error;
  }
  return assert.fail('no error');
};

test('a file with what it includes; 0 when nothing was dropped, 1 when something was', () => {
  const got = runImport(file, {});
  assert.equal(got.exit, 0);
  assert.match(got.configuration, /name: 10.0.0.1, address: 10.0.0.1:53 \} # line 1 of .*conf.d\/kai.conf/);
  assert.match(runImport(file, { configId: 'there' }).configuration, /weight: 9/);
  const other = join(folder, 'other.conf');
  writeFileSync(other, 'virtual_server 192.0.2.1 53 {\nquorum 2\nreal_server 10.0.0.1 53 { }\n}\n');
  assert.equal(runImport(other, {}).exit, 1);
});

test('what exists is not written over, unless --force says so', () => {
  const output = join(folder, 'chorus.yaml');
  const report = join(folder, 'report.txt');
  const { configuration } = runImport(file, { output, report });
  assert.equal(readFileSync(output, 'utf8'), configuration);
  assert.match(readFileSync(report, 'utf8'), /^dropped: nothing$/m);
  assert.deepEqual(
    code(() => runImport(file, { output })),
    ['FILE_EXISTS', 64],
  );
  runImport(file, { output, force: true, listen: ['192.0.2.9'] });
  assert.match(readFileSync(output, 'utf8'), /192.0.2.9:53/);
});

test('nothing is written when one of the files cannot be', () => {
  const output = join(folder, 'new.yaml');
  const report = join(folder, 'report.txt');
  writeFileSync(report, 'mine');
  assert.deepEqual(
    code(() => runImport(file, { output, report })),
    ['FILE_EXISTS', 64],
  );
  assert.equal(readFileSync(report, 'utf8'), 'mine');
  assert.throws(() => readFileSync(output), /ENOENT/);
});

test('files that cannot be read or written are told', () => {
  assert.deepEqual(
    code(() => runImport(join(folder, 'none.conf'), {})),
    ['CONFIG_UNREADABLE', 78],
  );
  assert.deepEqual(
    code(() => runImport(folder, {})),
    ['CONFIG_UNREADABLE', 78],
  );
  assert.deepEqual(
    code(() => runImport(file, { output: join(folder, 'no', 'chorus.yaml') })),
    ['FILE_UNWRITABLE', 71],
  );
  assert.deepEqual(
    code(() => runImport(file, { listen: ['eth0'] })),
    ['USAGE', 64],
  );
  const broken = join(folder, 'broken.conf');
  writeFileSync(broken, 'virtual_server 192.0.2.1 53 {\n');
  chmodSync(broken, 0o600);
  assert.deepEqual(
    code(() => runImport(broken, {})),
    ['IMPORT_INVALID', 65],
  );
});
