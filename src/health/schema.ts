/** Health's part of the configuration: how a pool's backends are probed. */
import { duration, list, offOr, option, optional, parsed, section, Wrong, whole } from '#kit/option.ts';
import { nearest } from '#kit/suggest.ts';
import { formatName, parseName } from '#wire/name.ts';
import { rcodeCode, rcodes, typeCode, types } from '#wire/types.ts';

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

const probe = section('a mapping of probe settings', {
  name: option(nameToAsk, {
    docs: 'The name to ask for. Name one that matters to your clients and that the backends do not answer from memory for long.',
    default: '.',
    example: 'check.example.net',
  }),
  type: option(typeToAsk, { docs: 'The record type to ask for.', default: 'NS', example: 'A' }),
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
    optional: 'NOERROR and NXDOMAIN',
    example: ['NOERROR'],
  }),
}).superRefine((settings, context) => {
  if (settings.timeout <= settings.interval) return;
  const message = `at most \`interval\` (${settings.interval}ms)`;
  context.addIssue({ code: 'custom', path: ['timeout'], message, input: settings.timeout });
});

/** Options of a pool that belong to this folder. */
export const healthOptions = {
  probe: option(offOr(probe), {
    docs: 'The question that each backend of the pool is asked all the time, over UDP, to see whether it answers. `off`: the backends are taken for good. When all backends are down, all are used.',
    default: {},
  }),
};
