/** dig as an independent judge: it is served golden records over loopback, and its text is compared. */

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { goldenRecords } from '#test/golden/golden.ts';
import { requires } from '#test/support/requires.ts';
import { formatMessage } from './format.ts';
import { decodeMessage, encodeMessage, type Message, query, reply } from './message.ts';
import { parseRecord } from './record.ts';
import { className } from './types.ts';

const run = promisify(execFile);
const flat = (text: string) => text.trim().replace(/[ \t]+/g, ' ');

describe('dig prints', requires('dig'), () => {
  const socket = createSocket('udp4');
  /** What is answered; the id and questions come from the query. */
  let parts: Partial<Message> = {};

  before(async () => {
    socket.on('message', (bytes, from) => {
      const asked = decodeMessage(bytes);
      socket.send(encodeMessage(reply(asked, parts)), from.port, from.address);
    });
    socket.bind(0, '127.0.0.1');
    await once(socket, 'listening');
  });
  after(() => socket.close());

  const dig = async (...words: string[]) => {
    const server = [
      '-r',
      '@127.0.0.1',
      '-p',
      String(socket.address().port),
      '+tries=1',
      '+timeout=5',
      '+ignore',
    ];
    const { stdout } = await run('dig', [...server, '+nosplit', ...words]);
    return stdout;
  };

  test('every golden record as formatRecord does', async () => {
    const groups = new Map<string, typeof goldenRecords>();
    for (const golden of goldenRecords) {
      const klass = className(parseRecord(golden.text).class);
      // A message whose records have another class than its question looks malformed to dig.
      if (golden.dig !== null) groups.set(klass, [...(groups.get(klass) ?? []), golden]);
    }
    for (const [klass, group] of groups) {
      for (const golden of group) {
        parts = { answers: [parseRecord(golden.text)] };
        // A question for another type: dig takes any answer and shows it.
        const words = ['q.t', 'TYPE65000', ...(klass === 'ANY' ? [] : [klass])];
        const text = await dig('+noedns', '+noall', '+answer', ...words);
        const lines = text.split('\n').filter(line => !line.startsWith(';'));
        const printed = flat(lines.join('\n'));
        // Versions of dig differ in what they have names for; what they mean must be the same.
        if (golden.dig) assert.equal(printed, golden.dig);
        else if (printed !== golden.text)
          assert.deepEqual(parseRecord(printed), parseRecord(golden.text), printed);
      }
    }
  });

  const whole: readonly { readonly title: string; readonly parts: Partial<Message> }[] = [
    { title: 'flags', parts: { aa: true, ra: true, ad: true, cd: true, tc: true } },
    { title: 'a refusal', parts: { rcode: 5 } },
    {
      title: 'EDNS options and an extended response code',
      parts: {
        rcode: 23,
        edns: {
          udpSize: 4096,
          version: 0,
          do: true,
          options: [
            { kind: 'NSID', bytes: new TextEncoder().encode('node-1\u0001') },
            { kind: 'ECS', family: 1, source: 24, scope: 16, address: '192.0.2.0' },
            { kind: 'EDE', info: 22, text: 'no reply from 192.0.2.1' },
            { kind: 'EDE', info: 23, text: '' },
            { kind: 'PADDING', length: 20 },
            { kind: 'KEEPALIVE', timeout: 305 },
            { kind: 'unknown', code: 65001, bytes: Uint8Array.of(1, 0x41) },
          ],
        },
      },
    },
    {
      title: 'all sections',
      parts: {
        answers: [
          parseRecord('www.example. 300 IN A 192.0.2.1'),
          parseRecord('a.very.long.name.of.an.example. 3 A 192.0.2.1'),
        ],
        authorities: [parseRecord('example. 86400 IN NS ns.example.')],
        additionals: [parseRecord('ns.example. 1234567 IN AAAA 2001:db8::1')],
      },
    },
  ];

  for (const each of whole) {
    test(`${each.title} as formatMessage does`, async () => {
      parts = each.parts;
      const asked = query('www.example.', 'A', each.parts.edns ? { edns: {} } : {});
      const edns = each.parts.edns ? ['+edns=0', '+nocookie'] : ['+noedns'];
      const text = await dig(...edns, '+nocmd', '+nostats', 'www.example', 'A');
      const from = text.indexOf(';; ->>HEADER');
      const id = Number(/id: (\d+)/.exec(text)?.[1]);
      const ours = formatMessage(reply({ ...asked, id }, each.parts));
      const comparable = (all: string) =>
        all.split('\n').filter(line => line !== '' && !/^;; WARNING/.test(line));
      assert.deepEqual(comparable(text.slice(from)), comparable(ours));
    });
  }
});
