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
  Wrong,
  whole,
} from '#kit/option.ts';

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

/** `withdrawal-budget`. */
export const budgetSection = section('a mapping with least, farm, member and etcd', {
  least: option(whole(1, 1000), {
    docs: 'So many other fronts must announce a service address before this one may withdraw it on evidence.',
    default: 1,
  }),
  farm: option(label('the name of a farm'), {
    docs: 'The name under which the fronts that watch over one another meet in etcd.',
    default: 'chorus',
  }),
  member: optional(label('the name of a front'), {
    docs: 'The name of this front among them, unlike all others.',
    optional: '`identity`, which is the name of the host as a rule',
    example: 'front-1',
  }),
  etcd: option(list('a list of URLs of etcd servers', etcdUrl), {
    docs: 'The members of the etcd cluster. One that does not answer is passed over.',
    default: ['http://127.0.0.1:2379'],
  }),
  lease: option(duration('1s', '5m', 's'), {
    docs: 'A front that has not been heard of for so long counts as gone.',
    default: '5s',
  }),
  'when-away': option(choice(['keep', 'withdraw']), {
    docs: 'What a front does that finds a service address down while etcd cannot be asked: keeps announcing it as degraded, or withdraws it as if it were alone.',
    default: 'keep',
  }),
});

/** `withdrawal-budget` as a file sets it, units resolved. */
export type BudgetOptions = z.output<typeof budgetSection>;
