/** Where `bin/chorus check` begins: a command line without a mistake is carried out at once, any other by the whole command line. */
import { readCheckLine } from '#insight/check-options.ts';
import { checkOnce } from './check-run.ts';

// A reader that goes away is no error, and changes nothing of what was found.
process.stdout.on('error', () => process.exit());
const line = readCheckLine(process.argv.slice(3));
// What is wrong with the words is for the whole command line to tell.
const exit = line && (await checkOnce(line).catch(() => null));
process.exitCode = exit ?? (await (await import('./main.ts')).run(process.argv.slice(2)));
