/**
 * Announces through BIRD: a file that its configuration includes, written whole and put in force with `configure` on the
 * control socket, then read back with `show route`. The connection is held open: its end tells at once that BIRD has gone.
 */
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { Socket } from 'node:net';
import { dirname } from 'node:path';
import type { z } from 'zod';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import { type Announcement, formatPrefix, sameAttributes } from '../../announcement.ts';
import type { DriverReport, DriverWorld, RouteDriver } from '../../driver.ts';
import { connectTo } from '../local-socket.ts';
import { inOneLine, inTurn } from '../program.ts';
import { type Outcome, Reconciler, type StandingRoute } from '../reconciler.ts';
import type { birdOptions } from './options.ts';
import {
  type BirdSession,
  isError,
  parseProtocols,
  parseRoutes,
  type Reply,
  ReplyReader,
} from './replies.ts';
import { configurationFile, type FileOptions, mark, ownProtocols, witness } from './text.ts';

type Options = z.output<typeof birdOptions>;

const daemon = 'BIRD';
/** How soon to look again, ms: while BIRD is away, while something is on its way, and when all is well. */
const again = { away: 250, soon: 1_000, well: 2_000 } as const;
/** How often and how soon after `configure` what came of it is looked for: protocols that are new take a moment to start. */
const look = { tries: 10, every: 20 } as const;

/** Makes the driver for BIRD. */
export function bird(options: Options, world: DriverWorld): RouteDriver {
  return new BirdDriver(options, world);
}

class BirdDriver implements RouteDriver {
  readonly #options: Options;
  readonly #world: DriverWorld;
  readonly #reconciler: Reconciler;
  #control: Control | undefined;
  /** What BIRD has read, as far as we know, and whether it was we who told it to. */
  #read: string | undefined;
  #told = false;
  #advised = false;

  constructor(options: Options, world: DriverWorld) {
    this.#options = options;
    this.#world = world;
    this.#reconciler = new Reconciler(world, (wanted, signal) => this.#attempt(wanted, signal));
  }

  want(announcements: readonly Announcement[]): void {
    this.#reconciler.want(announcements);
  }

  beat(): void {}

  report(): DriverReport {
    return this.#reconciler.report();
  }

  close(patience: number): Promise<void> {
    return this.#reconciler.close(patience, () => this.#control?.close());
  }

  async #attempt(wanted: readonly Announcement[], signal: AbortSignal): Promise<Outcome> {
    let control: Control;
    try {
      control = await this.#connect(signal);
    } catch (error) {
      if (!(error instanceof ChorusError)) throw error;
      return away(error);
    }
    const { sessions } = parseProtocols(await control.must('show protocols all'));
    const refusal = this.#refusal(sessions);
    const allowed = refusal === null ? wanted : [];
    const file = this.#fileOptions(sessions);
    const text = configurationFile(allowed, file);
    // One file at a time: another driver of this BIRD would read ours half changed.
    await inTurn(`bird ${this.#options.socket}`, () => this.#put(text, control));
    let standing: readonly StandingRoute[] = [];
    for (let tries = 1; tries <= look.tries; tries++) {
      standing = await this.#routes(control, file, allowed);
      if (matches(standing, allowed, file)) break;
      // It does not know the file that is there: it was started before the file was written, or its word was lost.
      if (tries === 2 && !this.#told) await this.#put(text, control, true);
      if (tries < look.tries)
        await new Promise<void>(resolve => {
          this.#world.wait(look.every, resolve);
        });
      if (file.lease !== null && tries >= 3) break;
    }
    this.#advise(sessions, wanted);
    return this.#outcome(control, sessions, standing, wanted, refusal, file);
  }

  #refusal(sessions: readonly BirdSession[]): ChorusError | null {
    const keeper = sessions.find(({ established, keeps }) => established && keeps !== null);
    return keeper && this.#options['stale-routes'] === 'refuse'
      ? new ChorusError('ROUTE_STALE', { daemon, reason: staleText(keeper) })
      : null;
  }

  #fileOptions(sessions: readonly BirdSession[]): FileOptions {
    const { name, table, lease, 'local-as': as } = this.#options;
    const known = new Set(sessions.map(({ localAs }) => localAs));
    const [only = null] = known.size === 1 ? known : [];
    return { name, table, lease: lease ?? null, as: as ?? only };
  }

  /** Writes the file and has BIRD read it, unless it has both. */
  async #put(text: string, control: Control, anyway = false): Promise<void> {
    const { file } = this.#options;
    const before = await readFile(file, 'utf8').catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
      throw new ChorusError('ROUTE_FILE', { file, reason: reasonOf(error) });
    });
    if (before !== null && before.trim() !== '' && !before.startsWith(mark))
      throw new ChorusError('ROUTE_FILE_FOREIGN', { file });
    if (!anyway && before === text && (this.#read === text || this.#read === undefined)) {
      this.#read = text;
      return;
    }
    if (before !== text) await this.#write(text);
    const reply = await control.ask('configure');
    if (!isError(reply)) {
      this.#read = text;
      this.#told = true;
      return;
    }
    // BIRD goes on with what it had; so that an operator's next `configure` meets no file of ours that fails, it has that too.
    if (before === null) await rm(file, { force: true });
    else if (before !== text) await this.#write(before);
    const said = inOneLine(reply.lines.join('; '));
    throw new ChorusError('ROUTE_DAEMON_REFUSED', { daemon, command: 'configure', said });
  }

  async #write(text: string): Promise<void> {
    const { file } = this.#options;
    const beside = `${file}.${process.pid}.new`;
    try {
      const made = await mkdir(dirname(file), { recursive: true, mode: 0o755 });
      await writeFile(beside, text, { mode: 0o644 });
      // BIRD reads it as a user of its own, whatever our umask is.
      if (made !== undefined) await chmod(dirname(file), 0o755);
      await chmod(beside, 0o644);
      await rename(beside, file);
    } catch (error) {
      await rm(beside, { force: true }).catch(() => {});
      throw new ChorusError('ROUTE_FILE', { file, reason: reasonOf(error) });
    }
  }

  /** What of ours stands in BIRD's tables. */
  async #routes(
    control: Control,
    file: FileOptions,
    allowed: readonly Announcement[],
  ): Promise<readonly StandingRoute[]> {
    const own = ownProtocols(file);
    const byPrefix = new Map(allowed.map(({ prefix }) => [formatPrefix(prefix), prefix]));
    const condition = own.map(name => `proto = "${name}"`).join(' || ');
    const found: StandingRoute[] = [];
    for (const table of [`${file.table}4`, `${file.table}6`]) {
      const lines = await control.must(`show route table ${table} where ${condition} all`);
      for (const { prefix, attributes } of parseRoutes(lines)) {
        const [address = '', bits] = prefix.split('/');
        found.push({ prefix: byPrefix.get(prefix) ?? { address, bits: Number(bits) }, attributes });
      }
    }
    if (found.length === 0) {
      const { names } = parseProtocols(await control.must('show protocols'));
      if (!names.has(witness(file)))
        throw new ChorusError('ROUTE_FILE_UNREAD', {
          daemon,
          file: this.#options.file,
          name: `the protocol ${witness(file)}`,
        });
    }
    return found;
  }

  /** BIRD keeps MED from external neighbours unless their export filter sets it (doc/bird.sgml, attribute bgp_med). */
  #advise(sessions: readonly BirdSession[], wanted: readonly Announcement[]): void {
    if (this.#advised || !sessions.some(({ external }) => external)) return;
    if (!wanted.some(({ attributes }) => (attributes.med ?? 0) > 0)) return;
    this.#advised = true;
    this.#world.onNotice(
      'info',
      'BIRD sends the MED of our routes to neighbours of another AS only where their export filter has `bgp_med = bgp_med;`',
    );
  }

  #outcome(
    control: Control,
    sessions: readonly BirdSession[],
    standing: readonly StandingRoute[],
    wanted: readonly Announcement[],
    refusal: ChorusError | null,
    file: FileOptions,
  ): Outcome {
    const up = sessions.filter(({ established }) => established).length;
    const here = new Set(standing.map(({ prefix }) => formatPrefix(prefix)));
    const missing = wanted.find(({ prefix }) => !here.has(formatPrefix(prefix)));
    const problem =
      refusal ??
      (missing
        ? new ChorusError('ROUTE_NOT_TAKEN', {
            daemon,
            prefix: formatPrefix(missing.prefix),
            reason: file.lease
              ? `${file.lease} does not have the address now`
              : `see \`show protocols ${file.name}*\``,
          })
        : null);
    const connected = sessions.length === 0 || up > 0;
    return {
      state: refusal ? 'failed' : connected ? 'up' : 'connecting',
      detail:
        sessions.length === 0
          ? `${control.version}: it has no BGP sessions`
          : `${control.version}: ${up} of ${sessions.length} BGP sessions established`,
      problem,
      warnings: this.#warnings(sessions, wanted, file),
      routes: connected ? standing : [],
      again: !connected || problem ? again.soon : again.well,
    };
  }

  #warnings(
    sessions: readonly BirdSession[],
    wanted: readonly Announcement[],
    { lease, as }: FileOptions,
  ): string[] {
    const warnings = sessions
      .filter(({ established, keeps }) => established && keeps !== null)
      .map(staleText)
      .slice(0, 3);
    if (lease === null)
      warnings.push(
        'BIRD goes on announcing when Chorus dies (kill -9) or hangs: set `lease`, or use a `lease` or `bgp` driver',
      );
    if (as === null && wanted.some(({ attributes }) => attributes.prepend > 0))
      warnings.push('nothing is put before the path: set `local-as` of the driver');
    return warnings;
  }

  async #connect(signal: AbortSignal): Promise<Control> {
    if (this.#control) return this.#control;
    const { socket, timeout } = this.#options;
    this.#read = undefined;
    this.#told = false;
    const control = await Control.open(socket, timeout, this.#world, signal);
    this.#control = control;
    control.onEnd = () => {
      this.#control = undefined;
      // One that we have given up on may live, and announce.
      const gone = { daemon, where: socket, reason: 'it has ended' };
      this.#reconciler.tell(away(control.fault ?? new ChorusError('ROUTE_DAEMON_UNREACHABLE', gone)));
      this.#reconciler.hasten(50);
    };
    return control;
  }
}

/** A connection to BIRD's control socket: one question after the other. */
class Control {
  /** Its greeting: "BIRD 2.0.12". */
  readonly version: string;
  onEnd: () => void = () => {};
  readonly #socket: Socket;
  readonly #where: string;
  readonly #timeout: number;
  readonly #world: DriverWorld;
  #waiting:
    | { command: string; resolve: (reply: Reply) => void; reject: (error: ChorusError) => void }
    | undefined;
  #ended: ChorusError | undefined;

  private constructor(socket: Socket, where: string, timeout: number, world: DriverWorld, version: string) {
    this.#socket = socket;
    this.#where = where;
    this.#timeout = timeout;
    this.#world = world;
    this.version = version;
  }

  /** Connects and takes the greeting. Rejects with an error of the table. */
  static async open(
    where: string,
    timeout: number,
    world: DriverWorld,
    signal: AbortSignal,
  ): Promise<Control> {
    const socket = await connectTo(where, daemon, signal);
    socket.setEncoding('utf8');
    const reader = new ReplyReader();
    let control: Control | undefined;
    return await new Promise<Control>((resolve, reject) => {
      const callOff = world.wait(timeout, () => {
        reject(new ChorusError('ROUTE_DAEMON_SILENT', { daemon, where, seconds: timeout / 1000 }));
        socket.destroy();
      });
      socket.on('data', (text: string) => {
        const replies = reader.feed(text);
        if (replies === undefined) {
          const said = inOneLine(text.slice(0, 200));
          const error = new ChorusError('ROUTE_DAEMON_UNKNOWN', {
            daemon,
            command: control?.command ?? '',
            said,
          });
          reject(error);
          control?.fail(error);
          socket.destroy();
          return;
        }
        for (const reply of replies) {
          if (control) control.#take(reply);
          else {
            callOff();
            const greeting = /BIRD v?[\w.+-]+/.exec(reply.lines.join(' '))?.[0] ?? 'BIRD';
            control = new Control(socket, where, timeout, world, greeting);
            resolve(control);
          }
        }
      });
      socket.once('close', () => {
        callOff();
        const error = new ChorusError('ROUTE_DAEMON_UNREACHABLE', { daemon, where, reason: 'it has ended' });
        reject(error);
        control?.fail(error);
        control?.onEnd();
      });
    });
  }

  get command(): string {
    return this.#waiting?.command ?? '';
  }

  /** Why it has ended. */
  get fault(): ChorusError | undefined {
    return this.#ended;
  }

  /** Gives the reply, errors of BIRD too; rejects when there is none in time. */
  ask(command: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      if (this.#ended) {
        reject(this.#ended);
        return;
      }
      const callOff = this.#world.wait(this.#timeout, () => {
        // What comes later would be taken for the answer to the next question.
        this.fail(
          new ChorusError('ROUTE_DAEMON_SILENT', {
            daemon,
            where: this.#where,
            seconds: this.#timeout / 1000,
          }),
        );
        this.#socket.destroy();
      });
      this.#waiting = {
        command,
        resolve: reply => {
          callOff();
          resolve(reply);
        },
        reject: error => {
          callOff();
          reject(error);
        },
      };
      this.#socket.write(`${command}\n`);
    });
  }

  /** Gives the lines of a reply; rejects when it is an error. */
  async must(command: string): Promise<readonly string[]> {
    const reply = await this.ask(command);
    if (isError(reply))
      throw new ChorusError('ROUTE_DAEMON_REFUSED', {
        daemon,
        command,
        said: inOneLine(reply.lines.join('; ')),
      });
    return reply.lines;
  }

  #take(reply: Reply): void {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(reply);
  }

  fail(error: ChorusError): void {
    this.#ended ??= error;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }

  close(): void {
    this.onEnd = () => {};
    this.#socket.destroy();
  }
}

function matches(
  standing: readonly StandingRoute[],
  wanted: readonly Announcement[],
  file: FileOptions,
): boolean {
  const byPrefix = new Map(standing.map(route => [formatPrefix(route.prefix), route]));
  return (
    standing.length === wanted.length &&
    wanted.every(({ prefix, attributes }) => {
      const there = byPrefix.get(formatPrefix(prefix))?.attributes;
      const prepend = file.as === null ? 0 : attributes.prepend;
      return there != null && sameAttributes(there, { ...attributes, prepend });
    })
  );
}

function away(problem: ChorusError): Outcome {
  return {
    state: problem.code === 'ROUTE_DAEMON_PERMISSION' ? 'failed' : 'connecting',
    detail: problem.message,
    problem,
    warnings: [],
    routes: [],
    unread: problem.code !== 'ROUTE_DAEMON_UNREACHABLE',
    again: again.away,
  };
}

function staleText({ name, keeps }: BirdSession): string {
  return `graceful restart is agreed on in the session ${name}: when BIRD dies, that neighbour keeps our routes for up to ${keeps} s`;
}
