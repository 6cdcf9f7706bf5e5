/**
 * Whole messages, to and from objects (RFC 1035 section 4). For the packet path see scan.ts, which makes no objects.
 *
 * Decoding is strict about what it reads: lengths, counts, names and record data must hold, or it throws WireError.
 * Octets after the last record are not read; `trailing` says how many there are.
 */

import { type Edns, readEdns, writeEdns } from './edns/edns.ts';
import { WireError } from './error.ts';
import { formatName, parseName } from './name.ts';
import { decodeRData, encodeRData, type RData } from './rdata/registry.ts';
import { Reader } from './reader.ts';
import { classes, opcodes, typeCode, types } from './types.ts';
import { Writer } from './writer.ts';

export { type Edns, findOption } from './edns/edns.ts';
export type { EdnsOption } from './edns/registry.ts';
export type { RData } from './rdata/registry.ts';

/** `name` is an absolute presentation name. */
export type Question = { readonly name: string; readonly type: number; readonly class: number };

/** `ttl` in seconds, 32 bits as on the wire. */
export type ResourceRecord = {
  readonly name: string;
  readonly type: number;
  readonly class: number;
  readonly ttl: number;
  readonly data: RData;
};

export type Message = {
  readonly id: number;
  readonly qr: boolean;
  readonly opcode: number;
  readonly aa: boolean;
  readonly tc: boolean;
  readonly rd: boolean;
  readonly ra: boolean;
  /** The reserved bit; absent when 0. */
  readonly z?: boolean;
  readonly ad: boolean;
  readonly cd: boolean;
  /** 12 bits with the upper eight of EDNS (RFC 6891 section 6.1.3); above 15 only with `edns`. */
  readonly rcode: number;
  readonly questions: readonly Question[];
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
  /** Without OPT, which is `edns`. */
  readonly additionals: readonly ResourceRecord[];
  readonly edns?: Edns;
  /** Octets after the last record; absent when 0, not written. */
  readonly trailing?: number;
};

const flag = { qr: 0x8000, aa: 0x400, tc: 0x200, rd: 0x100, ra: 0x80, z: 0x40, ad: 0x20, cd: 0x10 } as const;

/** The object for a message. Its parts are copies. @throws WireError for whatever is wrong with the bytes. */
export function decodeMessage(bytes: Uint8Array): Message {
  const from = new Reader(bytes);
  const id = from.u16();
  const flags = from.u16();
  const counts = [from.u16(), from.u16(), from.u16(), from.u16()] as const;
  const questions: Question[] = [];
  for (let i = 0; i < counts[0]; i++) {
    questions.push({ name: from.name(true), type: from.u16(), class: from.u16() });
  }
  let opt: { readonly edns: Edns; readonly upperRcode: number } | undefined;
  const section = (count: number, additional: boolean): ResourceRecord[] => {
    const records: ResourceRecord[] = [];
    for (let i = 0; i < count; i++) {
      const at = from.at;
      const name = from.name(true);
      const type = from.u16();
      if (type !== types.OPT) {
        records.push(readRecord(from, name, type));
        continue;
      }
      if (!additional) throw new WireError('OPT', at, 'OPT stands outside the additional section');
      if (opt) throw new WireError('OPT', at, 'OPT stands twice');
      if (name !== '.') throw new WireError('OPT', at, 'the name of OPT is not the root');
      opt = readEdns(from);
    }
    return records;
  };
  const answers = section(counts[1], false);
  const authorities = section(counts[2], false);
  const additionals = section(counts[3], true);
  return {
    id,
    qr: (flags & flag.qr) !== 0,
    opcode: (flags >> 11) & 15,
    aa: (flags & flag.aa) !== 0,
    tc: (flags & flag.tc) !== 0,
    rd: (flags & flag.rd) !== 0,
    ra: (flags & flag.ra) !== 0,
    ...((flags & flag.z) !== 0 ? { z: true } : {}),
    ad: (flags & flag.ad) !== 0,
    cd: (flags & flag.cd) !== 0,
    rcode: ((opt?.upperRcode ?? 0) << 4) | (flags & 15),
    questions,
    answers,
    authorities,
    additionals,
    ...(opt ? { edns: opt.edns } : {}),
    ...(from.left > 0 ? { trailing: from.left } : {}),
  };
}

function readRecord(from: Reader, name: string, type: number): ResourceRecord {
  const klass = from.u16();
  const ttl = from.u32();
  return { name, type, class: klass, ttl, data: decodeRData(type, klass, from.part(from.u16())) };
}

/**
 * The bytes of a message. Names are compressed where RFC 3597 section 4 allows it (`compress`, default true), keeping
 * letter case. OPT stands last but for TSIG and SIG(0), which must be last (RFC 8945 section 5.1).
 * @throws WireError RANGE, NAME, TEXT or TOO_LARGE for values that a message has no room for.
 */
export function encodeMessage(
  message: Message,
  { compress = true }: { compress?: boolean } = {},
): Uint8Array {
  const to = new Writer(compress);
  const { questions, answers, authorities, additionals, edns, rcode } = message;
  if (!Number.isInteger(rcode) || rcode < 0 || rcode > (edns ? 0xfff : 15)) {
    to.fail(`the response code ${rcode} has no room ${edns ? 'in 12 bits' : 'without EDNS'}`);
  }
  if (!Number.isInteger(message.opcode) || message.opcode < 0 || message.opcode > 15) {
    to.fail(`the opcode ${message.opcode} is not in 0…15`);
  }
  to.u16(message.id);
  let flags = (message.opcode << 11) | (rcode & 15);
  for (const [name, bit] of Object.entries(flag)) if (message[name as keyof typeof flag]) flags |= bit;
  to.u16(flags);
  to.u16(questions.length);
  to.u16(answers.length);
  to.u16(authorities.length);
  to.u16(additionals.length + (edns ? 1 : 0));
  for (const question of questions) {
    to.name(question.name, true);
    to.u16(question.type);
    to.u16(question.class);
  }
  for (const record of answers) writeRecord(to, record);
  for (const record of authorities) writeRecord(to, record);
  const last = additionals.at(-1);
  const signed = last?.type === types.TSIG || last?.type === types.SIG;
  const plain = signed ? additionals.slice(0, -1) : additionals;
  for (const record of plain) writeRecord(to, record);
  if (edns) writeEdns(to, edns, rcode >> 4);
  if (signed) writeRecord(to, last);
  return to.done();
}

function writeRecord(to: Writer, record: ResourceRecord): void {
  if (record.type === types.OPT) to.fail('OPT is not a record here: use `edns`');
  to.name(record.name, true);
  to.u16(record.type);
  to.u16(record.class);
  to.u32(record.ttl);
  to.measured(() => encodeRData(record.type, record.class, record.data, to));
}

export type QueryOptions = {
  /** Default 0: this folder has no randomness, give a random one to ask a server. */
  readonly id?: number;
  readonly class?: number;
  /** Recursion desired; default true. */
  readonly rd?: boolean;
  readonly ad?: boolean;
  readonly cd?: boolean;
  readonly opcode?: number;
  /** Absent: no EDNS. What is left out is 1232 octets, version 0, DO clear, no options. */
  readonly edns?: Partial<Edns>;
};

/** A query for one question. `type` is a code or a mnemonic. @throws WireError TEXT for an unknown mnemonic. */
export function query(name: string, type: number | string, options: QueryOptions = {}): Message {
  const code = typeof type === 'number' ? type : typeCode(type);
  if (code === undefined) throw new WireError('TEXT', 0, `"${type}" is not a record type`);
  const { edns } = options;
  return {
    id: options.id ?? 0,
    qr: false,
    opcode: options.opcode ?? opcodes.QUERY,
    aa: false,
    tc: false,
    rd: options.rd ?? true,
    ra: false,
    ad: options.ad ?? false,
    cd: options.cd ?? false,
    rcode: 0,
    questions: [{ name: formatName(parseName(name)), type: code, class: options.class ?? classes.IN }],
    answers: [],
    authorities: [],
    additionals: [],
    ...(edns ? { edns: { udpSize: 1232, version: 0, do: false, options: [], ...edns } } : {}),
  };
}

/**
 * An answer to a query: its id, opcode, questions and RD and CD bits, and EDNS when the query has it. The rest is
 * empty or 0 unless given.
 */
export function reply(asked: Message, parts: Partial<Message> = {}): Message {
  return {
    id: asked.id,
    qr: true,
    opcode: asked.opcode,
    aa: false,
    tc: false,
    rd: asked.rd,
    ra: false,
    ad: false,
    cd: asked.cd,
    rcode: 0,
    questions: asked.questions,
    answers: [],
    authorities: [],
    additionals: [],
    ...(asked.edns ? { edns: { udpSize: 1232, version: 0, do: asked.edns.do, options: [] } } : {}),
    ...parts,
  };
}
