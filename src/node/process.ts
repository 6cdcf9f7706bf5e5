/**
 * The process of a server: started without a shell, in a session of its own, with a short environment and no input. The kernel
 * kills it when Chorus dies (PR_SET_PDEATHSIG, by setpriv of util-linux): a server that nobody judges is not announced, and two
 * that share a port by SO_REUSEPORT would each take half of the queries. Where that could not be, a file with its pid lets the next
 * Chorus find it and end it.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { Clock } from '#health/clock.ts';
import { findProgram, machineFiles } from '#health/programs.ts';
import type { Output } from './output.ts';
import type { StopSignal } from './states.ts';
import type { ServerEnd, ServerProcess } from './supervisor.ts';

const searchPath = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** How a server is started. */
export type LaunchPlan = {
  readonly command: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** The user it becomes; null: it stays ours. */
  readonly account: { readonly user: string; readonly uid: number; readonly gid: number } | null;
  /** Where it may write. */
  readonly folder: string;
  /** A file or folder that must be there: Unbound runs on its defaults where its configuration is missing. Null: none. */
  readonly config: string | null;
  /** Where its pid is kept; null: nowhere. */
  readonly pidFile: string | null;
};

/** The words that start it: setpriv in front, which sets user and death signal and then becomes the server. Or why it cannot be started. */
export function commandLine(
  { command, account }: LaunchPlan,
  root: boolean,
  find: (name: string) => { path: string } | { reason: string },
): { readonly words: readonly string[]; readonly tied: boolean } | { readonly reason: string } {
  const [name = '', ...rest] = command;
  const program = find(name);
  if ('reason' in program) return program;
  const own = [program.path, ...rest];
  if (account && !root) return { reason: `only root can run it as the user ${account.user}` };
  const setpriv = find('setpriv');
  if ('reason' in setpriv) {
    if (account) return { reason: `setpriv of util-linux is needed to run it as ${account.user}` };
    return { words: own, tied: false };
  }
  const port = '-all,+net_bind_service';
  const as = account
    ? [
        `--reuid=${account.uid}`,
        `--regid=${account.gid}`,
        /^\d+$/.test(account.user) ? '--clear-groups' : '--init-groups',
        `--inh-caps=${port}`,
        `--ambient-caps=${port}`,
      ]
    : [];
  return { words: [setpriv.path, '--pdeathsig=KILL', ...as, '--', ...own], tied: true };
}

/** What `launch` asks and tells besides. */
export type LaunchWorld = {
  /** Why it may not be started now; null: it may. */
  readonly taken: () => string | null;
  /** The kernel cannot tie its life to ours. */
  readonly onUntied: () => void;
};

/** Starts the server. Never throws. */
export function launch(
  plan: LaunchPlan,
  output: Output,
  ended: (how: ServerEnd) => void,
  { taken, onUntied }: LaunchWorld,
): ServerProcess {
  const nothing = (reason: string): ServerProcess => {
    queueMicrotask(() => ended({ failed: reason }));
    return { pid: null, signal: () => {} };
  };
  const root = process.geteuid?.() === 0;
  const line = commandLine(plan, root, name => findProgram(name, root, machineFiles));
  if ('reason' in line) return nothing(line.reason);
  if (plan.config !== null && !existsSync(plan.config))
    return nothing(`there is no ${plan.config} (\`server: config:\`)`);
  const refusal = taken();
  if (refusal !== null) return nothing(refusal);
  if (!line.tied) onUntied();
  const [program = '', ...rest] = line.words;
  let child: ChildProcess;
  try {
    child = spawn(program, rest, {
      cwd: '/',
      env: { PATH: searchPath, LC_ALL: 'C', ...plan.environment },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      shell: false,
    });
  } catch (error) {
    return nothing(error instanceof Error ? error.message : String(error));
  }
  const { pid = null } = child;
  for (const readable of [child.stdout, child.stderr]) {
    const stream = output.stream();
    readable?.setEncoding('utf8').on('data', stream.write).on('end', stream.end).on('error', stream.end);
  }
  if (pid !== null) keep(plan.pidFile, pid);
  let running = true;
  const over = (how: ServerEnd) => {
    if (!running) return;
    running = false;
    if (pid !== null) signalTo(-pid, 'SIGKILL');
    forget(plan.pidFile);
    ended(how);
  };
  child.on('error', error => over({ failed: error.message }));
  // Not `close`: others that it left behind may hold its output open.
  child.on('exit', (code, signal) => {
    // What it said last is still to be read.
    setImmediate(() => {
      over({ code, signal });
      child.stdout?.destroy();
      child.stderr?.destroy();
    });
  });
  return {
    pid,
    signal: name => {
      if (!running || pid === null) return;
      signalTo(name === 'SIGKILL' ? -pid : pid, name);
    },
  };
}

/** Sends a signal; one that is gone is no error. Gives whether it was there. */
function signalTo(pid: number, signal: StopSignal | 'SIGKILL'): boolean {
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** When a process began, in ticks since the start of the machine (proc_pid_stat(5), field 22): with the pid it names one process. */
function beganAt(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // The name, in brackets, may hold anything.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

function keep(file: string | null, pid: number): void {
  const began = beganAt(pid);
  if (file === null || began === null) return;
  try {
    writeFileSync(file, `${pid} ${began}\n`, { mode: 0o600 });
  } catch {
    // Without the file only a server whose death signal was lost would stay unseen.
  }
}

function forget(file: string | null): void {
  if (file === null) return;
  try {
    rmSync(file, { force: true });
  } catch {
    // A disk that takes no writes any more. The pid and its beginning name no process that lives.
  }
}

/** The server that an earlier Chorus left behind, by the file that it kept; null when there is none. */
export function leftBehind(file: string): number | null {
  let text: string;
  try {
    text = readFileSync(file, 'latin1').slice(0, 100);
  } catch {
    return null;
  }
  const kept = parseKept(text);
  return kept && beganAt(kept.pid) === kept.began ? kept.pid : null;
}

/** What the file of a server says: its pid, and when it began; null where it says neither. Never gives 0, 1 or a group. */
export function parseKept(text: string): { readonly pid: number; readonly began: string } | null {
  const [, digits, began] = /^(\d{1,10}) (\d{1,20})\n$/.exec(text) ?? [];
  const pid = Number(digits);
  return began === undefined || pid < 2 || pid > 0x7fff_ffff ? null : { pid, began };
}

/** Ends what an earlier Chorus left behind: SIGTERM, then SIGKILL after `patience` ms. Gives its pid; null when there was none. */
export async function endLeftBehind(file: string, patience: number, clock: Clock): Promise<number | null> {
  const pid = leftBehind(file);
  if (pid === null) return null;
  const pause = (ms: number) => new Promise<void>(resolve => void clock.wait(ms, resolve));
  signalTo(pid, 'SIGTERM');
  const end = clock.now() + patience;
  while (leftBehind(file) === pid && clock.now() < end) await pause(50);
  if (leftBehind(file) === pid) signalTo(pid, 'SIGKILL');
  for (let i = 0; i < 40 && leftBehind(file) === pid; i++) await pause(50);
  forget(file);
  return pid;
}
