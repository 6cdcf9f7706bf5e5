import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { ChorusError } from '#kit/errors.ts';
import { pathsOf, replaced } from '#test/support/any-value.ts';
import { configText } from './commands.ts';
import { decodeConfig, loadConfig, loadConfigFile } from './load.ts';
import { plainOf } from './plain.ts';
import { allOptions } from './walk.ts';

const machine = { cores: 2, hostname: 'front-1' };
const load = (text: string) => loadConfig(text, 'f.yaml', machine);
const minimal =
  'listen: 127.0.0.1:5300\npools: { default: { backends: [{ name: kai, address: 192.0.2.1 }] } }\n';

/** The problems that a text gives, a line each. */
function problems(text: string): string[] {
  try {
    load(text);
  } catch (error) {
    assert.ok(error instanceof ChorusError, String(error));
    assert.equal(error.code, 'CONFIG_INVALID');
    return String(error.details.problems).split('\n');
  }
  assert.fail('this configuration was taken');
}

/** Appends lines to the minimal configuration; gives the only problem. */
function problem(more: string): string {
  const list = problems(`${minimal}${more}`);
  assert.equal(list.length, 1, list.join('\n'));
  return list[0] ?? '';
}

describe('a minimal configuration', () => {
  test('gets every default', () => {
    const snapshot = load(minimal);
    assert.deepEqual(snapshot.listen, [{ address: '127.0.0.1', port: 5300 }]);
    assert.deepEqual(snapshot.pools[0]?.backends, [
      { name: 'kai', address: '192.0.2.1', port: 53, weight: 1 },
    ]);
    assert.deepEqual(snapshot.pools[0]?.probes, [
      {
        kind: 'dns-udp',
        name: '.',
        type: 2,
        interval: 1000,
        timeout: 500,
        window: { failures: 3, of: 5 },
      },
    ]);
    assert.deepEqual(snapshot.pools[0]?.evidence, {
      live: true,
      evictAtMost: 0.5,
      hold: 5000,
      slowStart: 30_000,
    });
    assert.equal(snapshot.workers, 2);
    assert.equal(snapshot.identity, 'front-1');
    assert.equal(snapshot.cache?.memory, 64 * 2 ** 20);
    assert.equal(snapshot.cache?.maxTtl, 86_400);
    assert.equal(snapshot.allow.length, 9);
    assert.deepEqual(snapshot.api, { address: '127.0.0.1', port: 8053 });
    assert.equal('user' in snapshot, false);
  });

  test('does not share its defaults with the next one', () => {
    assert.notEqual(load(minimal).allow, load(minimal).allow);
    assert.deepEqual(load(minimal), load(minimal));
  });
});

describe('off', () => {
  for (const off of ['off', '"off"', 'false']) {
    test(`${off} turns cache, api and probe off`, () => {
      const text = `listen: ["[::1]:5300"]\ncache: ${off}\napi: ${off}\npools: { default: { backends: [{ name: kai, address: 192.0.2.1 }], probe: ${off} } }`;
      const snapshot = load(text);
      assert.deepEqual([snapshot.cache, snapshot.api, snapshot.pools[0]?.probes], [null, null, []]);
    });
  }
  test('on and off are for prefetch too', () => {
    assert.equal(load(`${minimal}cache: { prefetch: off }`).cache?.prefetch, false);
    assert.equal(load(`${minimal}cache: { prefetch: true }`).cache?.prefetch, true);
  });
});

describe('problems say where, what, what was expected, and what may have been meant', () => {
  const cases: Record<string, [string, string]> = {
    'an unknown option': ['polls: 1', 'f.yaml:3:1: there is no option "polls"; did you mean "pools"?'],
    'an option with an underscore': [
      'drain_timeout: 1s',
      'f.yaml:3:1: there is no option "drain_timeout"; did you mean "drain-timeout"?',
    ],
    'an unknown option of a section': [
      'cache: { memroy: 1GiB }',
      'f.yaml:3:10: cache: there is no option "memroy"; did you mean "memory"?',
    ],
    'an unknown option without likeness': [
      'log: { zzzzzz: 1 }',
      'f.yaml:3:8: log: there is no option "zzzzzz"; expected one of level, format',
    ],
    'a duration without unit': [
      'drain-timeout: 5',
      'f.yaml:3:16: drain-timeout: 5 is not right; expected a duration with a unit, from 0s to 10m; did you mean 5s?',
    ],
    'a duration in words': [
      'drain-timeout: 5 seconds',
      'f.yaml:3:16: drain-timeout: "5 seconds" is not right; expected a duration with a unit, from 0s to 10m; did you mean 5s?',
    ],
    'a duration out of range': [
      'tcp: { idle: 2d }',
      'f.yaml:3:14: tcp.idle: "2d" is not right; expected a duration with a unit, from 100ms to 1h',
    ],
    'a size in decimal units': [
      'receive-buffer: 4MB',
      'f.yaml:3:17: receive-buffer: "4MB" is not right; expected a size with a unit, from 64KiB to 1GiB; did you mean 4MiB?',
    ],
    'parts of seconds for a TTL': [
      'cache: { max-ttl: 1500ms }',
      'f.yaml:3:19: cache.max-ttl: "1500ms" is not right; expected a duration of whole seconds with a unit, from 1s to 7d',
    ],
    'a name that is none of the choices': [
      'engine: bacth',
      'f.yaml:3:9: engine: "bacth" is not right; expected one of batch, loop; did you mean batch?',
    ],
    'a number in quotes': [
      'udp-size: "1232"',
      'f.yaml:3:11: udp-size: "1232" is not right; expected a whole number from 512 to 4096; did you mean 1232 without quotes?',
    ],
    'a number out of range': [
      'udp-size: 100',
      'f.yaml:3:11: udp-size: 100 is not right; expected a whole number from 512 to 4096',
    ],
    'auto or a number': [
      'workers: lots',
      'f.yaml:3:10: workers: "lots" is not right; expected a whole number from 1 to 64, or auto',
    ],
    'an empty value': [
      'tcp:',
      'f.yaml:3:5: tcp: an empty value is not right; expected a mapping of limits for TCP',
    ],
    'a list where a mapping belongs': [
      'log: []',
      'f.yaml:3:6: log: an empty list is not right; expected a mapping with level and format',
    ],
    'nobody may ask': ['allow: []', 'f.yaml:3:8: allow: an empty list is not right; expected at least one'],
    'bits after a prefix': [
      'allow: [10.1.0.0/8]',
      'f.yaml:3:9: allow[0]: "10.1.0.0/8" is not right; expected an address block without bits after its prefix length; did you mean 10.0.0.0/8?',
    ],
    'any as a block': [
      'allow: any',
      'f.yaml:3:8: allow: "any" is not right; expected an address block, such as 192.0.2.0/24 or 2001:db8::/32; did you mean "0.0.0.0/0" and "::/0"?',
    ],
    'an API on a host name': [
      'api: localhost',
      'f.yaml:3:6: api: "localhost" is not right; expected an IP address and port, such as 192.0.2.1:8053 or "[2001:db8::1]:8053"; did you mean 127.0.0.1:8053?',
    ],
    'an API on a listener': [
      'api: 127.0.0.1:5300',
      'f.yaml:3:6: api: 127.0.0.1:5300 is a listener for DNS over TCP too (line 1); expected a port of its own',
    ],
    'TTL bounds that cross': [
      'cache: { min-ttl: 1h, max-ttl: 1m }',
      'f.yaml:3:19: cache.min-ttl: "1h" is not right; expected at most max-ttl (60s)',
    ],
    'failures kept longer than the longest': [
      'cache: { failure-ttl: 1m, max-failure-ttl: 30s }',
      'f.yaml:3:23: cache.failure-ttl: "1m" is not right; expected at most max-failure-ttl (30s)',
    ],
    'a domain to a pool that is not there': [
      'domains: { corp.example: defualt }',
      'f.yaml:3:26: domains: "corp.example" goes to the pool "defualt", which does not exist; did you mean "default"?',
    ],
    'a domain with a star': [
      'domains: { "*.corp.example": default }',
      'f.yaml:3:12: domains: "*.corp.example" is not a domain name; expected a domain, such as corp.example, or "."; did you mean corp.example?',
    ],
    'a domain named twice': [
      'domains: { corp.example: default, Corp.Example.: default }',
      'f.yaml:3:35: domains: "Corp.Example." is named already (line 3)',
    ],
    'a user that is a number': [
      'user: 1000',
      'f.yaml:3:7: user: 1000 is not right; expected the name of a user, or its number in quotes; did you mean "1000"?',
    ],
    'a key that stands twice': [
      'engine: auto\nengine: loop',
      'f.yaml:4:1: "engine" stands twice in one mapping',
    ],
    'a tab': ['log:\n\tlevel: info', 'f.yaml:4:1: a tab is used to indent; expected spaces'],
    'a second document': ['---\nlog: {}', 'f.yaml:3:1: a second document begins here; expected one document'],
    'an address in brackets without quotes': ['api: [::1]:53', ''],
    'a key that is a list': ['[1]: 2', 'f.yaml:3:1: a key is not a text; expected the name of an option'],
    'a key of the language': ['__proto__: 2', 'f.yaml:3:1: a key cannot be called "__proto__"'],
  };
  for (const [name, [text, expected]] of Object.entries(cases)) {
    if (expected !== '') test(name, () => assert.equal(problem(text), expected));
  }
  test('an address in brackets without quotes', () => {
    assert.match(
      problems(`${minimal}api: [::1]:53`).join('\n'),
      /f\.yaml:3:.* in quotes, such as "\[::1\]:53"/,
    );
  });

  const pool = (backends: string, more = '') =>
    problems(
      `listen: [127.0.0.1:5300, 0.0.0.0:5301]\npools:\n  default:\n    backends:\n${backends.replace(/^/gm, '      - ')}\n${more.replace(/^/gm, '    ')}`,
    );
  const pools: Record<string, [string, string, string[]]> = {
    'what is missing': [
      '{ name: kai }\n{ address: 192.0.2.2 }',
      '',
      [
        'f.yaml:5:9: pools.default.backends[0]: address is missing; expected an IP address and port, such as 192.0.2.1:53 or "[2001:db8::1]:53"',
        'f.yaml:6:9: pools.default.backends[1]: name is missing; expected a name: 1 to 63 letters, digits, "-", "_" or "."',
      ],
    ],
    'two backends of one name': [
      '{ name: kai, address: 192.0.2.1 }\n{ name: kai, address: 192.0.2.2 }',
      '',
      [
        'f.yaml:6:17: pools.default: the name "kai" is given to another backend already (line 5); expected another name',
      ],
    ],
    'two backends of one address': [
      '{ name: kai, address: 192.0.2.1 }\n{ name: nika, address: "192.0.2.1:53" }',
      '',
      [
        'f.yaml:6:32: pools.default: 192.0.2.1:53 is the address of another backend already (line 5); expected another address or source; `weight` gives a backend a larger share',
      ],
    ],
    loops: [
      '{ name: kai, address: "127.0.0.1:5300" }\n{ name: nika, address: "127.0.0.9:5301" }',
      '',
      [
        'f.yaml:5:31: pools.default.backends[0]: 127.0.0.1:5300 is a listener of this Chorus (line 1); it would ask itself; expected the address of a nameserver',
        'f.yaml:6:32: pools.default.backends[1]: 127.0.0.9:5301 is a listener of this Chorus (line 1); it would ask itself; expected the address of a nameserver',
      ],
    ],
    'a wildcard as a backend': [
      '{ name: kai, address: 0.0.0.0 }',
      '',
      [
        'f.yaml:5:31: pools.default.backends[0].address: "0.0.0.0" is not right; expected the address of one machine, not of all',
      ],
    ],
    'a source of the other family': [
      '{ name: kai, address: 192.0.2.1, source: "::1" }',
      '',
      [
        'f.yaml:5:50: pools.default.backends[0].source: "::1" is not right; expected an IPv4 address, like the backend’s',
      ],
    ],
    'a window that cannot be': [
      '{ name: kai, address: 192.0.2.1 }',
      'probe: { window: { failures: 6, of: 5 } }',
      ['f.yaml:6:34: pools.default.probe.window.failures: 6 is not right; expected at most `of` (5)'],
    ],
    'a probe that runs nothing': [
      '{ name: kai, address: 192.0.2.1 }',
      'probe: { exec: ["", a] }',
      ['f.yaml:6:21: pools.default.probe.exec[0]: "" is not right; expected the path of a program'],
    ],
    'probes that overlap': [
      '{ name: kai, address: 192.0.2.1 }',
      'probe: { timeout: 2s }',
      ['f.yaml:6:23: pools.default.probe.timeout: "2s" is not right; expected at most `interval` (1000ms)'],
    ],
    'a probe that stands twice': [
      '{ name: kai, address: 192.0.2.1 }',
      'probes: [{ name: b.example }, { name: b.example, transport: tcp }, { name: b.example, type: NS }]',
      [
        'f.yaml:6:80: pools.default.probes[2].name: "b.example" is not right; expected a question that no other probe of the list asks',
      ],
    ],
    'a name without room for a random label': [
      '{ name: kai, address: 192.0.2.1 }',
      `probe: { random-label: on, name: ${`${'a'.repeat(49)}.`.repeat(5)} }`,
      [
        `f.yaml:6:38: pools.default.probe.name: "${`${'a'.repeat(49)}.`.repeat(5).slice(0, 56)}… is not right; expected a name with room for a label of 12 characters before it`,
      ],
    ],
    'a type and a response code that do not exist': [
      '{ name: kai, address: 192.0.2.1 }',
      'probe: { type: AAA, expect: NXDOMIAN }',
      [
        'f.yaml:6:20: pools.default.probe.type: "AAA" is not right; expected a record type, such as A, AAAA, NS or TYPE65; did you mean AAAA?',
        'f.yaml:6:33: pools.default.probe.expect: "NXDOMIAN" is not right; expected a response code, such as NOERROR or NXDOMAIN; did you mean NXDOMAIN?',
      ],
    ],
  };
  for (const [name, [backends, more, expected]] of Object.entries(pools)) {
    test(name, () => assert.deepEqual(pool(backends, more), expected));
  }

  test('one probe and several', () => {
    const both = minimal.replace(' } }', ', probe: { name: a.example }, probes: [{ name: b.example }] } }');
    assert.deepEqual(problems(both), [
      'f.yaml:2:96: pools.default: both `probe` and `probes` are given; expected one of the two',
    ]);
  });
  test('two listeners of one address', () => {
    assert.match(
      problems(minimal.replace('127.0.0.1:5300', '["[::1]:53", "0:0::1"]'))[0] ?? '',
      /:1:22: listen\[1\]: \[::1\]:53 is a listener already/,
    );
  });
  test('no default pool', () => {
    assert.deepEqual(problems(minimal.replace('default', 'main')), [
      'f.yaml:2:1: pools: no pool is called "default", and `domains` does not say where "." goes',
    ]);
    assert.equal(load(`${minimal.replace('default', 'main')}domains: { ".": main }`).domains[0]?.suffix, '.');
  });
  test('a name that no pool may have', () => {
    assert.match(
      problems(minimal.replace('{ default', '{ "a b": {}, default'))[0] ?? '',
      /"a b" cannot be a name here; expected the name of a pool/,
    );
  });
  test('more backends than the board has places for', () => {
    const many = Array.from(
      { length: 1025 },
      (_, i) => `{ name: n${i}, address: "192.0.2.1:${i + 1}" }`,
    ).join(', ');
    assert.deepEqual(problems(`listen: 127.0.0.1\npools: { default: { backends: [${many}] } }`), [
      'f.yaml:2:1: pools: there are 1025 backends; expected at most 1024',
    ]);
  });
  test('files that are no configuration', () => {
    for (const text of ['', ' \n', '# nothing\n', '---\n', 'null'])
      assert.match(problems(text)[0] ?? '', /^f\.yaml:1:1: the file is empty; expected `listen`/);
    assert.match(
      problems('hello')[0] ?? '',
      /^f\.yaml:1:1: "hello" is not right; expected a mapping of options/,
    );
    assert.match(problems('[1, 2]')[0] ?? '', /a list is not right/);
    assert.deepEqual(
      problems('{}').map(line => line.split(':')[3]),
      [
        ' listen is missing; expected a list of addresses with ports',
        ' pools is missing; expected a mapping of pools, such as { default',
      ],
    );
  });
  test('all at once, in the order of the lines', () => {
    const list = problems('listen: x\nallow: y\nlog: { level: z }\nnope: 1\npools: { default: {} }');
    assert.deepEqual(
      list.map(line => line.split(':')[1]),
      ['1', '2', '3', '4', '5'],
    );
  });
});

describe('hostile files', () => {
  test('aliases that multiply', () => {
    const levels = Array.from({ length: 12 }, (_, i) => `a${i + 1}: &a${i + 1} [${`*a${i},`.repeat(9)}]`);
    assert.match(problems(`a0: &a0 [x]\n${levels.join('\n')}`).join('\n'), /cannot be read as YAML/);
  });
  test('deep nesting, flow and block', () => {
    assert.match(problems('['.repeat(100_000))[0] ?? '', /more than 32 brackets/);
    assert.ok(problems('- '.repeat(20_000)).length > 0);
    assert.ok(problems(Array.from({ length: 5000 }, (_, i) => `${' '.repeat(i)}a:`).join('\n')).length > 0);
  });
  test('large files', () => assert.match(problems(`# ${'x'.repeat(1_000_001)}`)[0] ?? '', /at most 1000000/));
  test('tags, and aliases to nothing', () => {
    assert.match(problems(`${minimal}user: !!js/function f`)[0] ?? '', /not right as YAML/);
    assert.match(problems(`${minimal}user: *nobody`)[0] ?? '', /YAML/);
  });
  test('bytes that are not UTF-8', () => {
    const bytes = Buffer.concat([Buffer.from('listen: x\nuser: ö'), Buffer.from([0xff, 0x41])]);
    assert.throws(() => decodeConfig(bytes, 'f.yaml'), /f\.yaml:2:9: this is not UTF-8/);
    assert.equal(decodeConfig(Buffer.from('user: ö'), 'f.yaml'), 'user: ö');
  });
  test('a byte order mark is let pass', () => assert.ok(load(`\ufeff${minimal}`)));
  test('Windows line ends count as one', () => {
    assert.match(problems(minimal.replaceAll('\n', '\r\n').concat('polls: 1'))[0] ?? '', /f\.yaml:3:1/);
  });
});

describe('files', () => {
  test('that cannot be read', t => {
    const folder = mkdtempSync(join(tmpdir(), 'chorus-config-'));
    t.after(() => rmSync(folder, { recursive: true }));
    const file = join(folder, 'a.yaml');
    assert.throws(() => loadConfigFile(file, machine), {
      code: 'CONFIG_UNREADABLE',
      message: /there is no such file/,
    });
    assert.throws(() => loadConfigFile(folder, machine), { code: 'CONFIG_UNREADABLE', message: /directory/ });
    writeFileSync(file, minimal);
    assert.equal(loadConfigFile(file, machine).file, file);
  });
});

describe('any text gives a snapshot or a ChorusError', () => {
  const settles = (text: string) => {
    try {
      const snapshot = load(text);
      // What was taken can be shown, and shows as itself.
      assert.deepEqual(plainOf(load(configText(snapshot))), plainOf(snapshot));
    } catch (error) {
      if (!(error instanceof ChorusError)) throw error;
      assert.match(error.message, /f\.yaml:\d+:\d+: /);
    }
  };
  const words = [
    ...new Set(
      allOptions().flatMap(({ path, example, default: standing }) => [
        ...path,
        JSON.stringify(example ?? standing ?? null),
      ]),
    ),
  ];
  const piece = fc.oneof(
    fc.constantFrom(...words),
    fc.constantFrom(
      ': ',
      '\n',
      '\n  ',
      '- ',
      '[',
      ']',
      '{',
      '}',
      ', ',
      '"',
      "'",
      '&a ',
      '*a',
      '!!',
      '|',
      '>',
      '#',
      '\t',
      '---\n',
      '? ',
      'off',
      'null',
      '1',
      '-1',
      '1e400',
      '~',
      '<<: ',
    ),
    fc.string({ maxLength: 5 }),
  );
  test('random text', () =>
    fc.assert(fc.property(fc.string({ unit: 'binary', maxLength: 200 }), settles), { numRuns: 300 }));
  test('random pieces of configuration', () =>
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 40 }), pieces => settles(pieces.join(''))),
      { numRuns: 600 },
    ));
  test('a right file with a wrong value somewhere', () => {
    const right = JSON.stringify(
      plainOf(load(`${minimal}user: u\ngroup: g\ndomains: { a.example: default }`)),
    );
    fc.assert(
      fc.property(
        fc.nat({ max: right.length }),
        fc.nat({ max: 12 }),
        fc.oneof(piece, fc.json({ maxDepth: 2 })),
        (at, cut, put) => settles(right.slice(0, at) + put + right.slice(at + cut)),
      ),
      { numRuns: 600 },
    );
  });
  test('any value anywhere', () => {
    const right = plainOf(load(`${minimal}user: u\ndomains: { a.example: default }`));
    const places = pathsOf(right);
    fc.assert(
      fc.property(fc.constantFrom(...places), fc.jsonValue({ maxDepth: 3 }), (path, value) =>
        settles(JSON.stringify(replaced(right, path, value))),
      ),
      { numRuns: 800 },
    );
  });
});
