/** `chorus drain`: takes this front's service addresses away from the routers, and tells when it may be stopped. */
import type { Command } from 'commander';
import type { DrainReport } from '#api/control.ts';
import { ChorusError, exitCodes } from '#kit/errors.ts';
import type { RoutesStatus } from '#route/report.ts';
import { apiOptions, define, jsonOption, paint, print, printJson } from './command.ts';

type Options = {
  api?: string;
  config?: string;
  reason?: string;
  for?: string;
  wait: boolean;
  json?: boolean;
};

/** Between two looks at the drain, ms. */
const lookEvery = 200;
/** How long routes may stand that were to be withdrawn, and how long the API may be silent, ms. */
const patience = 10_000;

export function register(program: Command): void {
  const command = define(program, 'drain', {
    summary: 'take the service addresses away from the routers, and wait until it is safe to stop',
    description:
      'The addresses are announced as draining (graceful shutdown, worse attributes) until the traffic has gone elsewhere, ' +
      'then withdrawn; after a while it is safe to stop this front. It stays drained, over a restart too, until ' +
      '`chorus undrain`, or for the time of --for. Ends with 0 when it is safe. Ctrl-C ends the waiting, not the drain.',
    examples: [
      'chorus drain',
      'chorus drain --reason "new kernel"',
      'chorus drain --for 30m --no-wait',
      'chorus drain --json',
    ],
  });
  apiOptions(command)
    .option('--reason <text>', 'why, for the log, the status and colleagues')
    .option('--for <time>', 'end the drain by itself after this time, such as 30m')
    .option('--no-wait', 'do not wait until it is safe to stop')
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const [{ connect }, { whoAsks }, { parseDuration }] = await Promise.all([
        import('./client.ts'),
        import('./who.ts'),
        import('#kit/units.ts'),
      ]);
      if (options.for !== undefined && parseDuration(options.for) === undefined) {
        throw new ChorusError('USAGE', { reason: `--for ${options.for}: expected a time such as 30m` });
      }
      const client = await connect(options);
      const report = await client.post<DrainReport>('/api/v1/drain', {
        who: whoAsks(),
        ...(options.reason !== undefined && { reason: options.reason }),
        ...(options.for !== undefined && { for: options.for }),
      });
      if (report.problem) process.stderr.write(`${report.problem.message}\n${report.problem.remedy}\n`);
      if (!options.json) print(`${report.was ? 'was drained already; now ' : ''}${drainLine(report)}`);
      if (!options.wait) {
        if (options.json) printJson(report);
        return;
      }
      const end = await watch(() => client.get<RoutesStatus>('/api/v1/routes'), options.json ?? false);
      if (options.json) printJson({ ...end, problem: report.problem });
    });
}

function drainLine({ drain }: DrainReport): string {
  if (!drain) return 'not drained';
  const until =
    drain.until === null ? 'until `chorus undrain`' : `until ${new Date(drain.until).toISOString()}`;
  return `drained ${until}`;
}

/** What the waiting saw. Traffic in queries/s; null where nobody knows. */
type Seen = {
  readonly safe: boolean;
  readonly seconds: number;
  readonly trafficBefore: number | null;
  readonly traffic: number | null;
};

/** Looks until it is safe; tells what happens meanwhile. Throws DRAIN_LIFTED, DRAIN_UNFINISHED and what `look` throws for too long. */
async function watch(look: () => Promise<RoutesStatus>, silent: boolean): Promise<Seen> {
  const { DrainProgress } = await import('./drain-progress.ts');
  const started = performance.now();
  const live = process.stdout.isTTY && !silent;
  const progress = new DrainProgress(patience);
  const onInterrupt = () => {
    if (live) process.stdout.write('\n');
    process.stderr.write('the drain goes on; `chorus routes` shows it, `chorus undrain` ends it\n');
    process.exit(exitCodes.failed);
  };
  process.on('SIGINT', onInterrupt);
  let heard = started;
  let drawn = '';
  try {
    for (;;) {
      const now = performance.now();
      const status = await look().catch((error: unknown) => {
        if (now - heard > patience || !(error instanceof ChorusError && error.code === 'API_UNREACHABLE'))
          throw error;
        return null;
      });
      if (status) {
        heard = performance.now();
        const { line, ended } = progress.take(status, heard);
        if (line !== drawn && !silent) {
          // On a terminal a line of the same phase takes the place of the one before.
          if (live && drawn !== '') process.stdout.write(progress.fresh ? '\n' : '\r\u001b[K');
          if (live) process.stdout.write(line);
          else if (progress.fresh) print(line);
          drawn = line;
        }
        if (ended) {
          if (live) process.stdout.write('\n');
          const seconds = Math.round(performance.now() - started) / 1000;
          if (!silent) print(paint('green', 'safe to stop'));
          const note = progress.left(status);
          if (note !== null) process.stderr.write(`${note}\n`);
          return { safe: true, seconds, trafficBefore: progress.before, traffic: status.traffic };
        }
      }
      await new Promise(resolve => setTimeout(resolve, lookEvery));
    }
  } catch (error) {
    if (live) process.stdout.write('\n');
    throw error;
  } finally {
    process.off('SIGINT', onInterrupt);
  }
}
