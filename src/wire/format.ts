import { codeOfOption, formatOption } from './edns/registry.ts';
import type { Message, Question, ResourceRecord } from './message.ts';
import { formatRData } from './rdata/registry.ts';
import { className, opcodeName, opcodes, optionName, rcodeName, typeName } from './types.ts';

/** A message as dig prints it, without the lines that name the server and the time. Ends in a line feed. */
export function formatMessage(message: Message): string {
  const update = message.opcode === opcodes.UPDATE;
  const names = update ? updateSections : sections;
  const parts = [header(message, names)];
  if (message.edns) parts.push(`;; OPT PSEUDOSECTION:\n${edns(message)}`);
  if (message.questions.length > 0) {
    parts.push(`;; ${names[0]} SECTION:\n${message.questions.map(formatQuestion).join('')}`);
  }
  const records = [message.answers, message.authorities, message.additionals];
  for (const [i, section] of records.entries()) {
    if (section.length > 0) parts.push(`;; ${names[i + 1]} SECTION:\n${section.map(row).join('')}`);
  }
  if (message.trailing) parts.push(`;; WARNING: Message has ${message.trailing} extra bytes at end\n`);
  return parts.join('\n');
}

const sections = ['QUESTION', 'ANSWER', 'AUTHORITY', 'ADDITIONAL'] as const;
/** RFC 2136 section 2. */
const updateSections = ['ZONE', 'PREREQUISITE', 'UPDATE', 'ADDITIONAL'] as const;
/** What the header calls a section where that is another name. */
const headerNames: ReadonlyMap<string, string> = new Map([
  ['QUESTION', 'QUERY'],
  ['PREREQUISITE', 'PREREQ'],
]);
const flagNames = ['qr', 'aa', 'tc', 'rd', 'ra', 'ad', 'cd'] as const;

function header(message: Message, names: typeof sections | typeof updateSections): string {
  const flags = flagNames.filter(name => message[name]).map(name => ` ${name}`);
  const counts = [
    message.questions.length,
    message.answers.length,
    message.authorities.length,
    message.additionals.length + (message.edns ? 1 : 0),
  ];
  const shown = names.map((name, i) => `${headerNames.get(name) ?? name}: ${counts[i]}`).join(', ');
  const reserved = message.z ? '; MBZ: 0x4' : '';
  return (
    `;; ->>HEADER<<- opcode: ${opcodeName(message.opcode)}, status: ${rcodeName(message.rcode)}, id: ${message.id}\n` +
    `;; flags:${flags.join('')}${reserved}; ${shown}\n`
  );
}

function edns({ edns }: Message): string {
  if (!edns) return '';
  const flags = edns.do ? ' do' : '';
  const reserved = edns.z ? `; MBZ: 0x${edns.z.toString(16).padStart(4, '0')}` : '';
  const lines = [`; EDNS: version: ${edns.version}, flags:${flags}${reserved}; udp: ${edns.udpSize}\n`];
  for (const option of edns.options) {
    const text = formatOption(option);
    lines.push(`; ${digName(codeOfOption(option))}${text === '' ? '' : `: ${text}`}\n`);
  }
  return lines.join('');
}

/** dig's own names of options. */
const digNames: ReadonlyMap<number, string> = new Map([
  [8, 'CLIENT-SUBNET'],
  [11, 'TCP KEEPALIVE'],
  [12, 'PAD'],
]);

function digName(code: number): string {
  const name = optionName(code);
  return digNames.get(code) ?? (name.startsWith('OPT') ? `OPT=${code}` : name);
}

/** Name, class and type behind a semicolon, in dig's columns. Ends in a line feed. */
export function formatQuestion(question: Question): string {
  return `${columns([`;${question.name}`, '', className(question.class), typeName(question.type)])}\n`;
}

function row(record: ResourceRecord): string {
  const { name, ttl, type, data } = record;
  return `${columns([name, String(ttl), className(record.class), typeName(type), formatRData(data)])}\n`;
}

/** Words in dig's columns, of eight characters from the 24th on; at least one blank stands between words. */
function columns(words: readonly string[]): string {
  let text = '';
  let width = 0;
  for (const [i, word] of words.entries()) {
    if (word === '') continue;
    const start = i === 0 ? 0 : Math.max(16 + 8 * i, width + 1);
    const tabs = Math.floor(start / 8) - Math.floor(width / 8);
    text += '\t'.repeat(tabs) + ' '.repeat(tabs > 0 ? start % 8 : start - width) + word;
    width = start + word.length;
  }
  return text;
}
