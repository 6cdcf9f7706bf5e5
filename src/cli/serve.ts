/** `chorus serve`: the balancer itself. */
import type { Command } from 'commander';
import { define } from './command.ts';

export function register(program: Command): void {
  define(program, 'serve', {
    summary: 'run the balancer',
    description:
      'Runs the balancer in the foreground, with its log on standard error. SIGHUP reads the configuration again, ' +
      'SIGTERM and SIGINT finish what is in flight and end it, a second one ends it at once.',
    examples: [
      'chorus serve --config /etc/chorus/chorus.yaml',
      'chorus serve --config examples/minimal.yaml',
    ],
  })
    .requiredOption('-c, --config <file>', 'configuration file (YAML)')
    .action(async (options: { config: string }) => {
      const { serve } = await import('#daemon/main.ts');
      await serve(options.config);
    });
}
