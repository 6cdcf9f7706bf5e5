/**
 * The shape of a command. Each command is one file that exports `register(program)`: it declares the command, its
 * options and examples, and imports what does the work only when the command runs, so that `chorus --help` stays fast.
 *
 *     export function register(program: Command): void {
 *       define(program, 'burst', {
 *         summary: 'send many queries at once and count the answers',
 *         examples: ['chorus burst 127.0.0.1:5300', 'chorus burst --json 192.0.2.1:53'],
 *       })
 *         .argument('<server>', 'ADDRESS or ADDRESS:PORT of a nameserver')
 *         .addOption(jsonOption())
 *         .action(async (server: string, options: { json?: boolean }) => {
 *           const { burst } = await import('#insight/burst.ts');
 *           …
 *           if (options.json) printJson(result);
 *           else print(text);
 *         });
 *     }
 *
 * An action that fails throws a ChorusError; main prints it and ends with its exit code. An action that must end with
 * another code without an error sets `process.exitCode`.
 */
import { stripVTControlCharacters, styleText } from 'node:util';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { ChorusError } from '#kit/errors.ts';

/** What the help of a command says. `summary` starts in lower case and has no full stop. */
export type About = {
  readonly summary: string;
  /** More than the summary, in whole sentences. */
  readonly description?: string;
  /** Whole command lines. Each is run or parsed by a test. */
  readonly examples: readonly string[];
};

/** Adds a command to its parent, with help, examples and `--debug`. */
export function define(parent: Command, name: string, about: About): Command {
  const command = parent
    .command(name)
    .summary(about.summary)
    .description(about.description ?? sentence(about.summary));
  command.option('--debug', 'show the stack trace of an error');
  command.addHelpText('after', `\nExamples:\n${about.examples.map(line => `  $ ${line}`).join('\n')}`);
  return command;
}

/** How a command shows an error to those who run it, where not as the others do. Gives the exit code. `words`: its command line. */
export type ErrorForm = (error: ChorusError, words: readonly string[]) => number;

const errorForms = new Map<string, ErrorForm>();

/** Gives a command of the first level an error form of its own. */
export function showErrors(command: Command, form: ErrorForm): void {
  errorForms.set(command.name(), form);
}

/** The error form of the command that a command line names; undefined: the usual one. */
export function errorForm(words: readonly string[]): ErrorForm | undefined {
  return errorForms.get(words[0] ?? '');
}

/** `--json` for a command that prints. */
export function jsonOption(): Option {
  return new Option('--json', 'print JSON');
}

/** `--api` and `--config`: how a command finds the running Chorus. Pass the options on to `connect` of client.ts. */
export function apiOptions(command: Command): Command {
  return command
    .option(
      '--api <address>',
      'API of the running Chorus, ADDRESS:PORT (also CHORUS_API; default 127.0.0.1:8053)',
    )
    .option('--config <file>', 'read the address of the API from this configuration file');
}

/** Parser for a whole number within bounds, for `.option('-n <count>', '…', integer(1, 100))`. */
export function integer(low: number, high: number): (text: string) => number {
  return text => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < low || value > high) {
      throw new InvalidArgumentError(`expected a whole number from ${low} to ${high}.`);
    }
    return value;
  };
}

/** Writes a line or more to standard output. */
export function print(text: string): void {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
}

/** Writes a value to standard output as indented JSON. */
export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

export type Colour = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'cyan';

/** The text in a colour where standard output is a terminal and NO_COLOR is not set; else the text as it is. */
export function paint(colour: Colour, text: string): string {
  if (!process.stdout.isTTY || (process.env.NO_COLOR ?? '') !== '') return text;
  return styleText(colour, text, { validateStream: false });
}

/** Rows as a table of aligned columns. `right` names columns (by index) of numbers. Cells may be painted. */
export function table(rows: readonly (readonly string[])[], right: readonly number[] = []): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, cell] of row.entries()) widths[index] = Math.max(widths[index] ?? 0, visible(cell));
  }
  const line = (row: readonly string[]) =>
    row
      .map((cell, index) => {
        const space = ' '.repeat((widths[index] ?? 0) - visible(cell));
        return right.includes(index) ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  return rows.map(line).join('\n');
}

function visible(cell: string): number {
  return stripVTControlCharacters(cell).length;
}

function sentence(summary: string): string {
  return `${summary.charAt(0).toUpperCase()}${summary.slice(1)}.`;
}
