/**
 * Programs for probes: run without a shell, in a process group of their own that ends with the run, with no input, a short
 * environment, and output of which the beginning is kept. As keepalived's script security has it, root runs no program that
 * anybody else could change.
 */
import { spawn } from 'node:child_process';
import { accessSync, realpathSync, statSync } from 'node:fs';
import type { constants } from 'node:os';
import { dirname } from 'node:path';

/** How a program ended. */
export type Ended = {
  /** Exit code; null when a signal ended it. */
  readonly code: number | null;
  /** `SIGSEGV`; null when it ended by itself. */
  readonly signal: string | null;
};

/** What is heard of a program. Nothing after `close`; one of `ended` and `failed`, once, not before `run` has returned. */
export type Listening = {
  /** Output so far, at most `keptOutput` bytes of both streams. */
  readonly output: (text: string) => void;
  readonly ended: (how: Ended) => void;
  /** It could not be run; why, in words. */
  readonly failed: (reason: string) => void;
};

/** A way to run programs. */
export interface Programs {
  /** Runs a command; gives the function that ends it. Never throws. */
  run(
    command: readonly string[],
    environment: Readonly<Record<string, string>>,
    listening: Listening,
  ): () => void;
}

/** Programs at once, at most. */
export const programsAtOnce = 32;
/** Bytes of output that are kept of one run. */
export const keptOutput = 1024;
/** ms from the request to end to the order. */
const grace = 500;

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** What the check of a program looks at. */
export type FileFacts = { readonly uid: number; readonly mode: number; readonly file: boolean };

/** The file system as the check sees it. Each gives undefined where there is nothing. */
export type FileView = {
  readonly facts: (path: string) => FileFacts | undefined;
  readonly real: (path: string) => string | undefined;
  readonly executable: (path: string) => boolean;
};

/** Where a program is, or why it is not run. `root`: it would run as root. */
export function findProgram(
  name: string,
  root: boolean,
  view: FileView,
): { path: string } | { reason: string } {
  const paths = name.includes('/') ? [name] : searchPath.split(':').map(folder => `${folder}/${name}`);
  const path = paths.find(each => view.facts(each)?.file === true);
  const real = path === undefined ? undefined : view.real(path);
  if (path === undefined || real === undefined) return { reason: `there is no program ${name}` };
  if (!view.executable(real)) return { reason: `${path} cannot be executed by this user` };
  if (root) {
    for (let part = real; ; part = dirname(part)) {
      const facts = view.facts(part);
      if (facts?.uid !== 0 || (facts.mode & 0o022) !== 0) {
        return { reason: `root does not run ${path}: others than root may change ${part}` };
      }
      if (part === dirname(part)) break;
    }
  }
  return { path };
}

/** The file system of this machine. */
export const machineFiles: FileView = {
  facts: path => {
    const found = attempt(() => statSync(path));
    return found && { uid: found.uid, mode: found.mode, file: found.isFile() };
  },
  real: path => attempt(() => realpathSync(path)),
  executable: path => attempt(() => accessSync(path, 1) ?? true) ?? false,
};

function attempt<T>(act: () => T): T | undefined {
  try {
    return act();
  } catch {
    return undefined;
  }
}

/** Programs of this machine. */
export class SystemPrograms implements Programs {
  readonly #most: number;
  #running = 0;

  constructor(most = programsAtOnce) {
    this.#most = most;
  }

  /** Programs that run now. */
  get running(): number {
    return this.#running;
  }

  run(
    command: readonly string[],
    environment: Readonly<Record<string, string>>,
    listening: Listening,
  ): () => void {
    let open = true;
    const fail = (reason: string) => {
      queueMicrotask(() => {
        if (open) listening.failed(reason);
        open = false;
      });
      return () => {
        open = false;
      };
    };
    const [name = '', ...rest] = command;
    if (this.#running >= this.#most) return fail(`${this.#most} programs run already`);
    const found = findProgram(name, process.geteuid?.() === 0, machineFiles);
    if ('reason' in found) return fail(found.reason);
    let output = '';
    let child: ReturnType<typeof start>;
    try {
      child = start(found.path, rest, environment);
    } catch (error) {
      return fail(error instanceof Error ? error.message : String(error));
    }
    this.#running++;
    let running = true;
    const gone = () => {
      if (running) this.#running--;
      running = false;
    };
    const heard = (bytes: Buffer) => {
      if (!open || output.length >= keptOutput) return;
      output = (output + bytes.toString('latin1')).slice(0, keptOutput);
      listening.output(Buffer.from(output, 'latin1').toString('utf8'));
    };
    child.stdout.on('data', heard);
    child.stderr.on('data', heard);
    child.on('error', error => {
      gone();
      if (open) listening.failed(error.message);
      open = false;
    });
    // Not `close`: a program may leave others behind that hold its output open.
    child.on('exit', (code, signal) => {
      gone();
      if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
      if (open)
        setImmediate(() => {
          if (open) listening.ended({ code, signal });
          open = false;
          child.stdout.destroy();
          child.stderr.destroy();
        });
    });
    return () => {
      if (!open) return;
      open = false;
      const { pid } = child;
      if (pid === undefined || !running) return;
      signalGroup(pid, 'SIGTERM');
      setTimeout(() => {
        if (running) signalGroup(pid, 'SIGKILL');
        child.stdout.destroy();
        child.stderr.destroy();
      }, grace).unref();
    };
  }
}

function start(path: string, words: readonly string[], environment: Readonly<Record<string, string>>) {
  return spawn(path, words, {
    cwd: '/',
    env: { PATH: searchPath, LC_ALL: 'C', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
    shell: false,
  });
}

function signalGroup(pid: number, signal: keyof typeof constants.signals): void {
  attempt(() => process.kill(-pid, signal));
}
