/**
 * Programs that a MISC_CHECK runs: the command line as words, and what it asks where it is `dig`, or a wrapper around it that takes
 * `FROM CLASS TYPE NAME SERVER TIME TRIES ERRORS [TRANSPORT]`.
 */
import { parseAddress } from '#net/address.ts';
import { formatName, parseName } from '#wire/name.ts';
import { rcodeCode, typeCode } from '#wire/types.ts';

/** A command line. */
export type CommandLine = {
  /** The program and its arguments, without redirections. */
  readonly words: readonly string[];
  /** It needs a shell: pipes, variables, several commands. Output that is thrown away needs none. */
  readonly shell: boolean;
};

/** A question, as a program asks it. Times in ms. */
export type Asked = {
  /** How it is known: `dig` or `wrapper`. */
  readonly by: 'dig' | 'wrapper';
  readonly server: string;
  readonly port: number;
  readonly source?: string;
  readonly name: string;
  readonly type: string;
  readonly transport: 'udp' | 'tcp';
  /** For one try. */
  readonly timeout: number;
  readonly tries: number;
  /** Response codes that fail; undefined: none does, as with dig alone. */
  readonly failing?: readonly string[];
};

const shellSigns = /[|&;<>`$(){}*?~\n]/;

/** The words of a command, as keepalived or a shell takes them apart. */
export function commandLine(text: string): CommandLine {
  const words: string[] = [];
  let shell = false;
  const bare = text.replace(
    /(?<=\s|^)(?:[12]?>{1,2}\s*\/dev\/null|2>&1|&>\s*\/dev\/null|<\s*\/dev\/null)(?=\s|$)/g,
    ' ',
  );
  let word: string | undefined;
  let quote = '';
  for (let i = 0; i < bare.length; i++) {
    const letter = bare[i]!;
    if (quote === '' && /\s/.test(letter)) {
      if (word !== undefined) words.push(word);
      word = undefined;
      continue;
    }
    word ??= '';
    if (letter === '\\' && quote !== "'" && i + 1 < bare.length) word += bare[++i];
    else if (quote !== '' && letter === quote) quote = '';
    else if (quote === '' && (letter === '"' || letter === "'")) quote = letter;
    else {
      if (quote !== "'" && shellSigns.test(letter) && !(quote === '"' && letter !== '$' && letter !== '`'))
        shell = true;
      word += letter;
    }
  }
  if (word !== undefined) words.push(word);
  if (/^[A-Za-z_]\w*=/.test(words[0] ?? '')) shell = true;
  return { words, shell: shell || quote !== '' };
}

const interpreters = new Set(['perl', 'sh', 'bash', 'dash', 'python', 'python3', 'env', 'sudo']);
const digTypes = /^(A|ANY|MX|PTR|SRV|TXT|AAAA|NS|CNAME|SOA)$/;

/** What a command asks; undefined where it is none of the programs that are known, or asks what a probe cannot. */
export function askedBy({ words, shell }: CommandLine): Asked | undefined {
  if (shell) return undefined;
  let from = 0;
  while (from < words.length - 1 && interpreters.has(baseName(words[from]!))) from++;
  const [program, ...rest] = words.slice(from);
  if (program === undefined) return undefined;
  if (baseName(program) === 'dig') return dig(rest);
  // `chorus check` takes the wrapper's words.
  const ours = baseName(program) === 'chorus' && rest[0] === 'check';
  return wrapper(ours ? rest.slice(1) : rest);
}

/** The longest that a program which asks waits for a silent server, in ms. */
export function patienceOf({ timeout, tries }: Asked): number {
  return timeout * tries;
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}

function wrapper(words: readonly string[]): Asked | undefined {
  if (words.length < 8 || words.length > 9) return undefined;
  const [
    from = '',
    kind = '',
    type = '',
    name = '',
    server = '',
    time = '',
    tries = '',
    errors = '',
    transport,
  ] = words;
  const source = parseAddress(from);
  const asked = parseAddress(server);
  if (source === undefined || asked === undefined || kind !== 'IN' || !digTypes.test(type)) return undefined;
  if (!/^[A-Za-z0-9.-]+$/.test(name) || domain(name) === undefined) return undefined;
  if (!isCount(time) || !isCount(tries)) return undefined;
  if (transport !== undefined && !/^(tcp|udp)$/i.test(transport)) return undefined;
  const failing = errors.replace(/^\((.*)\)$/, '$1').split('|');
  if (!failing.every(code => /^[A-Z]+$/.test(code) && rcodeCode(code) !== undefined)) return undefined;
  return {
    by: 'wrapper',
    server: asked,
    port: 53,
    source,
    name: domain(name) ?? '.',
    type,
    transport: transport?.toLowerCase() === 'tcp' ? 'tcp' : 'udp',
    timeout: Math.max(1, Number(time)) * 1000,
    tries: Math.max(1, Number(tries)),
    failing,
  };
}

/** Options of dig that change what is printed, not what is asked or when it ends. */
const printing =
  /^\+(no)?(short|all|answer|authority|additional|question|comments|cmd|stats|multiline|qr|rrcomments|ttlid|ttlunits|class|identify|onesoa|crypto|split=\d+|fail|recurse|rec|rd|rdflag|tcp|vc|search|defname|idn\w*|cookie|edns|adflag|ad)$/;

function dig(words: readonly string[]): Asked | undefined {
  let server: string | undefined;
  let port = 53;
  let source: string | undefined;
  let name: string | undefined;
  let type: string | undefined;
  let transport: 'udp' | 'tcp' = 'udp';
  let timeout = 5000;
  let tries = 3;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const next = () => words[++i] ?? '';
    if (word.startsWith('@')) {
      server = parseAddress(word.slice(1));
      if (server === undefined) return undefined;
    } else if (word === '-b') {
      source = parseAddress(next().split('#')[0] ?? '');
      if (source === undefined) return undefined;
    } else if (word === '-p') {
      const text = next();
      port = isCount(text) ? Number(text) : 0;
      if (port < 1 || port > 65_535) return undefined;
    } else if (word === '-t') {
      const text = next();
      if (typeCode(text) === undefined) return undefined;
      type = text.toUpperCase();
    } else if (word === '-q') name = next();
    else if (word === '-c') {
      if (next().toUpperCase() !== 'IN') return undefined;
    } else if (word === '-4' || word === '-6' || word === '-r') {
      // They change nothing: the server is given by its address.
    } else if (word.startsWith('-')) return undefined;
    else if (word.startsWith('+')) {
      const [, option = '', value = ''] = /^\+(time|timeout|tries|retry|retries)=(.*)$/.exec(word) ?? [];
      if (option === '') {
        if (!printing.test(word) || /^\+(norec|nord)/.test(word)) return undefined;
        if (/^\+(tcp|vc)$/.test(word)) transport = 'tcp';
        if (/^\+no(tcp|vc)$/.test(word)) transport = 'udp';
      } else if (!isCount(value)) return undefined;
      else if (option.startsWith('time')) timeout = Math.max(1, Number(value)) * 1000;
      else tries = Math.max(1, Number(value) + (option === 'tries' ? 0 : 1));
    } else if (word.toUpperCase() === 'IN') {
      // The class.
    } else if (word.toUpperCase() === 'CH' || word.toUpperCase() === 'CHAOS') return undefined;
    else if (type === undefined && typeCode(word) !== undefined && !word.includes('.'))
      type = word.toUpperCase();
    else if (name === undefined) name = word;
    else return undefined;
  }
  const asked = name === undefined ? '.' : domain(name);
  if (server === undefined || asked === undefined) return undefined;
  return {
    by: 'dig',
    server,
    port,
    ...(source !== undefined && { source }),
    name: asked,
    type: type ?? (name === undefined ? 'NS' : 'A'),
    transport,
    timeout,
    tries,
  };
}

function isCount(text: string): boolean {
  return /^\d{1,4}$/.test(text);
}

/** A domain name in its one form; undefined where it is none. */
export function domain(text: string): string | undefined {
  try {
    return formatName(parseName(text));
  } catch {
    return undefined;
  }
}
