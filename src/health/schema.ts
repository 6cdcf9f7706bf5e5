/** Health's part of the configuration: how a pool's backends are probed, and what evidence may do. */
import type { z } from 'zod';
import {
  choice,
  duration,
  flag,
  list,
  offOr,
  option,
  optional,
  parsed,
  section,
  text,
  Wrong,
  whole,
} from '#kit/option.ts';
import { nearest } from '#kit/suggest.ts';
import { formatName, maxName, parseName } from '#wire/name.ts';
import { classCode, classes, rcodeCode, rcodes, typeCode, types } from '#wire/types.ts';
import { randomLabelBytes } from './probes/query.ts';
import { type EvidenceRules, type ProbeQuestion, type ProbeSettings, probeLabel } from './targets.ts';

const nameToAsk = parsed<string>('a domain name, such as www.example.com', { type: 'string' }, value => {
  if (typeof value !== 'string') return new Wrong();
  try {
    return formatName(parseName(value));
  } catch {
    return new Wrong();
  }
});

// RFC 6895 section 3.1: types that only ask (OPT, and 128 to 255) are no use for a probe, except ANY.
const unasked = (code: number) =>
  code === 0 || code === types.OPT || (code >= 128 && code < 255) || code > 65_534;

const typeToAsk = parsed<number>(
  'a record type, such as A, AAAA, NS or TYPE65',
  { type: 'string' },
  value => {
    const code = typeof value === 'string' ? typeCode(value) : undefined;
    if (code !== undefined && !unasked(code)) return code;
    return new Wrong({
      suggestion: typeof value === 'string' ? nearest(value, Object.keys(types)) : undefined,
    });
  },
);

const rcode = parsed<number>('a response code, such as NOERROR or NXDOMAIN', { type: 'string' }, value => {
  const code = typeof value === 'string' ? rcodeCode(value) : undefined;
  return (
    code ??
    new Wrong({ suggestion: typeof value === 'string' ? nearest(value, Object.keys(rcodes)) : undefined })
  );
});

const classToAsk = parsed<number>('a class: IN or CH', { type: 'string', enum: ['IN', 'CH'] }, value => {
  const code = value === 'IN' || value === 'CH' ? classCode(value) : undefined;
  return code ?? new Wrong();
});

/** Most probes of one pool. */
export const mostProbes = 16;

/** Most names of one probe besides its first. */
const mostOthers = 7;

const probe = section('a mapping of probe settings', {
  name: option(nameToAsk, {
    docs: 'The name to ask for. Name one that matters to your clients and that the backends do not answer from memory for long.',
    default: '.',
    example: 'check.example.net',
  }),
  also: optional(list('a list of domain names', nameToAsk), {
    docs: 'Further names, asked at the same time: a run is good when one of the answers is. So a name that fails everywhere says nothing against a backend. At most 7.',
    optional: 'none',
    example: ['check.example.org'],
  }),
  type: option(typeToAsk, { docs: 'The record type to ask for.', default: 'NS', example: 'A' }),
  class: option(classToAsk, {
    docs: 'The class to ask for; `CH` for names such as `id.server`.',
    default: 'IN',
  }),
  transport: option(choice(['udp', 'tcp']), {
    docs: 'What to ask over. A probe over TCP opens a connection each time: give it a longer `interval`.',
    default: 'udp',
  }),
  'random-label': option(flag(), {
    docs: 'Puts a new random label before `name` in each probe, so that no cache has the answer: then the probe shows whether the backend can still resolve. NXDOMAIN is a good answer.',
    default: 'off',
  }),
  interval: option(duration('100ms', '1h'), {
    docs: 'Time between two probes of one backend; each is moved by up to a tenth of it, so that fronts do not probe in step.',
    default: '1s',
  }),
  timeout: option(duration('10ms', '30s'), {
    docs: 'How long an answer may take; at most `interval`.',
    default: '500ms',
  }),
  window: option(
    section('a mapping with failures and of', {
      failures: option(whole(1, 64), {
        docs: 'So many failed probes take a backend out; so many good ones in a row bring it back.',
        default: 3,
      }),
      of: option(whole(1, 64), { docs: 'They are counted among so many last probes.', default: 5 }),
    }).superRefine((window, context) => {
      if (window.failures <= window.of) return;
      const message = `at most \`of\` (${window.of})`;
      context.addIssue({ code: 'custom', path: ['failures'], message, input: window.failures });
    }),
    {
      docs: 'When a backend is taken for down: `failures` of the last `of` probes, in any order, so that one that fails every other probe goes down too.',
      default: {},
    },
  ),
  expect: optional(list('a list of response codes', rcode), {
    docs: 'Response codes that count as good.',
    optional: 'NOERROR and NXDOMAIN; NOERROR with `dnssec: signed`, SERVFAIL with `dnssec: broken`',
    example: ['NOERROR'],
  }),
  answer: optional(list('a list of texts', text('a text of 1 to 255 characters', /^.{1,255}$/)), {
    docs: 'Data that must be in the answer section, each of them: an address, a name, or a part of a TXT record.',
    optional: 'any data, or none',
    example: ['192.0.2.80'],
  }),
  dnssec: optional(choice(['signed', 'broken']), {
    docs: '`signed`: the name is signed, and the answer must have AD or a signature. `broken`: its signature is wrong, so a backend that validates answers SERVFAIL; one that answers does not validate.',
    optional: 'signatures are not looked at',
    example: 'signed',
  }),
  exec: optional(list('a list of texts', text('a text of at most 4096 characters', /^[^\0]{0,4096}$/)), {
    docs: 'A program to run instead of asking a question: the program, and its words one by one; no shell takes them apart. `{address}`, `{port}` and `{source}` are those of the backend. It ends with 0 when the backend is good. It runs as the user of Chorus; root runs only what nobody else may change. The options of the question do not count then.',
    optional: 'a question is asked',
    example: ['/usr/lib/nagios/plugins/check_dns', '-H', 'example.net', '-s', '{address}'],
  }),
  dynamic: option(flag(), {
    docs: 'With `exec`: an exit code N from 2 on is good too and gives the backend the weight N − 2, where that is less than its `weight`; as with `misc_dynamic` of keepalived.',
    default: 'off',
  }),
  local: option(flag(), {
    docs: 'The backend knows the answer itself and asks nobody for it, so the time to it tells how busy the backend is: where Chorus has no listener, a backend that takes many times its usual time is overloaded, and its service addresses are announced as degraded.',
    default: 'off',
  }),
  counts: optional(flag(), {
    docs: 'Whether a failure of this probe speaks against the backend, or is only logged and shown.',
    optional: 'on; off with `dnssec: broken`',
    example: 'off',
  }),
}).superRefine((settings, context) => {
  if (settings.exec?.[0] === '') {
    const message = 'the path of a program';
    context.addIssue({ code: 'custom', path: ['exec', 0], message, input: '' });
  }
  if ((settings.also?.length ?? 0) > mostOthers) {
    const message = `at most ${mostOthers} further names`;
    context.addIssue({ code: 'custom', path: ['also'], message, input: settings.also });
  }
  if (settings.timeout > settings.interval) {
    const message = `at most \`interval\` (${settings.interval}ms)`;
    context.addIssue({ code: 'custom', path: ['timeout'], message, input: settings.timeout });
  }
  const longest = Math.max(...[settings.name, ...(settings.also ?? [])].map(name => parseName(name).length));
  if (settings['random-label'] && longest + randomLabelBytes + 1 > maxName) {
    const message = `a name with room for a label of ${randomLabelBytes} characters before it`;
    context.addIssue({ code: 'custom', path: ['name'], message, input: settings.name });
  }
});

const several = list('a list of probes, each { name: …, type: …, … }', probe).superRefine((all, context) => {
  if (all.length > mostProbes) {
    const message = `at most ${mostProbes} probes`;
    context.addIssue({ code: 'custom', message, input: all });
  }
  const seen = new Set<string>();
  for (const [index, settings] of all.entries()) {
    const label = probeLabel(questionOf(settings));
    if (seen.has(label)) {
      const message = 'a question that no other probe of the list asks';
      context.addIssue({ code: 'custom', path: [index, 'name'], message, input: settings.name });
    }
    seen.add(label);
  }
});

/** A probe as a file sets it. */
export type ProbeConfig = z.output<typeof probe>;

/** The same as health takes it. */
export function settingsOf(config: ProbeConfig): ProbeSettings {
  const { interval, timeout, window, counts, local } = config;
  const shows = counts ?? config.dnssec !== 'broken';
  return {
    ...questionOf(config),
    interval,
    timeout,
    window,
    ...(!shows && { counts: false }),
    ...(local && { local }),
  };
}

function questionOf(config: ProbeConfig): ProbeQuestion {
  const { name, also, type, transport, expect, answer, dnssec, exec, dynamic } = config;
  // What it would ask is of no account, and one form is enough for it.
  if (exec !== undefined)
    return { kind: 'exec', name: '.', type: types.NS, exec, ...(dynamic && { dynamic }) };
  return {
    kind: also ? `any-${transport}` : `dns-${transport}`,
    name,
    ...(also && { also }),
    type,
    ...(config.class !== classes.IN && { class: config.class }),
    ...(config['random-label'] && { randomLabel: true }),
    ...(expect !== undefined && { expect }),
    ...(answer !== undefined && { answer }),
    ...(dnssec !== undefined && { dnssec }),
  };
}

const evidence = section('a mapping with live, evict-at-most, hold and slow-start', {
  live: option(flag(), {
    docs: 'Whether live traffic is evidence: the backends of the pool are compared on the queries that they share, and one that falls silent, fails or lies while its siblings do not is taken out within a fraction of a second.',
    default: 'on',
  }),
  'evict-at-most': option(whole(0, 100), {
    docs: 'The share of the pool in percent that live traffic may keep out at once. At least one backend stays, and from two backends on one may go. Probes are not bound by it.',
    default: 50,
  }),
  hold: option(duration('100ms', '5m'), {
    docs: 'How long a backend that live traffic took out stays out, the first time. Each time that it happens again within ten minutes it is twice as long, at most 5m.',
    default: '5s',
  }),
  'slow-start': option(duration('0s', '1h'), {
    docs: 'A backend that comes back has a tenth of its weight at first, and gains the rest evenly over this time.',
    default: '30s',
  }),
});

/** Options of a pool that belong to this folder. */
export const healthOptions = {
  probe: option(offOr(probe), {
    docs: 'The question that each backend of the pool is asked all the time, over UDP, to see whether it answers. `off`: the backends are taken for good. When all backends are down, all are used.',
    default: {},
  }),
  probes: optional(several, {
    docs: 'Several probes instead of the one of `probe`, each with the same options. Each has a window of its own; a backend is down when one of them says so, and comes up when all that failed are good again.',
    optional: 'the one of `probe`',
    example: [
      { name: 'www.example.net', type: 'A' },
      { name: 'check.example.net', type: 'A', 'random-label': 'on', interval: '5s' },
      { name: 'www.example.net', type: 'A', transport: 'tcp', interval: '10s' },
    ],
  }),
  evidence: option(evidence, {
    docs: 'What else may take a backend out or lower its weight, and how it comes back. The defaults need no tuning.',
    default: {},
  }),
};

/** What evidence may do in a pool, as health takes it. */
export function evidenceOf(config: z.output<typeof evidence>): EvidenceRules {
  return {
    live: config.live,
    evictAtMost: config['evict-at-most'] / 100,
    hold: config.hold,
    slowStart: config['slow-start'],
  };
}
