/** `chorus check`: one check of one nameserver, for monitoring systems and keepalived. */
import type { Command } from 'commander';
import { type CheckLine, checkOptions } from '#insight/check-options.ts';
import type { CheckOptions } from '#insight/check-plan.ts';
import type { ChorusError } from '#kit/errors.ts';
import { define, integer, print, printJson, showErrors } from './command.ts';

type Options = CheckOptions & { json?: boolean; debug?: boolean; edns: boolean };

export function register(program: Command): void {
  const command = define(program, 'check', {
    summary: 'check one nameserver once, for monitoring systems and keepalived',
    description:
      'Asks a nameserver one question and judges the answer: NOERROR and NXDOMAIN are good. Understands the words of ' +
      'dig, and the nine words SOURCE CLASS TYPE NAME SERVER TIME TRIES ERROR-MATCH TRANSPORT. Ends with 0 for OK, ' +
      '1 for WARNING, 2 for CRITICAL, 3 for UNKNOWN and for a wrong command line; with --misc-check, and with the nine ' +
      'words, with 0 for good and 1 for bad.',
    examples: [
      'chorus check @192.0.2.1 www.example.net A',
      'chorus check @192.0.2.1:5353 www.example.net A --warning 50ms --critical 500ms --expect-data 198.51.100.7',
      "chorus check @192.0.2.1 wild.example.net A --random --tcp --fail-on 'SERVFAIL|REFUSED' --json",
      'chorus check -b 192.0.2.9 a www.example.net @192.0.2.1 +time=1 +tries=5 +fail --misc-check',
      'chorus check 192.0.2.9 IN A www.example.net 192.0.2.1 1 5 SERVFAIL udp',
      'chorus check @192.0.2.1 www.example.net A --misc-check --dynamic --weight 100 --warning 20ms --critical 1s',
    ],
  })
    .argument(
      '[words...]',
      '@SERVER, name, type, class, +time=N, +tries=N, +tcp in any order; or the nine words',
    )
    .action(async (words: string[], options: Options) => {
      const { checkOnce } = await import('./check-run.ts');
      process.exitCode = await checkOnce(lineOf(words, options));
    });
  for (const option of checkOptions) {
    if (option.kind === 'whole') {
      command.option(option.flags, option.help, integer(option.low, option.high));
    } else if (option.kind === 'texts') command.option(option.flags, option.help, several);
    else command.option(option.flags, option.help);
  }
  showErrors(command, unknown);
}

/** The line that was read, from what the parser gives. */
export function lineOf(words: readonly string[], given: Options): CheckLine {
  const { json = false, debug: _, edns, ...options } = given;
  // EDNS is on unless it is turned off; on is no word on it, and `+noedns` may be.
  return { words, options: edns ? options : { ...options, edns }, json };
}

function several(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** A check that cannot be made tells so as plug-ins do. To keepalived 3 would be a weight, so it is told 1. */
function unknown(error: ChorusError, words: readonly string[]): number {
  const nineWords = /^[\d.]+$|:/.test(words[1] ?? '');
  const keepalived = nineWords || words.includes('--misc-check') || words.includes('--dynamic');
  const exit = keepalived ? 1 : 3;
  const reason = error.message.replace(/\s*\n\s*/g, ' ').replaceAll('|', '/');
  if (words.includes('--json')) printJson({ state: 'UNKNOWN', exit, detail: reason });
  else print(`DNS UNKNOWN: ${reason}`);
  process.stderr.write(`${error.remedy}\n`);
  return exit;
}
