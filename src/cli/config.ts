/** `chorus config …`: look at a configuration file without running it. */
import type { Command } from 'commander';
import { define, jsonOption, paint, print, printJson } from './command.ts';
import { registerImport } from './config-import.ts';

type Options = { json?: boolean };

export function register(program: Command): void {
  const group = define(program, 'config', {
    summary: 'check, show and compare configuration files',
    examples: ['chorus config check chorus.yaml', 'chorus config diff /etc/chorus/chorus.yaml new.yaml'],
  });
  define(group, 'check', {
    summary: 'tell whether a file is right, and everything that is wrong with it',
    description: 'Ends with 0 when the file is right, and with 78 when it is not.',
    examples: ['chorus config check chorus.yaml', 'chorus config check chorus.yaml --json'],
  })
    .argument('<file>', 'configuration file')
    .addOption(jsonOption())
    .action(async (file: string, options: Options) => {
      const { checkConfig } = await import('#config/commands.ts');
      const { summary, warnings } = checkConfig(file);
      if (options.json) printJson({ file, warnings });
      else print([summary, ...warnings.map(warning => paint('yellow', `note: ${warning}`))].join('\n'));
    });
  define(group, 'show', {
    summary: 'show a file with all defaults filled in',
    examples: ['chorus config show chorus.yaml', 'chorus config show chorus.yaml --json'],
  })
    .argument('<file>', 'configuration file')
    .addOption(jsonOption())
    .action(async (file: string, options: Options) => {
      const { showConfig, showConfigJson } = await import('#config/commands.ts');
      if (options.json) printJson(showConfigJson(file));
      else print(showConfig(file));
    });
  define(group, 'schema', {
    summary: 'print the JSON Schema of the configuration, for editors',
    examples: ['chorus config schema > chorus.schema.json'],
  }).action(async () => {
    const { configSchemaText } = await import('#config/commands.ts');
    print(configSchemaText());
  });
  define(group, 'diff', {
    summary: 'show what changes from one file to another',
    description: 'Shows what a reload would change. Ends with 0 whether there are differences or not.',
    examples: ['chorus config diff /etc/chorus/chorus.yaml new.yaml'],
  })
    .argument('<old>', 'configuration file that runs')
    .argument('<new>', 'configuration file to compare it with')
    .addOption(jsonOption())
    .action(async (before: string, after: string, options: Options) => {
      const { diffConfig } = await import('#config/commands.ts');
      const changes = diffConfig(before, after);
      if (options.json) printJson({ changes });
      else print(changes.length === 0 ? 'no differences' : changes.join('\n'));
    });
  registerImport(group);
}
