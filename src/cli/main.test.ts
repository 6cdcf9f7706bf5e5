import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Command } from 'commander';
import { ChorusError, exitCodes } from '#kit/errors.ts';
import { version } from '#kit/version.ts';
import { connect } from './client.ts';
import { integer, table } from './command.ts';
import { program } from './main.ts';

const main = new URL('./main.ts', import.meta.url).pathname;

type Ended = { code: number | null; out: string; err: string };
async function chorus(args: readonly string[], environment: Record<string, string> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = { code: null, out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', chunk => {
    ended.out += chunk;
  });
  child.stderr.setEncoding('utf8').on('data', chunk => {
    ended.err += chunk;
  });
  const [code] = await once(child, 'close');
  return { ...ended, code };
}

/** What the stand-in for the API answers next, and what it was asked. */
let next: { status: number; body: string } = { status: 200, body: '{}' };
const asked: string[] = [];
const server = createServer((request: IncomingMessage, response: ServerResponse) => {
  let body = '';
  request.setEncoding('utf8').on('data', chunk => {
    body += chunk;
  });
  request.on('end', () => {
    asked.push(`${request.method} ${request.url} ${body}`.trim());
    response.writeHead(next.status, { 'content-type': 'application/json' }).end(next.body);
  });
});
let api = '';
before(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  api = `127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
});
after(() => server.close());
const answer = (value: unknown, status = 200) => {
  next = { status, body: JSON.stringify(value) };
  asked.length = 0;
};

/** All commands with something to do, with their names in full. */
function leaves(command: Command, before = ''): { name: string; command: Command }[] {
  const name = `${before}${command.name()}`;
  if (command.commands.length === 0) return [{ name, command }];
  return command.commands.flatMap(child => leaves(child, `${name} `));
}

test('the version is that of package.json', async () => {
  const file = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  assert.equal(version, file.version);
  const { code, out } = await chorus(['--version']);
  assert.deepEqual([code, out], [0, `${version}\n`]);
});

test('every command has a summary and examples that its own options can be parsed from', () => {
  const all = leaves(program());
  assert.ok(all.length >= 12);
  for (const { name, command } of all) {
    assert.match(command.summary(), /^[a-z].*[^.]$/, name);
    let help = '';
    command.configureOutput({
      writeOut: text => {
        help += text;
      },
    });
    command.outputHelp();
    const examples = [...help.matchAll(/^ {2}\$ (chorus .*)$/gm)].map(([, line = '']) => line);
    assert.ok(examples.length > 0, `${name} has no example`);
    for (const example of examples) {
      assert.ok(`${example} `.startsWith(`${name} `), `${example} is not of ${name}`);
      for (const [option] of example.matchAll(/(?<= )--[a-z-]+/g)) {
        assert.ok(
          command.options.some(({ long }) => long === option),
          `${example}: ${name} has no ${option}`,
        );
      }
    }
    assert.ok(
      command.options.some(({ long }) => long === '--debug'),
      `${name} has no --debug`,
    );
  }
});

test('mistakes in usage end with 64, a line and a suggestion', async () => {
  const cases: [string[], RegExp][] = [
    [['stauts'], /unknown command 'stauts'.*Did you mean status\?/],
    [['status', '--jsn'], /unknown option '--jsn'.*Did you mean --json\?/],
    [['serve'], /required option '-c, --config <file>' not specified/],
    [['backend', 'up'], /missing required argument 'name'/],
    [['cache', 'flush', '--subtree'], /--subtree needs a name/],
    [['status', '--api', 'no address'], /--api no address: expected ADDRESS:PORT/],
  ];
  for (const [args, expected] of cases) {
    const { code, out, err } = await chorus(args);
    assert.equal(code, exitCodes.usage, err);
    assert.equal(out, '');
    const [line = ''] = err.split('\n');
    assert.match(line, expected);
    assert.match(line, /^chorus: /);
    assert.doesNotMatch(err, / {4}at /);
  }
});

test('an option after the name of a command is for that command, not for the one above it', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'chorus-cli-'));
  const place = ['--address', '10.0.1.11', '--service', '192.0.2.53', '--routing', 'none', '--out', folder];
  const { code, out, err } = await chorus(['node', 'init', 'bind', '--name', 'kai', ...place, '--json']);
  rmSync(folder, { recursive: true });
  assert.equal(code, exitCodes.ok, err);
  assert.match(out, /"name": "kai"/);
});

test('a group without a command shows its commands and ends with 64', async () => {
  const { code, err } = await chorus(['backend']);
  assert.equal(code, exitCodes.usage);
  assert.match(err, /drain \[options\] <name>/);
});

test('an API that does not answer ends with 69', async () => {
  const { code, err } = await chorus(['status', '--api', '127.0.0.1:1']);
  assert.equal(code, exitCodes.unavailable);
  assert.match(err, /^chorus: no Chorus answers at http:\/\/127\.0\.0\.1:1: connection refused\n/);
});

test('an error of the API is shown as it was thrown there', async () => {
  const error = new ChorusError('BACKEND_UNKNOWN', { name: 'kay' });
  const { code, message, remedy, details } = error;
  answer({ code, message, remedy, details }, 404);
  const got = await chorus(['backend', 'down', 'kay'], { CHORUS_API: api });
  assert.equal(got.code, error.exit);
  assert.equal(got.err, `chorus: ${message}\n${remedy}\n`);
});

test('an unknown error of the API, and something that is no API', async () => {
  const client = await connect({ api });
  answer({ code: 'NEW_ONE', message: 'something new' }, 400);
  await assert.rejects(client.get('/x'), { message: 'something new' });
  next = { status: 200, body: '<html>' };
  await assert.rejects(client.get('/x'), /what answers there is not Chorus/);
});

test('commands ask the API for the right things', async () => {
  answer({ pool: 'default', backend: 'kai', state: 'draining', forced: 'draining' });
  const drained = await chorus(['backend', 'drain', 'default/kai', '--api', api]);
  assert.equal(drained.out, 'default/kai is draining (draining by the operator)\n');
  assert.deepEqual(asked, ['POST /api/v1/backends/default/kai/drain {}']);

  answer({ flushed: 2 });
  const flushed = await chorus(['cache', 'flush', 'example.net', '--subtree', '--json', '--api', api]);
  assert.deepEqual(JSON.parse(flushed.out), { flushed: 2 });
  assert.deepEqual(asked, ['POST /api/v1/cache/flush {"name":"example.net","subtree":true}']);

  answer({ generation: 3, changes: ['udp-size: 1232 → 1400'], needsRestart: ['workers'], warnings: ['x'] });
  const reloaded = await chorus(['reload', '--api', api]);
  assert.equal(
    reloaded.out,
    'reloaded (generation 3)\n  udp-size: 1232 → 1400\nneeds a restart: workers\nnote: x\n',
  );
});

test('where the API is: --api before CHORUS_API, wildcard as loopback, names looked up', async () => {
  const at = async (options: { api?: string }, environment = {}) =>
    (await connect(options, environment)).endpoint;
  assert.deepEqual(await at({}), { address: '127.0.0.1', port: 8053 });
  assert.deepEqual(await at({}, { CHORUS_API: '[::1]:9000' }), { address: '::1', port: 9000 });
  assert.deepEqual(await at({ api: '192.0.2.1' }, { CHORUS_API: 'x:1' }), {
    address: '192.0.2.1',
    port: 8053,
  });
  assert.deepEqual(await at({ api: 'http://0.0.0.0:80/' }), { address: '127.0.0.1', port: 80 });
  assert.equal((await at({ api: 'localhost:9000' })).port, 9000);
});

test('whole numbers within bounds', () => {
  const parse = integer(1, 100);
  assert.equal(parse('100'), 100);
  for (const text of ['0', '101', '1.5', '1e1', '', ' 1', '-1', 'x']) assert.throws(() => parse(text));
});

test('tables align cells, numbers to the right, colours not counted', () => {
  const rows = [
    ['name', 'n'],
    ['\u001b[31mred\u001b[39m', '1000'],
  ];
  assert.equal(table(rows, [1]), 'name     n\n\u001b[31mred\u001b[39m   1000');
});

test('who watches the status sees the end and the next start', async () => {
  // A connection that ends without an answer: what a Chorus that stops leaves behind.
  let silent = false;
  const front = createServer((_, response) => {
    if (silent) response.destroy();
    else response.writeHead(200, { 'content-type': 'application/json' }).end('{"version":"x"}');
  });
  front.listen(0, '127.0.0.1');
  await once(front, 'listening');
  const address = front.address();
  const port = typeof address === 'object' ? address?.port : 0;
  const child = spawn(process.execPath, [main, 'status', '--watch', '--json', '--api', `127.0.0.1:${port}`]);
  try {
    await once(child.stdout, 'data');
    silent = true;
    const [told] = await once(child.stderr, 'data');
    assert.match(String(told), /no Chorus answers/);
    silent = false;
    await once(child.stdout, 'data');
    assert.equal(child.exitCode, null);
  } finally {
    child.kill();
    await once(child, 'close');
    front.close();
  }
});
