/**
 * The options of `chorus check`, in one table, and a reader of command lines that takes only those without a mistake. The
 * command is run every few seconds by others, and to load a whole parser costs more than the check.
 */
import type { CheckOptions } from './check-plan.ts';

/** What follows an option: a text, texts from several times, a whole number within bounds, nothing. `no`: it turns off. */
export type CheckOption = {
  readonly key: keyof CheckOptions | 'json';
  /** As the help shows it. */
  readonly flags: string;
  readonly help: string;
} & (
  | { readonly kind: 'text' | 'texts' | 'flag' | 'no' }
  | { readonly kind: 'whole'; readonly low: number; readonly high: number }
);

export const checkOptions: readonly CheckOption[] = [
  {
    key: 'server',
    kind: 'text',
    flags: '--server <address>',
    help: 'ADDRESS or ADDRESS:PORT of the nameserver',
  },
  {
    key: 'port',
    kind: 'whole',
    low: 1,
    high: 65_535,
    flags: '-p, --port <port>',
    help: 'its port, where the address has none (default: 53)',
  },
  { key: 'name', kind: 'text', flags: '--name <name>', help: 'name to ask for (default: the root)' },
  {
    key: 'type',
    kind: 'text',
    flags: '--type <type>',
    help: 'record type to ask for (default: A, of the root NS)',
  },
  { key: 'class', kind: 'text', flags: '--class <class>', help: 'class: IN, CH or HS (default: IN)' },
  { key: 'source', kind: 'text', flags: '-b, --source <address>', help: 'local address to ask from' },
  {
    key: 'time',
    kind: 'text',
    flags: '--time <time>',
    help: 'how long an answer to each try may take; seconds, or with a unit (default: 1s)',
  },
  {
    key: 'tries',
    kind: 'whole',
    low: 1,
    high: 20,
    flags: '--tries <count>',
    help: 'times to ask when no answer comes (default: 3)',
  },
  { key: 'tcp', kind: 'flag', flags: '--tcp', help: 'ask over TCP' },
  {
    key: 'random',
    kind: 'flag',
    flags: '--random',
    help: 'put a random label before the name, which no cache has',
  },
  { key: 'edns', kind: 'no', flags: '--no-edns', help: 'ask without EDNS' },
  {
    key: 'expectRcode',
    kind: 'text',
    flags: '--expect-rcode <list>',
    help: 'response codes that are good (default: NOERROR,NXDOMAIN)',
  },
  {
    key: 'expectData',
    kind: 'texts',
    flags: '--expect-data <data>',
    help: 'data that must be in the answer; may be given several times',
  },
  {
    key: 'failOn',
    kind: 'text',
    flags: '--fail-on <pattern>',
    help: 'regular expression that must not match response code, records or extended error',
  },
  {
    key: 'warning',
    kind: 'text',
    flags: '-w, --warning <time>',
    help: 'WARNING when the answer took longer',
  },
  {
    key: 'critical',
    kind: 'text',
    flags: '-c, --critical <time>',
    help: 'CRITICAL when the answer took longer',
  },
  {
    key: 'miscCheck',
    kind: 'flag',
    flags: '--misc-check',
    help: 'exit codes of keepalived’s MISC_CHECK: 0 good, 1 bad',
  },
  {
    key: 'dynamic',
    kind: 'flag',
    flags: '--dynamic',
    help: 'exit codes for misc_dynamic: 1 bad, else 2 + a weight by latency',
  },
  {
    key: 'weight',
    kind: 'whole',
    low: 1,
    high: 253,
    flags: '--weight <weight>',
    help: 'weight of a fast server, for --dynamic (default: 100)',
  },
  { key: 'json', kind: 'flag', flags: '--json', help: 'print JSON' },
];

/** A command line that was read: options by their keys, and all other words. */
export type CheckLine = {
  readonly words: readonly string[];
  readonly options: CheckOptions;
  readonly json: boolean;
};

const byFlag = new Map(
  checkOptions.flatMap(option =>
    option.flags
      .split(/[ ,]+/)
      .filter(isFlag)
      .map(flag => [flag, option]),
  ),
);

function isFlag(word: string): boolean {
  return word.startsWith('-');
}

/** Reads the words after `check`. Null for help, for anything that is wrong, and for forms that are rarely used. */
export function readCheckLine(argv: readonly string[]): CheckLine | null {
  const words: string[] = [];
  const found: Record<string, string | number | boolean | string[]> = {};
  for (let i = 0; i < argv.length; i++) {
    const word = argv[i]!;
    if (!isFlag(word)) {
      words.push(word);
      continue;
    }
    const option = byFlag.get(word);
    if (!option) return null;
    if (option.kind === 'flag' || option.kind === 'no') {
      found[option.key] = option.kind === 'flag';
      continue;
    }
    const value = argv[++i];
    if (value === undefined || isFlag(value)) return null;
    if (option.kind === 'whole') {
      const number = Number(value);
      if (!/^\d+$/.test(value) || number < option.low || number > option.high) return null;
      found[option.key] = number;
    } else if (option.kind === 'texts') {
      const before = found[option.key];
      found[option.key] = [...(Array.isArray(before) ? before : []), value];
    } else {
      found[option.key] = value;
    }
  }
  const { json = false, ...options } = found;
  return { words, options, json: json === true };
}
