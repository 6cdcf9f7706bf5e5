/** The balancer's part of the configuration: a pool's policy and its backends. */
import {
  choice,
  duration,
  label,
  list,
  offOr,
  option,
  optional,
  required,
  section,
  whole,
} from '#kit/option.ts';
import { isIpv6, isWildcard } from '#net/address.ts';
import { address, endpoint } from '#net/schema.ts';
import { policyNames } from './registry.ts';

const backend = section('a mapping with name and address', {
  name: required(label('a name'), {
    docs: 'Its name in metrics, logs and commands; unlike the others of the pool. State and numbers follow the name across reloads.',
    example: 'kai',
  }),
  address: required(endpoint(53), {
    docs: 'Where it is asked, over UDP and TCP. A port that is left out is 53. Names are not resolved.',
    example: '192.0.2.1:53',
  }),
  weight: option(whole(1, 1000), {
    docs: 'Its share of the queries relative to the other backends of the pool, for policies that weigh.',
    default: 1,
  }),
  capacity: optional(whole(1, 65_535), {
    docs: 'Queries that may wait for it at once under the policy `first-available`, in each worker; what is more goes to the next.',
    optional: 'no bound',
    example: 500,
  }),
  source: optional(address(), {
    docs: 'Local address to ask from, for backends that tell their clients apart by address.',
    optional: 'the kernel chooses',
    example: '192.0.2.10',
  }),
}).superRefine((entry, context) => {
  const { address: asked } = entry.address;
  if (isWildcard(asked)) {
    const message = 'the address of one machine, not of all';
    context.addIssue({ code: 'custom', path: ['address'], message, input: asked });
  }
  if (entry.source !== undefined && isIpv6(entry.source) !== isIpv6(asked)) {
    const message = `an ${isIpv6(asked) ? 'IPv6' : 'IPv4'} address, like the backend’s`;
    context.addIssue({ code: 'custom', path: ['source'], message, input: entry.source });
  }
});

/** Options of a pool that belong to this folder. */
export const balanceOptions = {
  policy: option(choice(policyNames), {
    docs: 'How a backend is chosen for each query.',
    default: policyNames[0],
  }),
  timeout: option(duration('50ms', '30s'), {
    docs: 'How long a backend may take for an answer. Then another is asked, once; after twice this time the client gets an old answer, or SERVFAIL with an extended error (RFC 8914).',
    default: '2s',
  }),
  tries: option(whole(1, 8), {
    docs: 'Backends that one question is asked of, one after the other, while they fail: with SERVFAIL, REFUSED, FORMERR, a malformed answer, a network error or silence.',
    default: 4,
  }),
  hedge: option(
    offOr(
      section('a mapping with least, most, budget and burst', {
        least: option(duration('1ms', '10s'), {
          docs: 'Least time that a backend gets before a second one is asked as well. Between `least` and `most` it is what 95% of its own answers stay below, and never more than four times that of the fastest backend of the pool.',
          default: '8ms',
        }),
        most: option(duration('1ms', '10s'), { docs: 'Most of that time.', default: '500ms' }),
        budget: option(whole(0, 100), {
          docs: 'Second questions in the long run, in percent of the questions to backends.',
          default: 1,
        }),
        burst: option(whole(0, 100_000), {
          docs: 'Second questions of this pool beyond that, in each worker, saved up for when a backend fails and health has not yet found it out.',
          default: 400,
        }),
      }).superRefine((hedge, context) => {
        if (hedge.least <= hedge.most) return;
        const message = `at most \`most\` (${hedge.most}ms)`;
        context.addIssue({ code: 'custom', path: ['least'], message, input: hedge.least });
      }),
    ),
    {
      docs: 'A backend that takes longer than it usually does gets company: another is asked the same, and the first good answer wins. `off`: one backend at a time.',
      default: {},
    },
  ),
  backends: required(list('a list of backends, each { name: …, address: … }', backend), {
    docs: 'The nameservers of the pool.',
    example: [{ name: 'kai', address: '192.0.2.1:53' }],
  }),
};
