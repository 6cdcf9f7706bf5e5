/** `--watch`: shows something again and again, on a terminal in the same place. */
import { ChorusError } from '#kit/errors.ts';
import { paint, print } from './command.ts';

const watchEvery = 1000;

/** Calls `show` each second until the process is interrupted; it writes what it is given before the rest. */
export async function watch(
  show: (before: string) => Promise<void>,
  json: boolean | undefined,
): Promise<never> {
  // Home and clear below, so that the picture does not flicker; without a terminal, one after the other.
  const clear = process.stdout.isTTY ? '\u001b[H\u001b[J' : '\n';
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, watchEvery));
    await show(json ? '' : clear).catch((error: unknown) => {
      // It may be started again while somebody watches.
      if (!(error instanceof ChorusError && error.code === 'API_UNREACHABLE')) throw error;
      if (json) process.stderr.write(`${error.message}\n`);
      else print(clear + paint('red', error.message));
    });
  }
}
