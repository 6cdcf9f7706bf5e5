// biome-ignore-all lint/suspicious/noTemplateCurlyInString: keepalived writes its definitions so.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ChorusError } from '#kit/errors.ts';
import { expandBraces, expandGlob, type Files } from './glob.ts';
import { type Line, placeAt, readLines } from './lines.ts';
import { Enough, Problems } from './problems.ts';

const noFiles: Files = { read: () => undefined, list: () => [] };

function linesOf(text: string, files: Files = noFiles): { lines: Line[]; texts: string[]; told: string } {
  const problems = new Problems();
  let lines: Line[] = [];
  try {
    lines = readLines(text, {
      file: 'etc/a.conf',
      files,
      id: 'main',
      environment: { WHO: 'kai' },
      problems,
    });
  } catch (error) {
    if (!(error instanceof Enough)) throw error;
  }
  const told = problems.none ? '' : problems.error('etc/a.conf').message;
  return { lines, texts: lines.map(line => line.text), told };
}

const textsOf = (text: string, files?: Files) => {
  const { texts, told } = linesOf(text, files);
  assert.equal(told, '');
  return texts;
};

test('comments begin with # or !, but not in quotes nor after a backslash', () => {
  assert.deepEqual(textsOf('! one\n# two\na b # c\nd "e ! f" ! g\n\\#h\n\n  \t\ni\r\n'), [
    'a b',
    'd "e ! f"',
    '\\#h',
    'i',
  ]);
  assert.deepEqual(textsOf("Bob's ! cat\n"), ["Bob's"]);
});

test('each character knows where it stood', () => {
  const { lines } = linesOf('$A=xyz\n\n  one ${A} two\n');
  const [line] = lines;
  assert.equal(line?.text, 'one xyz two');
  assert.deepEqual(placeAt(line!, 0), { file: 'etc/a.conf', line: 3, column: 3 });
  assert.deepEqual(placeAt(line!, 5), { file: 'etc/a.conf', line: 3, column: 7 });
  assert.deepEqual(placeAt(line!, 8), { file: 'etc/a.conf', line: 3, column: 12 });
});

test('a line for another machine is left out', () => {
  assert.deepEqual(textsOf('@main a\n@other b\n@^main c\n@^other d\n@main @other e\n'), ['a', 'd']);
  assert.deepEqual(textsOf('@main $A=1\n@other $A=2\nx $A\n'), ['x 1']);
});

test('definitions are filled in when they are used, again and again', () => {
  const text = '$BASE=10.2.${SUB}\n$SUB=0\n${BASE}.100/32\n$SUB=10\n${BASE}.100/32\n';
  assert.deepEqual(textsOf(text), ['10.2.0.100/32', '10.2.10.100/32']);
});

test('a name without braces ends at a blank; one that is not defined stays', () => {
  assert.deepEqual(textsOf('$A=1\n$A b\n$A.b\n${A}.b\n$NO ${NO}\n"$A"\n'), [
    '1 b',
    '$A.b',
    '1.b',
    '$NO ${NO}',
    '"$A"',
  ]);
  assert.deepEqual(textsOf('$A=\nx $A y\n'), ['x  y']);
  assert.deepEqual(textsOf('$IF=@other\n$IF a\n$IF2=@main\n$IF2 b\n'), ['b']);
});

test('definitions of several lines, also within each other', () => {
  const text = [
    '$RS= \\',
    '  real ${N} { \\',
    '    weight 1 \\',
    '',
    '    ! a comment',
    '  }',
    '$VS= \\',
    '  virtual { \\',
    '  $N=1 \\',
    '  $RS \\',
    '  $N=2 \\',
    '  $RS \\',
    '  }',
    '$VS',
  ].join('\n');
  const { lines, texts } = linesOf(text);
  assert.deepEqual(texts, ['virtual {', 'real 1 {', 'weight 1', '}', 'real 2 {', 'weight 1', '}', '}']);
  assert.deepEqual(
    lines.map(({ line }) => line),
    [8, 2, 3, 6, 2, 3, 6, 13],
  );
});

test('what keepalived defines by itself', () => {
  assert.deepEqual(textsOf('${_PWD} ${_INSTANCE} ${_ENV WHO} ${_ENV NO} ${_HASH} ${_BANG}\n'), [
    'etc main kai  # !',
  ]);
});

test('~SEQ counts up and down, in steps, in hexadecimal, within each other', () => {
  assert.deepEqual(textsOf('~SEQ(N,2) a$N.\n~SEQ(N, 1, 3) b ${N}\n'), ['a$N.', 'a$N.', 'b 1', 'b 2', 'b 3']);
  assert.deepEqual(textsOf('~SEQ(A, -2) a${A}\n~SEQ(B, 5, -2, 1) b${B}\n~SEQ(C, 1, 2, 4) c${C}\n'), [
    'a-1',
    'a-2',
    'b5',
    'b3',
    'b1',
    'c1',
    'c3',
  ]);
  assert.deepEqual(textsOf('~SEQx(A, 0x9e, 2, 160) fe80::${A}\n'), ['fe80::9e', 'fe80::a0']);
  assert.deepEqual(textsOf('$END=2\n~SEQ(A, 0, $END) ~SEQ(B,1) ${A}${B}\n'), ['01', '11', '21']);
});

test('~LST goes through values, and through several at once', () => {
  assert.deepEqual(textsOf('~LST(IP, 1, x) a${IP}\n'), ['a1', 'ax']);
  assert.deepEqual(textsOf('~LST({IP, IP1}, {10,1},{20,4}) ${IP}.${IP1}\n'), ['10.1', '20.4']);
  assert.deepEqual(textsOf('~LST({A}, {1},{2}) ~SEQ(B,2) ${A}${B}\n'), ['11', '12', '21', '22']);
});

test('sequences and lists that are not right are told with their place', () => {
  for (const [text, expected] of [
    ['~SEQ(N) a', /^etc\/a.conf:1:1: ~SEQ\(N\) is not right; expected ~SEQ\(NAME, /m],
    ['  ~SEQ(1,2) a', /:1:3: ~SEQ\(1,2\) is not right/],
    ['~SEQ(N,1,0,2) a', /~SEQ with a step of 0 has no end/],
    ['~SEQ(N,999999999) a', /~SEQ has 999999999 values; expected at most 65536/],
    ['~SEQ(N,1', /has no end; expected "\)"/],
    ['~LST(N) a', /~LST\(N\) is not right/],
    ['~LST({A,B},{1}) a', /is not right/],
  ] as const) {
    assert.match(linesOf(text).told, expected, text);
  }
});

test('it always ends: what refers to itself, grows or includes itself is told', () => {
  for (const text of [
    '$A=x${A}\n$A',
    '$A=${A}${A}\n$A',
    '$A=$B\n$B=$A\n$A',
    '$A= \\\n $A \\\n $A\n$A',
    '$A=$B\n$B=$A\n~SEQ(I,$A) x',
    '~SEQ(A,60000) ~SEQ(B,60000) x',
    '$A= \\\n x \\\n x\n$B= \\\n $A \\\n $A\n'.concat('~SEQ(I,60000) $B\n'),
    `${'~SEQ(A,1) '.repeat(100)}x`,
  ]) {
    assert.notEqual(linesOf(text).told, '', text);
  }
  const itself = 'x\ninclude a.conf\n';
  assert.match(linesOf(itself, { read: () => itself, list: () => [] }).told, /lie within each other/);
  const twice = 'include *.conf\n';
  assert.notEqual(linesOf(twice, { read: () => twice, list: () => ['a.conf', 'b.conf'] }).told, '');
});

test('includes are read beside the file that includes them', () => {
  const texts: Record<string, string> = {
    'etc/b.conf': 'b\ninclude more/*.conf\n',
    'etc/more/1.conf': 'one\ninclude ../c.conf',
    'etc/more/2.conf': '${_PWD}',
    'etc/more/../c.conf': 'c',
    '/x/d.conf': 'd',
  };
  const files: Files = {
    read: path => texts[path],
    list: folder => (folder === 'etc/more' ? ['2.conf', '1.conf', '.3.conf', 'no'] : []),
  };
  const { lines, texts: read } = linesOf('a\ninclude b.conf\ninclude "/x/d.conf"\nz\n', files);
  assert.deepEqual(read, ['a', 'b', 'one', 'c', 'etc/more', 'd', 'z']);
  assert.deepEqual(
    lines.map(({ file }) => file),
    [
      'etc/a.conf',
      'etc/b.conf',
      'etc/more/1.conf',
      'etc/more/../c.conf',
      'etc/more/2.conf',
      '/x/d.conf',
      'etc/a.conf',
    ],
  );
});

test('a file that is named must be there; a pattern may find nothing, unless the variant says otherwise', () => {
  assert.match(
    linesOf('include b.conf').told,
    /etc\/a.conf:1:9: "etc\/b.conf" cannot be read; expected a file/,
  );
  assert.equal(linesOf('include *.conf').told, '');
  assert.match(linesOf('includea *.conf').told, /cannot be read; expected at least one file/);
});

test('patterns', () => {
  assert.deepEqual(expandBraces('a{b,c{d,e}}f'), ['abf', 'acdf', 'acef']);
  assert.deepEqual(expandBraces('a{b}{,}'), ['a{b}']);
  const files: Files = {
    read: () => undefined,
    list: folder => (folder === '/etc' ? ['a', 'b1', 'b2', 'ba', '.b'] : []),
  };
  assert.deepEqual(expandGlob('/etc/b[0-9]', files), ['/etc/b1', '/etc/b2']);
  assert.deepEqual(expandGlob('/etc/[!b]', files), ['/etc/a']);
  assert.deepEqual(expandGlob('/etc/{a,*a*}', files), ['/etc/a', '/etc/ba']);
  assert.deepEqual(expandGlob('/*/x', files), []);
  assert.deepEqual(expandGlob(`/etc/${'*b'.repeat(200)}`, { ...files, list: () => ['b'.repeat(5000)] }), [
    `/etc/${'b'.repeat(5000)}`,
  ]);
});

test('problems stop at fifty', () => {
  const { told } = linesOf('~SEQ(\n'.repeat(200));
  assert.match(told, /… and perhaps more$/);
  assert.ok(told.split('\n').length < 60);
  assert.ok(new Problems().error('x') instanceof ChorusError);
});
