/** `chorus routes`: what is announced, what should be, and why. */
import type { Command } from 'commander';
import { ChorusError, exitCodes, reasonOf } from '#kit/errors.ts';
import type { RoutesStatus } from '#route/report.ts';
import { apiOptions, define, jsonOption, print, printJson } from './command.ts';

type Options = {
  api?: string;
  config?: string;
  json?: boolean;
  watch?: boolean;
  events?: boolean;
  replay?: string;
};

export function register(program: Command): void {
  const command = define(program, 'routes', {
    summary: 'show the service addresses: what is wanted, what is announced, and why',
    description:
      'For each service address its state, and for each route driver what is wanted, what was read back from the routing ' +
      'software, and the state of the session. Ends with 0 when all is as wanted, with 1 when not. --events prints what the ' +
      'announcer was told lately; --replay runs such events through the announcer with the service addresses of a ' +
      'configuration file, and prints what would have been announced and withdrawn, and when.',
    examples: [
      'chorus routes',
      'chorus routes --watch',
      'chorus routes --json',
      'chorus routes --events',
      'chorus routes --replay events.jsonl --config /etc/chorus/chorus.yaml',
    ],
  });
  apiOptions(command)
    .addOption(jsonOption())
    .option('-w, --watch', 'show it again each second, until interrupted')
    .option('--events', 'print what the announcer was told lately, a JSON object a line')
    .option('--replay <file>', 'what the announcer makes of these events; needs --config, asks nobody')
    .action(async (options: Options) => {
      if (options.replay !== undefined) {
        await replay(options.replay, options);
        return;
      }
      const [{ connect }, { routesText }] = await Promise.all([
        import('./client.ts'),
        import('./routes-text.ts'),
      ]);
      const client = await connect(options);
      if (options.events) {
        process.stdout.write(await client.text('/api/v1/routes/events'));
        return;
      }
      const show = async (before: string) => {
        const status = await client.get<RoutesStatus>('/api/v1/routes');
        if (options.json) printJson(status);
        else print(before + routesText(status, Date.now()));
        process.exitCode = status.routes.every(({ agrees }) => agrees) ? exitCodes.ok : exitCodes.failed;
      };
      await show('');
      if (options.watch) await (await import('./watch.ts')).watch(show, options.json);
    });
}

async function replay(file: string, { config, json }: Options): Promise<void> {
  if (config === undefined) throw new ChorusError('USAGE', { reason: '--replay needs --config FILE' });
  const [{ readFileSync }, { loadConfigFile }, { replayPlan }, { replayEvents }] = await Promise.all([
    import('node:fs'),
    import('#config/load.ts'),
    import('#config/plan.ts'),
    import('#route/replay.ts'),
  ]);
  const plan = replayPlan(loadConfigFile(config));
  if (plan.addresses.length === 0) throw new ChorusError('ROUTES_NONE');
  let events: string;
  try {
    events = readFileSync(file, 'utf8');
  } catch (error) {
    throw new ChorusError('EVENTS_UNREADABLE', { file, reason: reasonOf(error) });
  }
  const { timeline, text } = replayEvents(events, file, plan);
  if (json) printJson(timeline);
  else print(text);
}
