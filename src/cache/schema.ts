/** The cache's part of the configuration. */
import { duration, flag, offOr, option, section, size } from '#kit/option.ts';

/** The first of each is at most the second. */
const ordered = [
  ['min-ttl', 'max-ttl'],
  ['min-ttl', 'max-negative-ttl'],
  ['failure-ttl', 'max-failure-ttl'],
] as const;

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
    docs: 'Failures to get an answer are kept so long at first, so that a failing name does not load the backends (RFC 9520, section 3.2). Each further failure in a row is kept twice as long as the one before.',
    default: '5s',
  }),
  'max-failure-ttl': option(duration('1s', '5m', 's'), {
    docs: 'Failures are kept at most so long, however many came in a row.',
    default: '5m',
  }),
  'stale-for': option(duration('0s', '7d', 's'), {
    docs: 'Answers are kept so long past their TTL, to stand in when no backend answers (RFC 8767). They never take room that fresh answers need. `0s`: not at all.',
    default: '1d',
  }),
  'stale-ttl': option(duration('1s', '1h', 's'), {
    docs: 'The TTL that clients see in an answer past its own (RFC 8767, section 4).',
    default: '30s',
  }),
  'stale-after': option(duration('100ms', '1m'), {
    docs: 'When no backend has answered for so long, clients get the stale answer if there is one; the question goes on (RFC 8767, section 5).',
    default: '1.8s',
  }),
  prefetch: option(flag(), {
    docs: 'Asks again for popular names shortly before their answers end, so that no client waits for them.',
    default: 'on',
  }),
}).superRefine((cache, context) => {
  for (const [least, most] of ordered) {
    if (cache[least] <= cache[most]) continue;
    context.addIssue({
      code: 'custom',
      path: [least],
      message: `at most ${most} (${cache[most]}s)`,
      input: cache[least],
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
