import assert from 'node:assert/strict';
import { test } from 'node:test';
import { comparable, essence, parseAnswers } from './clients.ts';

const dig = `;; Got answer:
;; ->>HEADER<<- opcode: QUERY, status: NOERROR, id: 42541
;; flags: qr rd ra; QUERY: 1, ANSWER: 2, AUTHORITY: 0, ADDITIONAL: 1

;; OPT PSEUDOSECTION:
; EDNS: version: 0, flags:; udp: 1232
; EDE: 22 (No Reachable Authority): (late)
;; QUESTION SECTION:
;alias.lab.example.\t\tIN\tA

;; ANSWER SECTION:
Alias.lab.example.\t3600\tIN\tCNAME\twww.lab.example.
www.lab.example.\t1800\tIN\tA\t198.51.100.10

;; Query time: 0 msec
;; SERVER: ::1#5300(::1) (UDP)
;; MSG SIZE  rcvd: 100
`;
const kdig = `;; ->>HEADER<<- opcode: QUERY; status: NXDOMAIN; id: 7
;; Flags: qr aa rd; QUERY: 1; ANSWER: 0; AUTHORITY: 0; ADDITIONAL: 0

;; QUESTION SECTION:
;; no.lab.example.    \t\tIN\tA

;; Received 33 B
;; From 192.0.2.2@53(TCP) in 0.3 ms
`;
const drill = `;; ->>HEADER<<- opcode: QUERY, rcode: NOERROR, id: 8
;; flags: qr rd ra ; QUERY: 1, ANSWER: 1, AUTHORITY: 0, ADDITIONAL: 0
;; QUESTION SECTION:
;; www.lab.example.\tIN\tA

;; ANSWER SECTION:
www.lab.example.\t3600\tIN\tA\t198.51.100.10

;; SERVER: 127.0.0.1
`;

test('what dig, kdig and drill print is taken apart', () => {
  const [first, second, third] = parseAnswers(dig + kdig + drill);
  assert.equal(first?.status, 'NOERROR');
  assert.deepEqual(first?.flags, ['qr', 'rd', 'ra']);
  assert.deepEqual(first?.question, ['alias.lab.example. IN A']);
  assert.equal(first?.answer.length, 2);
  assert.deepEqual(first?.edns, [
    'EDNS: version: 0, flags:; udp: 1232',
    'EDE: 22 (No Reachable Authority): (late)',
  ]);
  assert.deepEqual([first?.transport, first?.server], ['UDP', '::1#5300']);
  assert.deepEqual([second?.status, second?.transport, second?.server], ['NXDOMAIN', 'TCP', '192.0.2.2@53']);
  assert.deepEqual([third?.status, third?.id, third?.server], ['NOERROR', 8, '127.0.0.1']);
});

test('answers are compared without TTL, order and letter case of owners', () => {
  const [shown] = parseAnswers(dig);
  assert.ok(shown);
  assert.deepEqual(essence(shown).answer, [
    'alias.lab.example. IN CNAME www.lab.example.',
    'www.lab.example. IN A 198.51.100.10',
  ]);
  assert.equal(comparable('A.b. 1 IN TXT "X y"'), 'a.b. IN TXT "X y"');
  assert.equal(comparable('A.b. 1 IN MX 10 Mail.B.'), 'a.b. IN MX 10 mail.b.');
});
