/** `chorus status`: the running front at a glance. */
import type { Command } from 'commander';
import type { Status } from '#insight/status.ts';
import { apiOptions, define, jsonOption, print, printJson } from './command.ts';

type Options = { api?: string; config?: string; json?: boolean; watch?: boolean };

export function register(program: Command): void {
  const command = define(program, 'status', {
    summary: 'show what a running Chorus does',
    examples: [
      'chorus status',
      'chorus status --watch',
      'chorus status --json',
      'chorus status --api 192.0.2.1:8053',
      'chorus status --config /etc/chorus/chorus.yaml',
    ],
  });
  apiOptions(command)
    .addOption(jsonOption())
    .option('-w, --watch', 'show it again each second, until interrupted')
    .action(async (options: Options) => {
      const [{ connect }, { statusText }] = await Promise.all([
        import('./client.ts'),
        import('./status-text.ts'),
      ]);
      const client = await connect(options);
      const show = async (before: string) => {
        const status = await client.get<Status>('/api/v1/status');
        if (options.json) printJson(status);
        else print(before + statusText(status, Date.now()));
      };
      await show('');
      if (options.watch) await (await import('./watch.ts')).watch(show, options.json);
    });
}
