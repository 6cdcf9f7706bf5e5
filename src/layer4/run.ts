/** Runs the programs that command the kernel. */
import { type ChildProcess, spawn } from 'node:child_process';
import { capabilities, lendCapability } from '#net/capabilities.ts';

/** What a program gave. `code` null: it did not start (`stderr` says why), or had to be killed. */
export type Outcome = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

/** Runs a program with a text on its standard input. Never rejects. */
export type Run = (program: string, args: readonly string[], input: string) => Promise<Outcome>;

/** ms; nft takes some 50 ms for ten thousand slots. */
const patience = 10_000;
/** Most octets of output. */
const most = 32 * 1024 * 1024;
/** System programs, wherever the path of the service leads. */
const path = [process.env.PATH ?? '', '/usr/sbin', '/sbin', '/usr/bin', '/bin'].join(':');

export const runProgram: Run = (program, args, input) =>
  new Promise(resolve => {
    let child: ChildProcess;
    try {
      // It needs what the main thread kept when it gave up root.
      child = lendCapability(capabilities.CAP_NET_ADMIN, () =>
        spawn(program, args, {
          stdio: ['pipe', 'pipe', 'pipe'],
          env: { ...process.env, PATH: path, LC_ALL: 'C' },
        }),
      );
    } catch (thrown) {
      resolve({ code: null, stdout: '', stderr: String(thrown) });
      return;
    }
    const texts = { stdout: '', stderr: '' };
    let size = 0;
    const timer = setTimeout(() => {
      texts.stderr += 'it did not end and was killed';
      child.kill('SIGKILL');
    }, patience);
    for (const name of ['stdout', 'stderr'] as const) {
      child[name]?.setEncoding('utf8').on('data', (text: string) => {
        size += text.length;
        if (size <= most) texts[name] += text;
        else child.kill('SIGKILL');
      });
    }
    // It may end without reading.
    child.stdin?.on('error', () => {});
    child.stdin?.end(input);
    const end = (code: number | null) => {
      clearTimeout(timer);
      resolve({ code: size > most ? null : code, ...texts });
    };
    child.on('error', error => {
      texts.stderr += error.message;
      end(null);
    });
    child.on('close', code => end(code));
  });
