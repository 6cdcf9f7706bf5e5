/** `chorus reload`: the configuration file in force again, without a restart. */
import type { Command } from 'commander';
import { apiOptions, define, jsonOption, paint, print, printJson } from './command.ts';

export function register(program: Command): void {
  const command = define(program, 'reload', {
    summary: 'put the configuration file in force again',
    description:
      'Makes the running Chorus read its configuration file again. Cache, queries in flight and health survive. A file ' +
      'with an error changes nothing; `chorus config check` and `chorus config diff` tell beforehand what would happen.',
    examples: ['chorus reload', 'chorus reload --api 127.0.0.1:8053 --json'],
  });
  apiOptions(command)
    .addOption(jsonOption())
    .action(async (options: { api?: string; config?: string; json?: boolean }) => {
      const { connect } = await import('./client.ts');
      const report = await (await connect(options)).post<import('#api/control.ts').ReloadReport>(
        '/api/v1/reload',
      );
      if (options.json) {
        printJson(report);
        return;
      }
      print(
        report.changes.length === 0
          ? `no changes (generation ${report.generation})`
          : `${paint('green', 'reloaded')} (generation ${report.generation})`,
      );
      for (const change of report.changes) print(`  ${change}`);
      if (report.needsRestart.length > 0) {
        print(paint('yellow', `needs a restart: ${report.needsRestart.join(', ')}`));
      }
      for (const warning of report.warnings) print(paint('yellow', `note: ${warning}`));
    });
}
