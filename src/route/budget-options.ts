/** What the withdrawal budget takes from the configuration. */
import type { z } from 'zod';
import {
  choice,
  duration,
  label,
  list,
  option,
  optional,
  parsed,
  section,
  text,
  Wrong,
  whole,
} from '#kit/option.ts';
import type { BudgetSettings } from './withdrawal-budget.ts';

/** `http://127.0.0.1:2379`, without a path. */
const etcdUrl = parsed<string>(
  'the URL of an etcd server, such as http://127.0.0.1:2379',
  { type: 'string' },
  value => {
    const url = typeof value === 'string' ? URL.parse(value) : null;
    if (url && (url.protocol === 'http:' || url.protocol === 'https:') && url.pathname === '/') {
      return url.username === '' && url.search === '' && url.hash === '' ? url.origin : new Wrong();
    }
    const bare = typeof value === 'string' && URL.parse(`http://${value}`);
    return new Wrong({ suggestion: bare && !url ? `http://${bare.host}` : undefined });
  },
);

const path = text('the path of a file', /^[^\0]{1,4096}$/);

/** `withdrawal-budget`. */
export const budgetSection = section('a mapping with least, farm, member and etcd', {
  least: option(whole(1, 100), {
    docs: 'So many other fronts must announce a service address, and find it well, before this one may withdraw it on evidence.',
    default: 1,
  }),
  farm: option(label('the name of a farm'), {
    docs: 'The name under which the fronts that watch over one another meet in etcd. All fronts that announce the same addresses have the same.',
    default: 'chorus',
  }),
  member: optional(label('the name of a front'), {
    docs: 'The name of this front among them, unlike all others.',
    optional: '`identity`, which is the name of the host as a rule',
    example: 'front-1',
  }),
  etcd: option(list('a list of URLs of etcd servers', etcdUrl), {
    docs: 'The members of the etcd cluster, asked over its JSON gateway (etcd 3.4 or later). After a failure the next one is asked. Name them by address: what moves the resolvers must not need them.',
    default: ['http://127.0.0.1:2379'],
  }),
  user: optional(text('a name of 1 to 255 characters', /^.{1,255}$/), {
    docs: 'The user at etcd, with the right to read and write below `/chorus/FARM/`. Needs `password-file`; the JSON gateway takes no user from a certificate.',
    optional: 'etcd is asked without a user',
    example: 'chorus',
  }),
  'password-file': optional(path, {
    docs: 'The file that has the password of `user`. Read at the start and when the options of the budget change.',
    optional: 'there is none',
    example: '/etc/chorus/etcd-password',
  }),
  ca: optional(path, {
    docs: 'The file of the authorities (PEM) that sign the certificates of etcd, with `https://`.',
    optional: 'those of the system',
    example: '/etc/chorus/etcd-ca.pem',
  }),
  cert: optional(path, {
    docs: 'The file of our own certificate (PEM), where etcd wants to see one. Needs `key`.',
    optional: 'none is shown',
    example: '/etc/chorus/etcd-cert.pem',
  }),
  key: optional(path, {
    docs: 'The file of the key (PEM) to `cert`.',
    optional: 'there is none',
    example: '/etc/chorus/etcd-key.pem',
  }),
  lease: option(duration('2s', '5m', 's'), {
    docs: 'A front that was not heard of for so long counts as gone; when etcd was not heard of for so long, it is away. etcd rounds less than about two of its election timeouts up.',
    default: '5s',
  }),
  'when-away': option(choice(['keep', 'withdraw']), {
    docs: 'What a front does that finds a service address down while etcd is away: keeps announcing it as degraded, or withdraws it as if it were alone. What was withdrawn before stays withdrawn.',
    default: 'keep',
  }),
  'everybody-within': option(duration('1s', '1h'), {
    docs: 'When all fronts find an address down, the first and the last of them within this time, it is everybody: nobody withdraws, and who had withdrawn comes back as degraded. The clocks of the fronts must agree to a fraction of it.',
    default: '1m',
  }),
  settle: option(duration('1s', '10m'), {
    docs: 'How long `least` fronts must be well again before `everybody` is over; and how long a front that had to come back waits before it asks again.',
    default: '10s',
  }),
}).superRefine((options, context) => {
  const pairs = [
    ['user', 'password-file'],
    ['cert', 'key'],
  ] as const;
  for (const [one, other] of pairs) {
    if ((options[one] === undefined) === (options[other] === undefined)) continue;
    const [path, missing] = options[one] === undefined ? [other, one] : [one, other];
    const message = `a value that comes with \`${missing}\``;
    context.addIssue({ code: 'custom', path: [path], message, input: options[path] });
  }
});

/** `withdrawal-budget` as a file sets it, units resolved. */
export type BudgetOptions = z.output<typeof budgetSection>;

/** The same as the budget takes it. `identity`: the name of this front where none is given. */
export function budgetSettings(options: BudgetOptions, identity: string): BudgetSettings {
  const lease = options.lease * 1000;
  return {
    rules: {
      least: options.least,
      farm: options.farm,
      member: options.member ?? memberOf(identity),
      lease,
      whenAway: options['when-away'],
      window: options['everybody-within'],
      settle: options.settle,
    },
    etcd: options.etcd,
    // Several tries must fit into a lease.
    timeout: Math.min(1000, lease / 4),
    user: options.user ?? null,
    passwordFile: options['password-file'] ?? null,
    ca: options.ca ?? null,
    cert: options.cert ?? null,
    key: options.key ?? null,
  };
}

/** An identity may have characters that no name of a member has. */
function memberOf(identity: string): string {
  return (
    identity
      .replace(/[^A-Za-z0-9_.-]/g, '-')
      .replace(/^[.-]/, '_')
      .slice(0, 63) || 'front'
  );
}
