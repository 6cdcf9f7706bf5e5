/** Processes of a benchmark: started, measured by /proc, and stopped by their own id, whatever happens. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';

/** Which processor a process is kept on with --pin. */
export type Role = 'server' | 'load';

const running = new Set<ChildProcess>();
let pinned = false;

/** Keeps servers on processor 0 and clients and backends on processor 1 from here on. */
export function pinProcesses(): void {
  pinned = true;
}

function withPin(role: Role, command: string, args: readonly string[]): [string, string[]] {
  return pinned ? ['taskset', ['-c', role === 'server' ? '0' : '1', command, ...args]] : [command, [...args]];
}

export type Started = {
  readonly pid: number;
  readonly exited: () => boolean;
  /** Asks it to end, and kills it when it does not. */
  stop(): Promise<void>;
  /** Kills it at once and waits until it is gone. */
  kill(): Promise<void>;
};

/** Starts a process whose output goes to the file `log`. It ends with `stop`, or at the latest when this one does. */
export function start(
  role: Role,
  command: string,
  args: readonly string[],
  log: string,
  cwd?: string,
): Started {
  const output = openSync(log, 'a');
  const [program, all] = withPin(role, command, args);
  const child = spawn(program, all, { stdio: ['ignore', output, output], ...(cwd ? { cwd } : {}) });
  closeSync(output);
  child.on('error', () => running.delete(child));
  child.on('exit', () => running.delete(child));
  if (child.pid === undefined) throw new Error(`cannot start ${command}`);
  running.add(child);
  const exited = () => child.exitCode !== null || child.signalCode !== null;
  return {
    pid: child.pid,
    exited,
    async stop() {
      const gone = async (ms: number) => {
        for (let waited = 0; waited < ms && !exited(); waited += 20) await sleep(20);
        return exited();
      };
      child.kill('SIGTERM');
      if (await gone(4000)) return;
      child.kill('SIGKILL');
      await gone(1000);
    },
    async kill() {
      if (exited()) return;
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

/** Runs a command to its end and gives its standard output; throws on failure or after `limit` seconds. */
export async function run(
  role: Role,
  command: string,
  args: readonly string[],
  limit: number,
): Promise<string> {
  const [program, all] = withPin(role, command, args);
  const child = spawn(program, all, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.add(child);
  let output = '';
  let errors = '';
  child.stdout.on('data', chunk => {
    output += chunk;
  });
  child.stderr.on('data', chunk => {
    errors += chunk;
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), limit * 1000);
  try {
    const code = await new Promise<number | null>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', resolve);
    });
    if (code !== 0)
      throw new Error(`${command} failed (${code ?? `over ${limit} s`}): ${errors.trim().slice(-300)}`);
    return output;
  } finally {
    clearTimeout(timer);
    running.delete(child);
  }
}

/** Ends every process that is still there: for the way out. */
export function killAll(): void {
  for (const child of running) child.kill('SIGKILL');
}

/** Processor time that a process has had, over all its threads, in µs. Resolution: one clock tick (10 ms). */
export function cpuTime(pid: number): { user: number; system: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  // The name in brackets may hold anything: fields are counted after it (proc(5): utime is field 14, stime 15).
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const tick = 1e6 / 100;
  return { user: Number(fields[11]) * tick, system: Number(fields[12]) * tick };
}

/** Resident size in bytes. */
export function residentSize(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kib ?? 0) * 1024;
}

/** The processes that `pid` started. */
export function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`).flatMap(task => {
    const text = readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').trim();
    return text ? text.split(' ').map(Number) : [];
  });
}
