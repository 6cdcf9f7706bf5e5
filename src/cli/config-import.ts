/** `chorus config import …`: configurations of other programs. */
import type { Command } from 'commander';
import { define, jsonOption, print, printJson } from './command.ts';

type Options = {
  only?: string[];
  listen?: string[];
  keepTimers?: boolean;
  configId?: string;
  output?: string;
  report?: string;
  force?: boolean;
  json?: boolean;
};

const several = (value: string, before: string[] | undefined) => [...(before ?? []), value];

/** Adds the commands to `chorus config`. */
export function registerImport(config: Command): void {
  const group = define(config, 'import', {
    summary: 'make a configuration from that of another program',
    examples: ['chorus config import keepalived /etc/keepalived/keepalived.conf --output chorus.yaml'],
  });
  define(group, 'keepalived', {
    summary: 'make a configuration from the virtual servers of a keepalived.conf',
    description:
      'Writes a configuration that serves as the virtual servers for DNS of the file do, and tells what of the file was kept, what was approximated, what was dropped, and how long a server that fails stayed in and will stay in. Ends with 0 when nothing was dropped, with 1 when something was, and with 65 when the file is not understood. See docs/keepalived.md.',
    examples: [
      'chorus config import keepalived /etc/keepalived/keepalived.conf --output chorus.yaml',
      'chorus config import keepalived keepalived.conf --only "192.0.2.53 53" --report report.txt',
      'chorus config import keepalived keepalived.conf --json',
    ],
  })
    .argument('<file>', 'the keepalived.conf')
    .option('-o, --output <file>', 'write the configuration there instead of to standard output')
    .option('--report <file>', 'write the report there instead of to standard error')
    .option('--force', 'write files anew that exist already')
    .option(
      '--only <server>',
      'virtual server to take, as the file names it (may be repeated; default: those on port 53)',
      several,
    )
    .option(
      '--listen <address>',
      'listen there instead of at the addresses of the virtual servers (may be repeated)',
      several,
    )
    .option('--keep-timers', 'let probes come as seldom as the checks did')
    .option(
      '--config-id <id>',
      'keepalived’s --config-id, for lines that begin with @ (default: the host’s name)',
    )
    .addOption(jsonOption())
    .action(async (file: string, options: Options) => {
      const { runImport } = await import('#config/import/run.ts');
      const { configuration, remarks, removal, report, exit } = runImport(file, options);
      if (options.json) {
        const written = options.output === undefined ? { configuration } : { output: options.output };
        printJson({ file, ...written, remarks, removal });
      } else {
        if (options.output === undefined) print(configuration);
        if (options.report === undefined) process.stderr.write(report);
      }
      process.exitCode = exit;
    });
}
