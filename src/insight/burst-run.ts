/** Runs bursts against a real server. */
import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { setTimeout as after } from 'node:timers/promises';
import ipaddr from 'ipaddr.js';
import { ChorusError } from '#kit/errors.ts';
import { type Endpoint, formatEndpoint } from '#net/address.ts';
import { encodeMessage, query } from '#wire/message.ts';
import { type BurstRound, type BurstRow, burstId, burstName, roundOf, rowOf, Tally } from './burst.ts';
import { openDgramSockets } from './burst-dgram.ts';
import { openLibcSockets } from './burst-libc.ts';
import type { BurstQueries, BurstSockets } from './burst-sockets.ts';
import { readKernelUdp } from './kernel.ts';

export type BurstOptions = {
  readonly server: Endpoint;
  /** `{n}` stands for the number of the query. */
  readonly name: string;
  readonly type: string;
  readonly counts: readonly number[];
  readonly sockets: number;
  readonly repeat: number;
  /** How long to wait for answers after the last query, in ms. */
  readonly wait: number;
  /** `libc` or `dgram`; absent: libc where it can be called. */
  readonly engine?: 'libc' | 'dgram';
};

/** A whole run. `engine` and `receiveBuffer` (bytes) say how well the sender was off. */
export type BurstReport = {
  readonly server: string;
  readonly engine: BurstSockets['kind'];
  readonly sockets: number;
  readonly receiveBuffer: number;
  readonly rows: readonly BurstRow[];
};

/** Times that the server is asked once before the first burst. */
const knocks = 3;
/** Between looks for answers, in ms. */
const lookEvery = 1;
/** How long answers that come twice are waited for when all are there, in ms. */
const lingering = 20;
/** Rest for a server that lost queries before the next burst, in ms. */
const rest = 200;

/** Whether a burst may go to the address without a word of the operator: loopback, private and link-local. */
export function isOwnGround(address: string): boolean {
  return ['loopback', 'private', 'uniqueLocal', 'linkLocal'].includes(ipaddr.process(address).range());
}

/** Runs bursts of each size; `onRow` is told each row when it is complete. Throws SERVER_SILENT when nobody answers. */
export async function runBursts(
  options: BurstOptions,
  onRow: (row: BurstRow) => void = () => {},
): Promise<BurstReport> {
  let number = 1;
  const round = async (count: number, sockets: number) => {
    const { result, kind, receiveBuffer } = await runRound(options, count, Math.min(sockets, count), number);
    number += count;
    engine = kind;
    buffer = Math.min(buffer, receiveBuffer);
    return result;
  };
  let engine: BurstSockets['kind'] = 'dgram';
  let buffer = Number.POSITIVE_INFINITY;
  for (let knock = 1; (await round(1, 1)).answered === 0; knock++) {
    if (knock === knocks) throw new ChorusError('SERVER_SILENT', { server: formatEndpoint(options.server) });
  }
  const rows: BurstRow[] = [];
  for (const count of options.counts) {
    const rounds: BurstRound[] = [];
    for (let i = 0; i < options.repeat; i++) {
      const result = await round(count, options.sockets);
      if (result.answered < count) await after(rest);
      rounds.push(result);
    }
    const row = rowOf(rounds);
    rows.push(row);
    onRow(row);
  }
  return {
    server: formatEndpoint(options.server),
    engine,
    sockets: options.sockets,
    receiveBuffer: buffer,
    rows,
  };
}

type RoundResult = { result: BurstRound; kind: BurstSockets['kind']; receiveBuffer: number };

async function runRound(
  options: BurstOptions,
  count: number,
  sockets: number,
  number: number,
): Promise<RoundResult> {
  const tally = new Tally(sockets);
  const queries = makeQueries(options, count, sockets, number, tally);
  const open = await openSockets(options, sockets);
  try {
    const { unsent, started } = await open.send(queries);
    const sendMs = performance.now() - started;
    let end = performance.now() + options.wait;
    let lastMs: number | null = null;
    let complete = false;
    while (performance.now() < end) {
      const before = tally.answered;
      const any = open.take((socket, bytes, at, length) => tally.came(socket, bytes, at, length));
      if (tally.answered > before) lastMs = performance.now() - started;
      if (!complete && tally.answered === count) {
        complete = true;
        end = performance.now() + lingering;
      }
      if (!any) await after(lookEvery);
    }
    const { unreachable, ports, kind, receiveBuffer } = open;
    const measure = { count, unsent, unreachable, sendMs, lastMs, droppedHere: dropsOf(ports) };
    return { result: roundOf(tally, measure), kind, receiveBuffer };
  } finally {
    open.close();
  }
}

async function openSockets({ server, engine }: BurstOptions, count: number): Promise<BurstSockets> {
  if (engine !== 'dgram') {
    try {
      return openLibcSockets(server, count);
    } catch (error) {
      if (engine === 'libc') throw error;
    }
  }
  return await openDgramSockets(server, count);
}

/** Builds the queries, and tells the tally what will be asked. */
function makeQueries(
  { name, type }: BurstOptions,
  count: number,
  sockets: number,
  number: number,
  tally: Tally,
): BurstQueries {
  const starts = new Uint32Array(count + 1);
  const varied = name.includes('{n}');
  const template = encodeMessage(query(burstName(name, number), type));
  const parts: Uint8Array[] = [];
  for (let i = 0; i < count; i++) {
    const bytes = varied && i > 0 ? encodeMessage(query(burstName(name, number + i), type)) : template;
    parts.push(bytes);
    starts[i + 1] = starts[i]! + bytes.length;
  }
  // Shared memory is never moved: system calls read it where it lies.
  const bytes = new Uint8Array(new SharedArrayBuffer(starts[count]!));
  const first = Array.from({ length: sockets }, () => randomInt(65_536));
  for (let i = 0; i < count; i++) {
    const at = starts[i]!;
    const id = burstId(first[i % sockets]!, Math.floor(i / sockets));
    bytes.set(parts[i]!, at);
    bytes[at] = id >> 8;
    bytes[at + 1] = id & 0xff;
    tally.asked(i % sockets, id);
  }
  return { count, starts, bytes };
}

/** Datagrams that the kernel dropped at the sockets with these local ports; null where it does not say. */
function dropsOf(ports: readonly number[]): number | null {
  const kernel = readKernelUdp(path => readFileSync(path, 'utf8'));
  if (!kernel) return null;
  let drops = 0;
  for (const socket of kernel.sockets)
    if (!socket.listening && ports.includes(socket.port)) drops += socket.drops;
  return drops;
}
