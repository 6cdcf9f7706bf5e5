import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Message, type QueryOptions, query } from '#wire/message.ts';
import { formatRecord } from '#wire/record.ts';
import { classes, opcodes, rcodeName, rcodes, types } from '#wire/types.ts';
import { answer } from './answer.ts';
import { labZoneFile, loadZone } from './zone-file.ts';

const authority = { zone: loadZone(labZoneFile, 'kai'), identity: 'kai' };
const all = (name: string, type: string, options?: QueryOptions) =>
  answer(query(name, type, options), authority, 'tcp');
const ask = (name: string, type: string, options?: QueryOptions): Message => {
  const messages = all(name, type, options);
  assert.equal(messages.length, 1);
  return messages[0]!;
};
const lines = (records: Message['answers']) => records.map(formatRecord);

describe('good answers', () => {
  const cases: readonly [name: string, type: string, answers: string[]][] = [
    ['www.lab.internal', 'A', ['www.lab.internal. 60 IN A 192.0.2.80']],
    ['www.lab.internal', 'AAAA', ['www.lab.internal. 60 IN AAAA 2001:db8::80']],
    ['lab.internal', 'TXT', ['lab.internal. 60 IN TXT "v=spf1 mx -all"']],
    ['x9.wild.lab.internal', 'A', ['x9.wild.lab.internal. 60 IN A 192.0.2.100']],
    [
      'chain.lab.internal',
      'A',
      [
        'chain.lab.internal. 60 IN CNAME alias.lab.internal.',
        'alias.lab.internal. 60 IN CNAME www.lab.internal.',
        'www.lab.internal. 60 IN A 192.0.2.80',
      ],
    ],
    ['alias.lab.internal', 'CNAME', ['alias.lab.internal. 60 IN CNAME www.lab.internal.']],
    ['outside.lab.internal', 'A', ['outside.lab.internal. 60 IN CNAME www.example.com.']],
    ['whoami.lab.internal', 'TXT', ['whoami.lab.internal. 0 IN TXT "kai"']],
  ];
  for (const [name, type, answers] of cases) {
    test(`${name} ${type}`, () => {
      const message = ask(name, type, { id: 77 });
      assert.deepEqual(
        [message.id, message.qr, message.aa, message.ra, message.tc],
        [77, true, true, false, false],
      );
      assert.equal(message.rcode, rcodes.NOERROR);
      assert.deepEqual(lines(message.answers), answers);
    });
  }

  test('MX and SRV come with the addresses of their hosts', () => {
    assert.equal(ask('lab.internal', 'MX').additionals.length, 3);
    const srv = ask('_sip._udp.lab.internal', 'SRV');
    assert.deepEqual([srv.answers.length, srv.additionals.length], [2, 2]);
  });

  test('an alias that goes round ends', () => {
    const message = ask('circle1.lab.internal', 'A');
    assert.equal(message.rcode, rcodes.NOERROR);
    assert.equal(message.answers.length, 2);
  });

  test('a zone below gives a referral with glue, without AA', () => {
    const message = ask('www.child.lab.internal', 'A');
    assert.deepEqual([message.aa, message.answers.length], [false, 0]);
    assert.deepEqual(lines(message.authorities), ['child.lab.internal. 60 IN NS ns.child.lab.internal.']);
    assert.equal(message.additionals.length, 1);
  });
});

describe('negative answers', () => {
  for (const [name, type, rcode] of [
    ['nowhere.lab.internal', 'A', 'NXDOMAIN'],
    ['dangling.lab.internal', 'A', 'NXDOMAIN'],
    ['www.lab.internal', 'MX', 'NOERROR'],
    ['alias.lab.internal', 'MX', 'NOERROR'],
    ['backup.lab.internal', 'A', 'NOERROR'],
    ['_udp.lab.internal', 'A', 'NOERROR'],
  ] as const) {
    test(`${name} ${type} is ${rcode} with the SOA`, () => {
      const message = ask(name, type);
      assert.equal(rcodeName(message.rcode), rcode);
      assert.equal(message.aa, true);
      // RFC 2308 section 3: the lesser of the SOA's TTL and its minimum.
      assert.match(lines(message.authorities).join(), /^lab\.internal\. 30 IN SOA /);
    });
  }
});

describe('who answers', () => {
  for (const name of ['id.server', 'hostname.bind', 'ID.Server']) {
    test(`${name} CH TXT`, () => {
      const message = ask(name, 'TXT', { class: classes.CH });
      assert.deepEqual(lines(message.answers), [`${name}. 0 CH TXT "kai"`]);
    });
  }
  test('another CH name is refused; another type has no data', () => {
    assert.equal(ask('authors.bind', 'TXT', { class: classes.CH }).rcode, rcodes.REFUSED);
    assert.equal(ask('id.server', 'A', { class: classes.CH }).answers.length, 0);
  });
  test('NSID is given when asked for, and only then', () => {
    const nsid = { kind: 'NSID', bytes: new Uint8Array(0) } as const;
    const asked = ask('www.lab.internal', 'A', { edns: { options: [nsid] } });
    assert.deepEqual(asked.edns?.options, [{ kind: 'NSID', bytes: new TextEncoder().encode('kai') }]);
    assert.deepEqual(ask('www.lab.internal', 'A', { edns: {} }).edns?.options, []);
    assert.equal(ask('www.lab.internal', 'A').edns, undefined);
  });
});

describe('refusals', () => {
  test('outside the zone', () => {
    for (const name of ['example.com', '.', 'internal', 'xlab.internal']) {
      assert.equal(ask(name, 'A').rcode, rcodes.REFUSED, name);
    }
    assert.equal(ask('www.lab.internal', 'A', { class: 4 }).rcode, rcodes.REFUSED);
  });
  test('another opcode', () => {
    for (const opcode of [opcodes.NOTIFY, opcodes.UPDATE, 6, 15]) {
      assert.equal(ask('lab.internal', 'SOA', { opcode }).rcode, rcodes.NOTIMP);
    }
  });
  test('no question, two questions', () => {
    const one = query('www.lab.internal', 'A');
    for (const questions of [[], [...one.questions, ...one.questions]]) {
      const [message] = answer({ ...one, questions }, authority, 'udp');
      assert.deepEqual([message?.rcode, message?.questions.length], [rcodes.FORMERR, 0]);
    }
  });
  test('a later version of EDNS', () => {
    const message = ask('www.lab.internal', 'A', { edns: { version: 1 } });
    assert.deepEqual([message.rcode, message.edns?.version, message.answers.length], [rcodes.BADVERS, 0, 0]);
  });
  test('meta types that are no questions', () => {
    assert.equal(ask('lab.internal', 'TKEY').rcode, rcodes.NOTIMP);
    assert.equal(ask('lab.internal', 'OPT').rcode, rcodes.FORMERR);
  });
});

describe('zone transfer', () => {
  test('AXFR gives every record between two SOA records', () => {
    const records = all('lab.internal', 'AXFR').flatMap(message => message.answers);
    assert.equal(records.length, authority.zone.records.length + 1);
    assert.deepEqual([records[0]?.type, records.at(-1)?.type], [types.SOA, types.SOA]);
  });
  test('not over UDP, not for another name', () => {
    assert.equal(answer(query('lab.internal', 'AXFR'), authority, 'udp')[0]?.rcode, rcodes.FORMERR);
    assert.equal(ask('www.lab.internal', 'AXFR').rcode, rcodes.NOTAUTH);
  });
  test('IXFR gives the SOA to who has it, the zone to others', () => {
    const asked = query('lab.internal', 'IXFR');
    const current = { ...asked, authorities: [authority.zone.soa] };
    assert.equal(answer(current, authority, 'tcp').flatMap(message => message.answers).length, 1);
    assert.ok(answer(asked, authority, 'tcp').flatMap(message => message.answers).length > 2);
    assert.equal(answer(asked, authority, 'udp').flatMap(message => message.answers).length, 1);
  });
});
