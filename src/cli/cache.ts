/** `chorus cache …`: what the cache holds, and making it forget. */
import type { Command } from 'commander';
import type { CacheStatus } from '#insight/status.ts';
import { ChorusError } from '#kit/errors.ts';
import { apiOptions, define, jsonOption, print, printJson, table } from './command.ts';

type Options = { api?: string; config?: string; json?: boolean };

export function register(program: Command): void {
  const group = define(program, 'cache', {
    summary: 'show the cache, and make it forget',
    examples: [
      'chorus cache show',
      'chorus cache flush www.example.net',
      'chorus cache flush example.net --subtree',
    ],
  });
  apiOptions(
    define(group, 'show', {
      summary: 'show what the cache holds and how often it answers',
      examples: ['chorus cache show', 'chorus cache show --json'],
    }),
  )
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const [{ connect }, { formatBytes, formatCount, formatShare }] = await Promise.all([
        import('./client.ts'),
        import('./status-text.ts'),
      ]);
      const cache = await (await connect(options)).get<CacheStatus>('/api/v1/cache');
      if (options.json) {
        printJson(cache);
        return;
      }
      print(
        table([
          ['memory', formatBytes(cache.memoryBytes)],
          ['used', `${formatBytes(cache.usedBytes)} (${formatShare(cache.usedBytes / cache.memoryBytes)})`],
          ['answers', formatCount(cache.entries - cache.failureEntries)],
          ['of these stale', formatCount(cache.staleEntries)],
          ['failures', formatCount(cache.failureEntries)],
          ['hits', formatCount(cache.hits)],
          ['stale answers', formatCount(cache.stale)],
          ['failures answered', formatCount(cache.failures)],
          ['misses', formatCount(cache.misses)],
          ['hit ratio', cache.hitRatio === null ? '–' : formatShare(cache.hitRatio)],
          ['stored', formatCount(cache.stores)],
          ['evicted', formatCount(cache.evictions)],
        ]),
      );
    });
  apiOptions(
    define(group, 'flush', {
      summary: 'forget all answers, or those of a name',
      description:
        'Forgets all answers; those of NAME; or, with --subtree, those of NAME and all names below it.',
      examples: [
        'chorus cache flush',
        'chorus cache flush www.example.net',
        'chorus cache flush example.net --subtree',
      ],
    }),
  )
    .argument('[name]', 'domain name')
    .option('--subtree', 'also all names below it')
    .addOption(jsonOption())
    .action(async (name: string | undefined, options: Options & { subtree?: boolean }) => {
      if (options.subtree && name === undefined)
        throw new ChorusError('USAGE', { reason: '--subtree needs a name' });
      const [{ connect }, { formatCount }] = await Promise.all([
        import('./client.ts'),
        import('./status-text.ts'),
      ]);
      const body = { ...(name !== undefined && { name }), ...(options.subtree && { subtree: true }) };
      const done = await (await connect(options)).post<{ flushed: number }>('/api/v1/cache/flush', body);
      if (options.json) printJson(done);
      else print(`${formatCount(done.flushed)} ${done.flushed === 1 ? 'answer' : 'answers'} forgotten`);
    });
}
