/** `chorus layer4`: what the kernel balances, and what it should. */
import type { Command } from 'commander';
import { ChorusError, exitCodes } from '#kit/errors.ts';
import type { Layer4Status } from '#layer4/report.ts';
import { apiOptions, define, jsonOption, paint, print, printJson, table } from './command.ts';

type Options = { api?: string; config?: string; json?: boolean; dryRun?: boolean };

export function register(program: Command): void {
  const command = define(program, 'layer4', {
    summary: 'show what the kernel balances, and what it should',
    description:
      'For each service of `layer4` its backends, with the share of new flows that each should have and has. Ends with 0 when the kernel has what is wanted and passes packets on, with 1 when not. ' +
      '--dry-run prints the text that would be given to nft or ipvsadm for a configuration file, as if all of its backends served; it changes nothing.',
    examples: [
      'chorus layer4',
      'chorus layer4 --json',
      'chorus layer4 --dry-run --config /etc/chorus/chorus.yaml',
    ],
  });
  apiOptions(command)
    .addOption(jsonOption())
    .option('--dry-run', 'print what would be written for a configuration; needs --config')
    .action(async (options: Options) => {
      if (options.dryRun) {
        await dryRun(options.config);
        return;
      }
      const { connect } = await import('./client.ts');
      const client = await connect(options);
      const status = await client.get<Layer4Status>('/api/v1/layer4');
      if (options.json) printJson(status);
      else print(layer4Text(status));
      const well = status.state === 'agrees' && status.warnings.length === 0;
      process.exitCode = well ? exitCodes.ok : exitCodes.failed;
    });
}

async function dryRun(file: string | undefined): Promise<void> {
  if (file === undefined) throw new ChorusError('USAGE', { reason: '--dry-run needs --config FILE' });
  const [{ loadConfigFile }, { layer4Services, poolMembers }, { nftWanted }, { ipvsChange, ipvsWanted }] =
    await Promise.all([
      import('#config/load.ts'),
      import('#daemon/layer4.ts'),
      import('#layer4/nftables.ts'),
      import('#layer4/ipvs.ts'),
    ]);
  const snapshot = loadConfigFile(file);
  const { layer4 } = snapshot;
  if (!layer4) throw new ChorusError('LAYER4_NONE');
  const services = layer4Services(
    layer4,
    pool => poolMembers(snapshot, pool),
    () => false,
  );
  process.stdout.write(
    layer4['data-plane'] === 'nftables'
      ? nftWanted(layer4.name, services).text
      : ipvsChange(ipvsWanted(services, layer4), new Map()),
  );
}

function layer4Text(status: Layer4Status): string {
  const percent = (share: number | null) => (share === null ? '?' : `${(100 * share).toFixed(1)}%`);
  const colour = { agrees: 'green', applying: 'yellow', failed: 'red' } as const;
  const words = { agrees: 'as wanted', applying: 'being written', failed: 'not as wanted' } as const;
  const lines = [`${status.table}: ${paint(colour[status.state], words[status.state])}`];
  if (status.problem) lines.push(paint('red', status.problem.message), status.problem.remedy);
  for (const warning of status.warnings) lines.push(paint('yellow', warning));
  for (const { address, port, protocols, backends } of status.services) {
    lines.push('', paint('bold', `${address} port ${port}, ${protocols.join(' and ')}`));
    const rows = backends.map(({ name, address, port, role, wanted, actual }) => [
      `  ${name}`,
      `${address} port ${port}`,
      role,
      percent(wanted),
      percent(actual),
    ]);
    lines.push(table([['  backend', 'address', 'role', 'wanted', 'actual'], ...rows], [3, 4]));
    if (backends.length === 0) lines.push('  no backend of its family');
  }
  return lines.join('\n');
}
