/** `chorus backend …`: what the backends do, and the operator's word on them. */
import type { Command } from 'commander';
import type { ForcedBackend } from '#api/control.ts';
import type { PoolStatus } from '#insight/status.ts';
import { apiOptions, define, jsonOption, paint, print, printJson } from './command.ts';

type Options = { api?: string; config?: string; json?: boolean };

const verbs = [
  {
    name: 'up',
    summary: 'take a backend as up, whatever its probes say',
    example: 'chorus backend up kai',
  },
  {
    name: 'down',
    summary: 'take a backend out at once, whatever its probes say',
    example: 'chorus backend down default/kai',
  },
  {
    name: 'auto',
    summary: 'give a backend back to the judgement of its probes',
    example: 'chorus backend auto kai',
  },
  {
    name: 'drain',
    summary: 'give a backend no new queries; those in flight are answered',
    example: 'chorus backend drain kai',
  },
] as const;

export function register(program: Command): void {
  const group = define(program, 'backend', {
    summary: 'list backends, and take them in and out',
    description:
      'An operator’s word stands above the probes until `auto`, and survives a reload; a restart forgets it. ' +
      'NAME is the name of a backend, or POOL/NAME where several pools have one of that name.',
    examples: ['chorus backend list', 'chorus backend drain kai', 'chorus backend auto default/kai'],
  });
  apiOptions(
    define(group, 'list', {
      summary: 'show pools, backends and their states',
      examples: ['chorus backend list', 'chorus backend list --json'],
    }),
  )
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const [{ connect }, { backendTable }] = await Promise.all([
        import('./client.ts'),
        import('./status-text.ts'),
      ]);
      const pools = await (await connect(options)).get<readonly PoolStatus[]>('/api/v1/backends');
      if (options.json) printJson(pools);
      else print(backendTable(pools, Date.now()));
    });
  for (const { name, summary, example } of verbs) {
    apiOptions(define(group, name, { summary, examples: [example] }))
      .argument('<name>', 'NAME or POOL/NAME of a backend')
      .addOption(jsonOption())
      .action(async (backend: string, options: Options) => {
        const { connect } = await import('./client.ts');
        const path = `/api/v1/backends/${backend.split('/').map(encodeURIComponent).join('/')}/${name}`;
        const done = await (await connect(options)).post<ForcedBackend>(path);
        if (options.json) printJson(done);
        else print(`${done.pool}/${done.backend} is ${paint('bold', done.state)} (${wordOf(done.forced)})`);
      });
  }
}

function wordOf(forced: ForcedBackend['forced']): string {
  return forced === 'auto' ? 'by its probes' : `${forced} by the operator`;
}
