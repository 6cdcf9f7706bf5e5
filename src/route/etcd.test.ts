import assert from 'node:assert/strict';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, test } from 'node:test';
import { EtcdClient, LeaseGone } from './etcd.ts';
import type { WatchMessage } from './etcd-messages.ts';

type Asked = { readonly path: string; readonly body: unknown; readonly token: string | undefined };

const wait = (ms: number, then: () => void) => {
  const timer = setTimeout(then, ms);
  return () => clearTimeout(timer);
};
const servers: Server[] = [];
const clients: EtcdClient[] = [];

/** A server that says what a test wants. */
async function server(answer: (asked: Asked, response: ServerResponse) => void): Promise<string> {
  const made = createServer((request, response) => {
    let text = '';
    request.setEncoding('utf8').on('data', (part: string) => {
      text += part;
    });
    request.on('end', () =>
      answer(
        { path: request.url ?? '', body: JSON.parse(text) as unknown, token: request.headers.authorization },
        response,
      ),
    );
  });
  servers.push(made);
  await new Promise<void>(resolve => made.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(made.address() as AddressInfo).port}`;
}

function client(
  urls: readonly string[],
  more: { timeout?: number; auth?: { user: string; password: string } } = {},
) {
  const tls = { ca: null, cert: null, key: null };
  const made = new EtcdClient({ urls, tls, timeout: more.timeout ?? 5000, auth: more.auth ?? null }, wait);
  clients.push(made);
  return made;
}

afterEach(() => {
  for (const made of clients.splice(0)) made.close();
  for (const made of servers.splice(0)) {
    made.closeAllConnections();
    made.close();
  }
});

const header = { revision: '3' };

describe('the client of etcd', () => {
  test('asks in JSON and keeps the connection', async () => {
    const asked: Asked[] = [];
    const ports = new Set<number | undefined>();
    const url = await server((request, response) => {
      asked.push(request);
      ports.add(response.socket?.remotePort);
      response.end(JSON.stringify({ header, ID: '7', TTL: '5' }));
    });
    const etcd = client([url]);
    for (let i = 0; i < 3; i++) assert.deepEqual(await etcd.grant(5), { lease: '7', ttl: 5 });
    assert.deepEqual(asked[0], { path: '/v3/lease/grant', body: { TTL: '5' }, token: undefined });
    assert.equal(ports.size, 1);
  });

  test('goes to the next server after each kind of failure', async () => {
    const silent = await server(() => {});
    const broken = await server((_, response) => void response.socket?.destroy());
    const half = await server((_, response) => {
      response.writeHead(200, { 'content-length': 100 });
      response.write('{"header"');
      response.socket?.end();
    });
    const garbage = await server((_, response) => void response.end('<html>'));
    const other = await server((_, response) => void response.end('{"header":{}}'));
    const refusing = await server((_, response) => {
      response.statusCode = 503;
      response.end('{"error":"etcdserver: no leader","code":14}');
    });
    const endless = await server((_, response) => {
      const part = Buffer.alloc(2 ** 20, 0x20);
      const more = () => {
        while (response.write(part) && !response.destroyed);
      };
      response.on('drain', more);
      more();
    });
    const good = await server((_, response) => void response.end(JSON.stringify({ header })));
    const etcd = client([silent, broken, half, garbage, other, refusing, endless, good], { timeout: 3000 });
    const codes: string[] = [];
    for (let i = 0; i < 7; i++)
      await etcd.range('/a/').catch((error: { code: string; message: string }) => codes.push(error.code));
    assert.deepEqual(codes, [
      'ETCD_UNREACHABLE',
      'ETCD_UNREACHABLE',
      'ETCD_UNREACHABLE',
      'ETCD_REPLY',
      'ETCD_REPLY',
      'ETCD_REFUSED',
      'ETCD_UNREACHABLE',
    ]);
    assert.deepEqual(await etcd.range('/a/'), { revision: 3, rows: [], more: false });
    assert.equal(etcd.url, good, 'and stays with one that answers');
  });

  test('tells a lease that is gone from other refusals', async () => {
    const url = await server((_, response) => {
      response.statusCode = 404;
      response.end('{"error":"etcdserver: requested lease not found","code":5}');
    });
    const change = { put: '/a/b', value: '', lease: '7' };
    await assert.rejects(client([url]).txn({ compare: [], change, otherwise: '/a/' }), LeaseGone);
  });

  test('logs in once, and again when the token has ended', async () => {
    let tokens = 0;
    const url = await server(({ path, token, body }, response) => {
      if (path === '/v3/auth/authenticate') {
        assert.deepEqual(body, { name: 'chorus', password: 'word' });
        return void response.end(JSON.stringify({ header, token: `t${++tokens}` }));
      }
      if (token !== `t${Math.max(tokens, 1)}` || (tokens === 1 && seen++ > 1)) {
        response.statusCode = 401;
        return void response.end('{"error":"etcdserver: invalid auth token","code":16}');
      }
      response.end(JSON.stringify({ header }));
    });
    let seen = 0;
    const etcd = client([url], { auth: { user: 'chorus', password: 'word' } });
    for (let i = 0; i < 4; i++) await etcd.range('/a/');
    assert.equal(tokens, 2);
  });

  test('a watch tells what comes line by line, however it is cut, and its end once', async () => {
    const kv = { key: 'L2EvYg==', mod_revision: '4', value: 'eA==' };
    const lines = `${JSON.stringify({ result: { header, created: true } })}\n${JSON.stringify({ result: { header: { revision: '4' }, events: [{ kv }] } })}\n`;
    const url = await server((_, response) => {
      const parts = Array.from({ length: Math.ceil(lines.length / 7) }, (__, i) =>
        lines.slice(i * 7, i * 7 + 7),
      );
      const next = () => {
        const part = parts.shift();
        if (part === undefined) response.end('{"error":{"message":"closing"}}\n');
        else response.write(part, next);
      };
      next();
    });
    const told: WatchMessage[] = [];
    await new Promise<void>(resolve => {
      client([url]).watch('/a/', 4, message => {
        told.push(message);
        if (message.kind === 'over') resolve();
      });
    });
    assert.deepEqual(told, [
      {
        kind: 'changes',
        revision: 4,
        changes: [{ key: '/a/b', mod: 4, row: { key: '/a/b', value: 'x', mod: 4, lease: '0' } }],
      },
      { kind: 'over', reason: 'closing' },
    ]);
  });

  test('a watch of garbage, of an endless line, of nothing, or refused is over', async () => {
    const answers: ((response: ServerResponse) => void)[] = [
      response => void response.end('{"result":{"events":7}}\n'),
      response => void response.end('no JSON\n'),
      response => {
        const part = Buffer.alloc(2 ** 20, 0x78);
        const more = () => {
          while (response.write(part) && !response.destroyed);
        };
        response.on('drain', more);
        more();
      },
      () => {},
      response => {
        response.statusCode = 500;
        response.end();
      },
      response => void response.socket?.destroy(),
    ];
    for (const answer of answers) {
      const url = await server((_, response) => answer(response));
      let over = 0;
      await new Promise<void>(resolve => {
        client([url], { timeout: 1000 }).watch('/a/', 1, ({ kind }) => {
          assert.equal(kind, 'over');
          over++;
          resolve();
        });
      });
      assert.equal(over, 1);
    }
  });

  test('a watch of a server that hangs is over when a request to it fails', async () => {
    const url = await server(({ path }, response) => {
      if (path === '/v3/watch') response.write('{"result":{"header":{"revision":"3"},"created":true}}\n');
    });
    const etcd = client([url], { timeout: 300 });
    const over = new Promise<WatchMessage>(resolve => etcd.watch('/a/', 1, resolve));
    await assert.rejects(etcd.range('/a/'), { code: 'ETCD_UNREACHABLE' });
    assert.equal((await over).kind, 'over');
  });

  test('a watch that was ended tells nothing more, and close ends all', async () => {
    const url = await server(
      (_, response) => void response.write('{"result":{"header":{"revision":"3"}}}\n'),
    );
    const etcd = client([url]);
    const end = etcd.watch('/a/', 1, () => assert.fail('it was ended'));
    end();
    const hanging = etcd.range('/b/');
    etcd.close();
    await assert.rejects(hanging, { code: 'ETCD_UNREACHABLE' });
    await assert.rejects(etcd.range('/c/'), { code: 'ETCD_UNREACHABLE' });
  });
});
