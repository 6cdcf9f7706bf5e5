/** The command line: gathers the commands, runs one, and shows errors the same way for all. */
import { Command, CommanderError } from 'commander';
import { ChorusError, errorTable, exitCodes, reasonOf } from '#kit/errors.ts';

const help = `
Examples:
  $ chorus up                            a whole farm on this machine, to look at
  $ chorus serve --config chorus.yaml    run the balancer
  $ chorus status                        what a running one does`;

/** Files of this folder that export `register`. A command that is added is a line here. */
const commandFiles = [
  'serve',
  'up',
  'status',
  'backend',
  'cache',
  'reload',
  'config',
  'burst',
  'node',
] as const;

/** The whole command line, for running it and for writing its reference page. */
export async function program(): Promise<Command> {
  const { version } = await import('#kit/version.ts');
  const root = new Command('chorus')
    .description('Runs a farm of DNS resolvers as one nameserver that always answers.')
    .version(version, '-V, --version', 'print the version')
    .helpCommand('help [command]', 'show help for a command')
    .configureHelp({ sortSubcommands: false, showGlobalOptions: false })
    .showSuggestionAfterError(true)
    .exitOverride()
    .configureOutput({ outputError: () => {} })
    .addHelpText('after', help);
  for (const register of await registrations()) register(root);
  return root;
}

async function registrations(): Promise<((program: Command) => void)[]> {
  const found = [];
  for (const name of commandFiles) {
    try {
      const module: { register: (program: Command) => void } = await import(`./${name}.ts`);
      found.push(module.register);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    }
  }
  return found;
}

/** Runs one command line. Gives the exit code; never throws. */
export async function run(argv: readonly string[]): Promise<number> {
  const root = await program();
  try {
    await root.parseAsync([...argv], { from: 'user' });
    return Number(process.exitCode ?? exitCodes.ok);
  } catch (error) {
    return report(error, argv.includes('--debug'));
  }
}

/** Writes an error to standard error. Gives the exit code. */
export function report(thrown: unknown, debug: boolean): number {
  if (thrown instanceof CommanderError) {
    if (thrown.exitCode === 0 || thrown.code === 'commander.help')
      return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage;
    const reason = thrown.message.replace(/^error: /, '').replace(/\s*\n\s*/g, ' ');
    return report(new ChorusError('USAGE', { reason }), debug);
  }
  const known = thrown instanceof ChorusError;
  const error = known ? thrown : new ChorusError('INTERNAL', { reason: reasonOf(thrown) });
  process.stderr.write(`chorus: ${error.message}\n${error.remedy}\n`);
  if ((debug || !known || error.exit === errorTable.INTERNAL.exit) && thrown instanceof Error) {
    process.stderr.write(`${thrown.stack}\n`);
  }
  return error.exit;
}

if (import.meta.main) {
  // A reader that goes away (`chorus status | head -1`) is no error.
  process.stdout.on('error', () => process.exit(exitCodes.ok));
  process.exitCode = await run(process.argv.slice(2));
}
