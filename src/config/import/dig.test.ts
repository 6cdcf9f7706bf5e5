import assert from 'node:assert/strict';
import { test } from 'node:test';
import { askedBy, commandLine, patienceOf } from './dig.ts';

const asked = (text: string) => askedBy(commandLine(text));

test('a command is taken apart as a shell does it', () => {
  assert.deepEqual(commandLine(`/x/check ' a b ' "c d"e f\\ g > /dev/null 2>&1`), {
    words: ['/x/check', ' a b ', 'c de', 'f g'],
    shell: false,
  });
  for (const text of ['a | b', 'a && b', 'a > /tmp/x', 'a "$X"', "a 'b", 'a `b`', 'X=1 a', 'a; b', 'a *']) {
    assert.equal(commandLine(text).shell, true, text);
  }
  for (const text of ["a '$X | b'", 'a "b;c|d"', 'a >/dev/null', 'a 2>/dev/null', '']) {
    assert.equal(commandLine(text).shell, false, text);
  }
});

test('the dig of the field report', () => {
  assert.deepEqual(
    asked('/usr/bin/dig -b 10.1.1.1 a low.example @10.0.0.5 +time=1 +tries=5 +fail > /dev/null'),
    {
      by: 'dig',
      server: '10.0.0.5',
      port: 53,
      source: '10.1.1.1',
      name: 'low.example.',
      type: 'A',
      transport: 'udp',
      timeout: 1000,
      tries: 5,
    },
  );
});

test('dig in other words', () => {
  const plain = { by: 'dig', server: '10.0.0.5', port: 53, transport: 'udp', timeout: 5000, tries: 3 };
  assert.deepEqual(asked('dig @10.0.0.5'), { ...plain, name: '.', type: 'NS' });
  assert.deepEqual(asked('dig @10.0.0.5 example.net'), { ...plain, name: 'example.net.', type: 'A' });
  assert.deepEqual(asked('dig -p 5300 -t aaaa -q a.b @2001:db8::5 +short +tcp +retry=1 IN'), {
    ...plain,
    server: '2001:db8::5',
    port: 5300,
    name: 'a.b.',
    type: 'AAAA',
    transport: 'tcp',
    tries: 2,
  });
  for (const text of [
    'dig example.net',
    'dig @resolver.example a.b',
    'dig @10.0.0.5 a.b CH TXT',
    'dig @10.0.0.5 -x 10.0.0.1',
    'dig @10.0.0.5 a.b +dnssec',
    'dig @10.0.0.5 a.b +norecurse',
    'dig @10.0.0.5 a.b +time=x',
    'dig @10.0.0.5 -p 0 a.b',
    'dig @10.0.0.5 a.b c.d',
    'dig @10.0.0.5 a..b',
    'dig @10.0.0.5 a.b | grep -q NOERROR',
    'host a.b 10.0.0.5',
    '',
  ]) {
    assert.equal(asked(text), undefined, text);
  }
});

test('the wrapper of the field report, by whatever name', () => {
  const words = '10.1.1.1 IN A low.example 10.0.0.5 1 5 SERVFAIL';
  const expected = {
    by: 'wrapper',
    server: '10.0.0.5',
    port: 53,
    source: '10.1.1.1',
    name: 'low.example.',
    type: 'A',
    transport: 'udp',
    timeout: 1000,
    tries: 5,
    failing: ['SERVFAIL'],
  };
  assert.deepEqual(asked(`/usr/local/bin/check.pl ${words}`), expected);
  assert.deepEqual(asked(`/usr/bin/chorus check ${words}`), expected);
  assert.deepEqual(asked(`/usr/bin/perl /x/check.pl ${words} UDP`), expected);
  assert.deepEqual(asked(`/x/check.pl ${words}|REFUSED tcp >/dev/null`), undefined);
  assert.deepEqual(asked(`/x/check.pl ${words.replace('SERVFAIL', "'SERVFAIL|REFUSED'")} tcp`), {
    ...expected,
    transport: 'tcp',
    failing: ['SERVFAIL', 'REFUSED'],
  });
  assert.equal(patienceOf(asked(`/x/check.pl ${words}`)!), 5000);
  for (const text of [
    `/x/check ${words} udp more`,
    `/x/check ${words.replace(' IN ', ' CHAOS ')}`,
    `/x/check ${words.replace(' A ', ' AXFR ')}`,
    `/x/check ${words.replace('SERVFAIL', 'S.*')}`,
    `/x/check ${words.replace('10.0.0.5', 'ns.example')}`,
    `/x/check ${words} sctp`,
  ]) {
    assert.equal(asked(text), undefined, text);
  }
});
