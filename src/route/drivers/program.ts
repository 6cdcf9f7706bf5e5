/** Programs that drivers run to their end: without a shell, within a time, with bounded output. */
import { execFile } from 'node:child_process';
import { ChorusError } from '#kit/errors.ts';

/** Most bytes of one output. */
const outputLimit = 16 * 2 ** 20;
/** Characters of an output that are shown to an operator. */
const shown = 300;

export type Ran = { readonly code: number; readonly stdout: string; readonly stderr: string };

/**
 * Runs a program and gives its exit code and what it said. Rejects with ROUTE_PROGRAM where it cannot be run, and with
 * ROUTE_DAEMON_SILENT when it has not ended after `timeout` ms or says too much.
 */
export function runProgram(
  file: string,
  args: readonly string[],
  {
    timeout,
    signal,
    daemon,
  }: { readonly timeout: number; readonly signal: AbortSignal; readonly daemon: string },
): Promise<Ran> {
  return new Promise((resolve, reject) => {
    execFile(
      file,
      args,
      {
        timeout,
        signal,
        killSignal: 'SIGKILL',
        maxBuffer: outputLimit,
        encoding: 'utf8',
        windowsHide: true,
        // Without a home: vtysh would put what it is told into the operator's history.
        env: { ...process.env, HOME: '/nonexistent', LC_ALL: 'C', VTYSH_PAGER: 'cat' },
      },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        if (typeof code === 'number') resolve({ code, stdout, stderr });
        else if (error?.killed || code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER')
          reject(new ChorusError('ROUTE_DAEMON_SILENT', { daemon, where: file, seconds: timeout / 1000 }));
        else
          reject(
            new ChorusError('ROUTE_PROGRAM', { daemon, program: file, reason: error?.message ?? 'unknown' }),
          );
      },
    );
  });
}

/** What a program or daemon said, on one line, as it can be shown. */
export function inOneLine(said: string): string {
  const plain = said
    .replace(/\s*[\r\n]+\s*/g, '; ')
    .replace(/[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]/g, '?')
    .trim();
  return plain.length > shown ? `${plain.slice(0, shown - 1)}…` : plain;
}

const turns = new Map<string, Promise<unknown>>();

/** Does one thing after the other for each `key`, in the order of the calls. */
export function inTurn<T>(key: string, work: () => Promise<T>): Promise<T> {
  const mine = (turns.get(key) ?? Promise.resolve()).then(work);
  const done = mine.catch(() => {});
  turns.set(key, done);
  void done.then(() => {
    if (turns.get(key) === done) turns.delete(key);
  });
  return mine;
}
