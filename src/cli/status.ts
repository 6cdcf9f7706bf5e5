/** `chorus status`: the running front at a glance. */
import type { Command } from 'commander';
import type { Status } from '#insight/status.ts';
import { ChorusError } from '#kit/errors.ts';
import { apiOptions, define, jsonOption, paint, print, printJson } from './command.ts';

type Options = { api?: string; config?: string; json?: boolean; watch?: boolean };

/** Time between two pictures with --watch, in ms. */
const watchEvery = 1000;

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
      if (!options.watch) return;
      // Home and clear below, so that the picture does not flicker; without a terminal, one after the other.
      const clear = process.stdout.isTTY ? '\u001b[H\u001b[J' : '\n';
      for (;;) {
        await new Promise(resolve => setTimeout(resolve, watchEvery));
        const before = options.json ? '' : clear;
        await show(before).catch((error: unknown) => {
          // It may be started again while somebody watches.
          if (!(error instanceof ChorusError && error.code === 'API_UNREACHABLE')) throw error;
          if (options.json) process.stderr.write(`${error.message}\n`);
          else print(before + paint('red', error.message));
        });
      }
    });
}
