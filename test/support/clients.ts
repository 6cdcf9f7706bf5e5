/** dig, kdig, drill, nsupdate and dnsperf, with what they print taken apart. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Program, type Result, run, temporaryFolder } from './process.ts';
import type { Address } from './raw.ts';

/** One answer as dig, kdig or drill shows it. */
export type Shown = {
  readonly opcode: string;
  readonly status: string;
  readonly id: number;
  /** In the order shown: qr aa tc rd ra ad cd. */
  readonly flags: readonly string[];
  readonly question: readonly string[];
  /** Records with single blanks between fields, in the order shown. */
  readonly answer: readonly string[];
  readonly authority: readonly string[];
  readonly additional: readonly string[];
  /** Lines about EDNS: version, size, options. */
  readonly edns: readonly string[];
  readonly transport: 'UDP' | 'TCP' | '';
  /** Bytes of the message; 0 when not shown. */
  readonly size: number;
  /** The server as the tool shows it. */
  readonly server: string;
  readonly text: string;
};

export type AskOptions = {
  readonly tool?: 'dig' | 'kdig' | 'drill';
  readonly namespace?: number;
};

/**
 * Asks one or more questions with one run of dig or kdig. Options that stand before the first name hold for all of them.
 * Each question is a list of arguments such as `['www.lab.example', 'AAAA', '+dnssec']`.
 * @returns what was shown for each question, in order; fails when the tool shows another number of answers.
 */
export async function askMany(
  server: Address,
  questions: readonly (readonly string[])[],
  { tool = 'dig', namespace }: AskOptions = {},
): Promise<Shown[]> {
  // A command line has room for about 100 kB; many questions go in portions.
  const shown: Shown[] = [];
  for (let at = 0; at < questions.length; at += 100) {
    const portion = questions.slice(at, at + 100);
    const result = await run(
      tool,
      argumentsOf(tool, server, portion),
      namespace === undefined ? {} : { namespace },
    );
    const answers = parseAnswers(result.stdout);
    if (answers.length !== portion.length) {
      throw new Error(
        `${tool} showed ${answers.length} answers to ${portion.length} questions\n${result.stdout}${result.stderr}`,
      );
    }
    shown.push(...answers);
  }
  return shown;
}

/** Asks one question; see `askMany`. */
export async function ask(
  server: Address,
  question: readonly string[],
  options: AskOptions = {},
): Promise<Shown> {
  return (await askMany(server, [question], options))[0]!;
}

/** Runs dig, kdig or drill and gives what it printed, whatever that is: for answers that must not come. */
export function askRaw(
  server: Address,
  question: readonly string[],
  options: AskOptions = {},
): Promise<Result> {
  const tool = options.tool ?? 'dig';
  const at = options.namespace === undefined ? {} : { namespace: options.namespace };
  return run(tool, argumentsOf(tool, server, [question]), at);
}

function argumentsOf(tool: string, server: Address, questions: readonly (readonly string[])[]): string[] {
  const { address, port } = server;
  if (tool === 'drill') return ['-p', String(port), ...(questions[0] ?? []), `@${address}`];
  const common =
    tool === 'dig'
      ? ['+tries=1', '+timeout=5', '+nocookie', '+noidnin', '+noidnout']
      : ['+retry=0', '+timeout=5', '+noidn'];
  // dig and kdig want the server again for each question only when it differs; options before a name are its own.
  return questions.flatMap(question => [`@${address}`, '-p', String(port), ...common, ...question]);
}

/** Takes apart everything that dig, kdig or drill printed. */
export function parseAnswers(text: string): Shown[] {
  const starts = [...text.matchAll(/^;; ->>HEADER<<-/gm)].map(found => found.index);
  return starts.map((start, index) => parseAnswer(text.slice(start, starts[index + 1])));
}

const sectionNames = ['question', 'answer', 'authority', 'additional'] as const;

function parseAnswer(text: string): Shown {
  const head = /opcode: (\S+?)[,;] (?:status|rcode): (\S+?)[,;] id: (\d+)/.exec(text);
  const flags = /^;; flags:([^;]*);/im.exec(text)?.[1]?.trim() ?? '';
  const sections: Record<(typeof sectionNames)[number], string[]> = {
    question: [],
    answer: [],
    authority: [],
    additional: [],
  };
  const edns: string[] = [];
  let section: string[] | undefined;
  for (const line of text.split('\n')) {
    const title =
      /^;; (QUESTION|ANSWER|AUTHORITY|ADDITIONAL|ZONE|PREREQUISITE|UPDATE) (?:PSEUDO)?SECTION/.exec(
        line,
      )?.[1];
    if (title !== undefined) {
      const name =
        { ZONE: 'question', PREREQUISITE: 'answer', UPDATE: 'authority' }[title] ?? title.toLowerCase();
      section = sections[name as (typeof sectionNames)[number]];
    } else if (/^;; (OPT|EDNS) PSEUDOSECTION/.test(line)) {
      section = edns;
    } else if (/^;; EDNS:/.test(line)) {
      edns.push(line.slice(3));
    } else if (line.trim() === '') {
      if (section !== edns) section = undefined;
    } else if (section === edns) {
      edns.push(line.replace(/^;+ ?/, ''));
    } else if (section === sections.question) {
      section.push(
        line
          .replace(/^;+\s*/, '')
          .replace(/\s+/g, ' ')
          .trim(),
      );
    } else if (section !== undefined && !line.startsWith(';')) {
      section.push(line.replace(/\s+/g, ' ').trim());
    }
  }
  const from = /^;; (?:SERVER:|From) (\S+?)(?:\(\S*?\))?(?: \((UDP|TCP)\))?(?: in .*)?$/m.exec(text);
  const kdigFrom = /^;; From (\S+)\((UDP|TCP)\)/m.exec(text);
  const transport = (kdigFrom?.[2] ?? from?.[2] ?? '') as Shown['transport'];
  return {
    opcode: head?.[1] ?? '',
    status: head?.[2] ?? '',
    id: Number(head?.[3] ?? -1),
    flags: flags === '' ? [] : flags.split(/\s+/),
    ...sections,
    edns,
    transport,
    size: Number(/^;; (?:MSG SIZE +rcvd: |Received )(\d+)/m.exec(text)?.[1] ?? 0),
    server: kdigFrom?.[1] ?? from?.[1] ?? '',
    text,
  };
}

/** Types whose data are names and numbers: letter case means nothing in them. */
const namesOnly = /^(NS|CNAME|SOA|MX|PTR|SRV|DNAME)$/;

/** A record without its TTL, its names in lower case: what two servers must agree on. */
export function comparable(record: string): string {
  const [owner = '', , ...rest] = record.split(' ');
  const data = namesOnly.test(rest[1] ?? '') ? rest.slice(2).map(word => word.toLowerCase()) : rest.slice(2);
  return [owner.toLowerCase(), ...rest.slice(0, 2), ...data].join(' ');
}

/** What must be equal whether a client asks a backend itself or through Chorus. */
export function essence(shown: Shown, flags: readonly string[] = ['qr', 'aa', 'tc', 'rd', 'ra', 'ad', 'cd']) {
  const plain = (records: readonly string[]) => records.map(comparable).sort();
  return {
    opcode: shown.opcode,
    status: shown.status,
    flags: shown.flags.filter(flag => flags.includes(flag)).sort(),
    question: shown.question,
    answer: plain(shown.answer),
    authority: plain(shown.authority),
    additional: plain(shown.additional),
  };
}

/** Feeds commands to nsupdate; its exit code is 0 when the server accepted the update. */
export function nsupdate(
  server: Address,
  key: string,
  commands: readonly string[],
  tcp: boolean,
): Promise<Result> {
  const input = [`server ${server.address} ${server.port}`, ...commands, 'send', ''].join('\n');
  return run('nsupdate', ['-t', '10', '-r', '1', '-y', key, ...(tcp ? ['-v'] : [])], { input });
}

/** What dnsperf counted. */
export type Load = {
  readonly sent: number;
  readonly completed: number;
  readonly lost: number;
  readonly interrupted: number;
  /** Answers by response code, for example NOERROR. */
  readonly codes: Readonly<Record<string, number>>;
  readonly text: string;
};

export type LoadOptions = {
  /** Lines such as `www.lab.example A`. */
  readonly questions: readonly string[];
  readonly seconds: number;
  /** Queries a second; dnsperf's own bound when absent. */
  readonly rate?: number;
  readonly clients?: number;
  /** How long dnsperf waits for an answer, in seconds. */
  readonly timeout?: number;
  readonly tcp?: boolean;
  readonly namespace?: number;
};

/** A dnsperf that runs while the test does something else. */
export class LoadRun {
  readonly program: Program;

  constructor(server: Address, options: LoadOptions) {
    const file = join(temporaryFolder('load'), 'questions');
    writeFileSync(file, options.questions.map(line => `${line}\n`).join(''));
    const number = (option: string, value: number | undefined) =>
      value === undefined ? [] : [option, String(value)];
    this.program = new Program(
      'dnsperf',
      [
        ...[
          '-s',
          server.address,
          '-p',
          String(server.port),
          '-d',
          file,
          '-l',
          String(options.seconds),
          '-T',
          '1',
        ],
        ...number('-Q', options.rate),
        ...number('-c', options.clients ?? 4),
        ...number('-t', options.timeout ?? 5),
        ...(options.tcp === true ? ['-m', 'tcp'] : []),
      ],
      options.namespace === undefined ? {} : { namespace: options.namespace },
    );
  }

  /** Waits for its end and gives the counts. */
  async result(): Promise<Load> {
    const { code } = await this.program.ended;
    const text = this.program.stdout;
    if (code !== 0) throw new Error(`dnsperf failed\n${this.program.log}`);
    const count = (name: string) =>
      Number(new RegExp(`^ *Queries ${name}: +(\\d+)`, 'm').exec(text)?.[1] ?? 0);
    const codes: Record<string, number> = {};
    const line = /Response codes: +(.*)/.exec(text)?.[1] ?? '';
    for (const [, name, value] of line.matchAll(/([A-Z0-9]+) (\d+)/g)) codes[name!] = Number(value);
    const [sent, completed, lost, interrupted] = ['sent', 'completed', 'lost', 'interrupted'].map(count);
    return { sent: sent!, completed: completed!, lost: lost!, interrupted: interrupted!, codes, text };
  }
}
