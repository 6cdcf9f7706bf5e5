/** The cache's part of the configuration. */
import { duration, flag, offOr, option, section, size } from '#kit/option.ts';

const settings = section('a mapping of cache settings', {
  memory: option(size('1MiB', '4GiB'), {
    docs: 'Memory for answers, shared by all workers and taken at the start; it never grows. About 256 bytes an answer: 256MiB hold a million.',
    default: '64MiB',
    applies: 'restart',
  }),
  'min-ttl': option(duration('0s', '1h', 's'), {
    docs: 'Answers are kept at least so long, whatever their TTL says. More than a few seconds breaks names that change.',
    default: '0s',
  }),
  'max-ttl': option(duration('1s', '7d', 's'), {
    docs: 'Answers are kept at most so long.',
    default: '1d',
  }),
  'max-negative-ttl': option(duration('1s', '7d', 's'), {
    docs: 'Answers that a name or type does not exist are kept at most so long (RFC 2308, section 5).',
    default: '1h',
  }),
  'failure-ttl': option(duration('1s', '5m', 's'), {
    docs: 'Failures to get an answer are kept so long, so that a failing name does not load the backends (RFC 9520, section 3.2).',
    default: '5s',
  }),
  prefetch: option(flag(), {
    docs: 'Asks again for popular names shortly before their answers end, so that no client waits for them.',
    default: 'on',
  }),
}).superRefine((cache, context) => {
  for (const most of ['max-ttl', 'max-negative-ttl'] as const) {
    if (cache['min-ttl'] <= cache[most]) continue;
    context.addIssue({
      code: 'custom',
      path: ['min-ttl'],
      message: `at most ${most} (${cache[most]}s)`,
      input: cache['min-ttl'],
    });
  }
});

/** Top-level options of this folder. */
export const cacheOptions = {
  cache: option(offOr(settings), {
    docs: 'The cache of answers. `off` asks the backends every time.',
    default: {},
  }),
};
