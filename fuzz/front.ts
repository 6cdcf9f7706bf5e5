/**
 * The running front, as a process of its own: whatever clients send over UDP and TCP, and whatever its backend answers,
 * it goes on answering, no worker dies, and its memory stays bounded.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { createSocket, type Socket } from 'node:dgram';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as after } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { fromHex, goldenMessages } from '#test/golden/golden.ts';
import { freePort } from '#test/support/ports.ts';
import { frame, header, opt, packet } from '#test/support/raw.ts';
import { corpusOf, type FuzzOptions, type FuzzResult, save } from './harness.ts';
import { Random } from './random.ts';

/** Packets between two questions whether the front still answers; all of them fit its receive buffer. */
const burst = 512;
const longest = 1500;
/** How long the front may take to answer a good query, in ms; asked again three times meanwhile. */
const patience = 15_000;
const mostMemory = 1 << 30;

const option = (code: number, data: readonly number[]) => Buffer.of(0, code, 0, data.length, ...data);
const withOpt = (flags: number, ...options: readonly Buffer[]) =>
  packet({ counts: [1, 0, 0, 1], rest: opt(1232, flags, Buffer.concat(options)) });

/** Packets to start from: good queries of each kind, and the golden messages. */
function seeds(): Buffer[] {
  return [
    packet(),
    packet({ type: 28, name: 'a.b.c.d.e.f.g.example' }),
    packet({ name: 'id.server', type: 16, class: 3 }),
    packet({ name: 'example', type: 252 }),
    packet({ flags: 4 << 11, type: 6 }),
    packet({ flags: 5 << 11, type: 6 }),
    packet({ questions: 2 }),
    withOpt(0x8000),
    withOpt(0, option(3, [])),
    withOpt(0, option(8, [0, 1, 24, 0, 192, 0, 2])),
    withOpt(0, option(10, [1, 2, 3, 4, 5, 6, 7, 8])),
    withOpt(0, option(12, Array(40).fill(0)), option(15, [0, 22])),
    packet({ counts: [1, 0, 0, 2], rest: Buffer.concat([opt(), opt()]) }),
    ...goldenMessages.map(({ hex }) => Buffer.from(fromHex(hex))),
  ];
}

/** Octets that mean something in a message. */
const special = [0, 1, 0x0c, 0x29, 0x3f, 0x40, 0x7f, 0x80, 0xc0, 0xff];

/** Writes a changed copy of one of `pool` to `to`; gives the part of `to` that holds it. Fast: no lists, no strings. */
function change(random: Random, pool: readonly Buffer[], to: Buffer): Buffer {
  let length = random.pick(pool).copy(to, 0, 0, longest);
  for (let changes = random.below(5); changes > 0; changes--) {
    const at = random.below(length + 1);
    switch (random.below(7)) {
      case 0:
        to[at] = random.below(256);
        break;
      case 1:
        to[at] = random.pick(special);
        break;
      case 2:
        to[at]! ^= 1 << random.below(8);
        break;
      case 3:
        length = at;
        break;
      case 4:
        // More of whatever lay behind it.
        length = Math.min(longest, length + random.below(64));
        break;
      case 5: {
        const other = random.pick(pool);
        const end = at + other.copy(to, at, random.below(other.length), other.length);
        if (end > length) length = Math.min(end, longest);
        break;
      }
      default:
        // A count or a length that lies.
        to[4 + random.below(8)] = random.below(3) === 0 ? 0xff : random.below(4);
    }
  }
  // Most shall be queries: what has QR set goes no further than the first look.
  if (length > 2 && random.below(10) > 0) to[2]! &= 0x7f;
  return to.subarray(0, length);
}

/** A front under test with its backend. */
class Subject {
  readonly port: number;
  readonly #api: number;
  readonly #child: ChildProcess;
  readonly #backend: Socket;
  readonly #folder: string;
  #log = '';
  #fault: string | undefined;

  private constructor(port: number, api: number, folder: string, backend: Socket) {
    this.port = port;
    this.#api = api;
    this.#folder = folder;
    this.#backend = backend;
    const command = [
      fileURLToPath(new URL('../bin/chorus', import.meta.url)),
      'serve',
      '--config',
      join(folder, 'chorus.yaml'),
    ];
    // Where it can be had: the front ends with this thread, however that ends.
    if (existsSync('/usr/bin/setpriv')) command.unshift('setpriv', '--pdeathsig', 'KILL');
    this.#child = spawn(command[0]!, command.slice(1), { stdio: ['ignore', 'ignore', 'pipe'] });
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#log = (this.#log + text).slice(-20_000);
      if (/worker died|INTERNAL/.test(text)) this.#fault ??= 'a worker died';
    });
    this.#child.on('exit', (code, signal) => {
      this.#fault ??= `the front ended: ${code ?? signal}`;
    });
  }

  static async start(engine: 'batch' | 'loop', random: Random): Promise<Subject> {
    const [port, api, behind] = [await freePort(), await freePort(), await freePort()];
    const folder = mkdtempSync(join(tmpdir(), 'chorus-fuzz-'));
    const config = {
      engine,
      listen: [`127.0.0.1:${port}`],
      api: `127.0.0.1:${api}`,
      workers: 1,
      cache: { memory: '16MiB' },
      tcp: { idle: '2s', 'connections-per-client': 50 },
      pools: {
        default: {
          timeout: '500ms',
          probe: 'off',
          backends: [{ name: 'fuzz', address: `127.0.0.1:${behind}` }],
        },
      },
    };
    writeFileSync(join(folder, 'chorus.yaml'), JSON.stringify(config));
    const backend = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
    const to = Buffer.alloc(65_536);
    const pool = [
      Buffer.alloc(0),
      Buffer.alloc(0),
      ...goldenMessages.map(({ hex }) => Buffer.from(fromHex(hex))),
    ];
    backend.on('message', (query, from) =>
      backend.send(answer(random, query, pool, to), from.port, from.address),
    );
    backend.on('error', () => {});
    await new Promise<void>(resolve => backend.bind(behind, '127.0.0.1', resolve));
    return new Subject(port, api, folder, backend);
  }

  /** What went wrong with it as a process; undefined while it is well. */
  get fault(): string | undefined {
    return this.#fault;
  }
  get log(): string {
    return this.#log;
  }

  /** Resident memory in bytes, where the system tells. */
  memory(): number {
    const status = `/proc/${this.#child.pid}/status`;
    return existsSync(status)
      ? Number(/VmRSS:\s+(\d+)/.exec(readFileSync(status, 'utf8'))?.[1] ?? 0) * 1024
      : 0;
  }

  /** Queries that reached it over UDP and TCP, by its own count. */
  async received(): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#api}/metrics`)).text();
    return [...text.matchAll(/^chorus_client_queries_total\S* (\S+)$/gm)].reduce(
      (sum, [, value]) => sum + Number(value),
      0,
    );
  }

  async stop(): Promise<void> {
    const gone = new Promise(resolve => this.#child.once('exit', resolve));
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await gone;
    }
    await new Promise<void>(resolve => this.#backend.close(() => resolve()));
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** What the backend says: often an empty right answer, else one that is changed, with the right id or without. */
function answer(random: Random, query: Buffer, pool: Buffer[], to: Buffer): Buffer {
  if (query.length < 12 || query.indexOf('canary') >= 0 || random.below(3) > 0) {
    query[2]! |= 0x80;
    return query;
  }
  pool[0] = query;
  pool[1] = query;
  const changed = change(random, pool, to);
  if (changed.length < 12) return changed;
  if (random.below(4) > 0) query.copy(changed, 0, 0, Math.min(2, query.length));
  changed[2]! |= 0x80;
  return changed;
}

/** Runs this target against one engine. */
async function fuzzFront(
  target: string,
  engine: 'batch' | 'loop',
  options: FuzzOptions,
): Promise<FuzzResult> {
  const random = new Random(options.seed);
  const subject = await Subject.start(engine, random);
  const client = createSocket({ type: 'udp4', recvBufferSize: 4 << 20 });
  const pool = seeds();
  const slots = Array.from({ length: burst }, () => Buffer.alloc(longest + 64));
  const crashes: string[] = [];
  let inputs = 0;
  let understood = 0;
  let asked = 0;
  let answered = 0;
  let strange = '';
  client.on('error', () => {});
  client.on('message', bytes => {
    if (bytes.length < 12 || !header(bytes).qr) strange ||= 'sent a client what is no answer';
    else if (header(bytes).rcode === 0) understood++;
    const canary = bytes.indexOf('canary-');
    if (canary >= 0)
      answered = Math.max(answered, Number.parseInt(bytes.toString('latin1', canary + 7, canary + 17), 10));
  });
  await new Promise<void>(resolve => client.connect(subject.port, '127.0.0.1', resolve));

  /** Whether the front answers a good query; the packets sent before it have then been read. */
  const lives = async (): Promise<string | undefined> => {
    const number = ++asked;
    const query = packet({ id: number & 0xffff, name: `canary-${String(number).padStart(10, '0')}.example` });
    const end = Date.now() + patience;
    for (let again = 0; answered < number; ) {
      if (subject.fault !== undefined) return subject.fault;
      if (Date.now() > end) return `no answer after ${patience} ms`;
      if (again-- === 0) {
        client.send(query);
        again = 2000;
      }
      // Two turns of the loop cost little; when there is nothing to do, a millisecond passes.
      await (again > 1900 ? new Promise<void>(resolve => setImmediate(resolve)) : after(1));
    }
    if (subject.memory() > mostMemory) return `more than ${mostMemory} bytes resident`;
    return subject.fault ?? (strange || undefined);
  };
  const check = async (packets: readonly Uint8Array[]): Promise<boolean> => {
    inputs += packets.length;
    options.before?.(packets[0] ?? Buffer.alloc(0), inputs);
    const fault = await lives();
    if (fault === undefined) return true;
    crashes.push(
      save(target, Buffer.concat(packets.map(frame)), `${fault}\n${subject.log}`, options.crashes),
    );
    return false;
  };

  // Until it listens, sends are refused.
  let well = await check([]);
  for (const file of corpusOf('front').values()) {
    if (!well) break;
    const packets = unframe(Buffer.from(file));
    for (const bytes of packets) client.send(bytes);
    well = await check(packets);
  }
  for (let turn = 0; well && inputs < options.count; turn++) {
    const over = turn % 20 === 19;
    const packets = slots.slice(0, over ? 50 : burst).map(slot => change(random, pool, slot));
    if (over) overTcp(subject.port, random, packets);
    else for (const bytes of packets) client.send(bytes);
    well = await check(packets);
  }
  if (well)
    console.log(
      `${target}: ${await subject.received()} queries reached the front, ${subject.memory() >> 20} MiB resident`,
    );
  await new Promise<void>(resolve => client.close(() => resolve()));
  await subject.stop();
  return { target, inputs, understood, crashes };
}

/** Sends messages over one connection: framed well, or with lengths that lie; some connections end in the middle. */
function overTcp(port: number, random: Random, packets: readonly Buffer[]): void {
  const socket = connect({ host: '127.0.0.1', port });
  socket.on('error', () => {});
  socket.on('data', () => {});
  const stream = Buffer.concat(
    packets.map(bytes => (random.below(20) === 0 ? Buffer.from(bytes) : frame(bytes))),
  );
  const part = random.below(4) === 0 ? stream.subarray(0, random.below(stream.length)) : stream;
  socket.write(part);
  if (random.below(2) === 0) socket.end();
  socket.setTimeout(3000, () => socket.destroy());
}

function unframe(bytes: Buffer): Buffer[] {
  const packets: Buffer[] = [];
  for (let at = 0; at + 2 <= bytes.length; ) {
    const length = bytes.readUInt16BE(at);
    packets.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return packets;
}

/** The front with the batch engine. */
export const front = { fuzz: (options: FuzzOptions) => fuzzFront('front', 'batch', options) };
/** The front with the loop engine. */
export const frontLoop = { fuzz: (options: FuzzOptions) => fuzzFront('front-loop', 'loop', options) };
