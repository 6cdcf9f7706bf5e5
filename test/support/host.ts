/**
 * Hosts of a farm on one machine: network namespaces joined by cables, from none of which a route leads out. Each has folders
 * for its own run-time files too (/run, /var/lib), so that configurations with the paths of a real machine run as they stand.
 * They have no name in the file system; each ends with its last process, and those end with the process that made them.
 */
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { poll } from './poll.ts';
import { must, Program, type Result, run, type StartOptions } from './program.ts';

/** Folders that each host has to itself, empty at first. */
const ownFolders = ['/run', '/var/lib'];

export class Host {
  readonly name: string;
  readonly #holder: Program;
  readonly #started: Program[] = [];

  private constructor(name: string, holder: Program) {
    this.name = name;
    this.#holder = holder;
  }

  /** Makes one with its loopback up. Needs root. `sysctl`: "net.ipv4.ip_forward=1". */
  static async make(name: string, sysctl: readonly string[] = []): Promise<Host> {
    const script = [
      ...ownFolders.map(folder => `mount -t tmpfs tmpfs ${folder}`),
      'ip link set lo up',
      ...sysctl
        .map(line => line.split('='))
        .map(([key = '', value = '']) => `echo ${value} >/proc/sys/${key.replaceAll('.', '/')}`),
      'echo made',
      'exec sleep infinity',
    ].join(' && ');
    const holder = new Program('unshare', [
      '--net',
      '--mount',
      '--propagation',
      'private',
      'sh',
      '-c',
      script,
    ]);
    await holder.until('a host', () => holder.stdout.includes('made'));
    return new Host(name, holder);
  }

  /** The process that holds it open. */
  get pid(): number {
    return this.#holder.pid;
  }

  /** Starts a program on it. */
  start(command: string, args: readonly string[], options: StartOptions = {}): Program {
    const program = new Program(command, args, { ...options, namespace: this.pid, mounts: true });
    this.#started.push(program);
    return program;
  }

  /** Runs a program on it to its end. */
  run(command: string, args: readonly string[], options: StartOptions = {}): Promise<Result> {
    return run(command, args, { ...options, namespace: this.pid, mounts: true });
  }

  /** Runs a program on it that must succeed; gives its standard output. */
  must(command: string, args: readonly string[], options: StartOptions = {}): Promise<string> {
    return must(command, args, { ...options, namespace: this.pid, mounts: true });
  }

  /** Runs commands of ip(8), one in a line: "address add 10.0.0.1/24 dev left". */
  async ip(...lines: readonly string[]): Promise<void> {
    if (lines.length > 0) await this.must('ip', ['-batch', '-'], { input: `${lines.join('\n')}\n` });
  }

  /** Where a path of this host is for who stands outside. */
  path(path: string): string {
    return join(`/proc/${this.pid}/root`, path);
  }

  /** Writes a file on this host, below /run or /var/lib unless it may be seen outside. */
  write(path: string, text: string): string {
    mkdirSync(dirname(this.path(path)), { recursive: true });
    writeFileSync(this.path(path), text);
    return path;
  }

  read(path: string): string {
    return readFileSync(this.path(path), 'utf8');
  }

  /** Lays a cable: an interface `near` here and `far` on another host, both up. */
  async cable(near: string, other: Host, far: string): Promise<void> {
    await this.ip(`link add ${near} type veth peer name ${far} netns ${other.pid}`, `link set ${near} up`);
    await other.ip(`link set ${far} up`);
    await poll(`a cable from ${this.name} to ${other.name}`, async () =>
      (await this.must('ip', ['link', 'show', near])).includes('LOWER_UP'),
    );
  }

  /** Whether it is a place of its own, as it was made. */
  get isIsolated(): boolean {
    return readlinkSync(`/proc/${this.pid}/ns/net`) !== readlinkSync('/proc/1/ns/net');
  }

  /** Ends it, and what was started on it: a program that still ran would hold the process that started it. */
  async stop(): Promise<void> {
    await Promise.all(this.#started.map(program => program.kill()));
    await this.#holder.kill();
  }
}
