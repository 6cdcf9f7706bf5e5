/** `chorus undrain`: ends a drain. */
import type { Command } from 'commander';
import type { DrainReport } from '#api/control.ts';
import { apiOptions, define, jsonOption, print, printJson } from './command.ts';

export function register(program: Command): void {
  const command = define(program, 'undrain', {
    summary: 'end a drain: announce the service addresses again, once they deserve it',
    examples: ['chorus undrain', 'chorus undrain --json'],
  });
  apiOptions(command)
    .addOption(jsonOption())
    .action(async (options: { api?: string; config?: string; json?: boolean }) => {
      const [{ connect }, { whoAsks }] = await Promise.all([import('./client.ts'), import('./who.ts')]);
      const report = await (await connect(options)).post<DrainReport>('/api/v1/undrain', { who: whoAsks() });
      if (report.problem) process.stderr.write(`${report.problem.message}\n${report.problem.remedy}\n`);
      if (options.json) printJson(report);
      else
        print(report.was ? 'no longer drained; `chorus routes` shows what is announced' : 'was not drained');
    });
}
