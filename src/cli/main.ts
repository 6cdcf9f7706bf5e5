/** The command line: gathers the commands, runs one, and shows errors the same way for all. */
import { Command, CommanderError } from 'commander';
import { ChorusError, errorTable, exitCodes, reasonOf } from '#kit/errors.ts';
import { version } from '#kit/version.ts';
import { register as backend } from './backend.ts';
import { register as burst } from './burst.ts';
import { register as cache } from './cache.ts';
import { register as check } from './check.ts';
import { errorForm } from './command.ts';
import { register as config } from './config.ts';
import { register as drain } from './drain.ts';
import { register as layer4 } from './layer4.ts';
import { register as node } from './node.ts';
import { register as probe } from './probe.ts';
import { register as reload } from './reload.ts';
import { register as routes } from './routes.ts';
import { register as serve } from './serve.ts';
import { register as status } from './status.ts';
import { register as undrain } from './undrain.ts';
import { register as up } from './up.ts';

const help = `
Examples:
  $ chorus up                            a whole farm on this machine, to look at
  $ chorus serve --config chorus.yaml    run the balancer
  $ chorus status                        what a running one does`;

/** The commands in the order of the help. */
const registrations: readonly ((program: Command) => void)[] = [
  serve,
  up,
  status,
  routes,
  layer4,
  drain,
  undrain,
  backend,
  cache,
  reload,
  config,
  check,
  probe,
  burst,
  node,
];

/** The whole command line, for running it and for writing its reference page. */
export function program(): Command {
  const root = new Command('chorus')
    .description('Runs a farm of DNS resolvers as one nameserver that always answers.')
    .version(version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .showSuggestionAfterError(true)
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', help);
  for (const register of registrations) register(root);
  return root;
}

/** Runs one command line. Gives the exit code; never throws. */
export async function run(argv: readonly string[]): Promise<number> {
  const root = program();
  try {
    await root.parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? exitCodes.ok);
  } catch (error) {
    const debug = argv.includes('--debug');
    const form = errorForm(argv);
    const known = errorOf(error);
    if (!form || known === null) return report(error, debug);
    if (debug || known.code === 'INTERNAL') process.stderr.write(`${stackOf(error)}\n`);
    return form(known, argv);
  }
}

/** Writes an error to standard error. Gives the exit code. */
export function report(thrown: unknown, debug: boolean): number {
  const error = errorOf(thrown);
  if (error === null) {
    return thrown instanceof CommanderError && thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
  }
  process.stderr.write(`chorus: ${error.message}\n${error.remedy}\n`);
  if (debug || error.exit === errorTable.INTERNAL.exit) process.stderr.write(`${stackOf(thrown)}\n`);
  return error.exit;
}

/** The error of the table for anything thrown; null where help was asked for and shown. */
function errorOf(thrown: unknown): ChorusError | null {
  if (thrown instanceof ChorusError) return thrown;
  if (!(thrown instanceof CommanderError)) return new ChorusError('INTERNAL', { reason: reasonOf(thrown) });
  if (thrown.exitCode === 0 || thrown.code === 'commander.help') return null;
  const reason = thrown.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
  return new ChorusError('USAGE', { reason });
}

function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown);
}

if (import.meta.main) {
  // A reader that goes away (`chorus status | head -1`) is no error.
  process.stdout.on('error', () => process.exit(exitCodes.ok));
  process.exitCode = await run(process.argv.slice(2));
}
