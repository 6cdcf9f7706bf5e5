/** Words of zone files (RFC 1035 section 5.1). */

import { WireError } from './error.ts';
import { formatName, parseName } from './name.ts';
import { parseOctets } from './octets.ts';

/** A word with its escapes still in it. `at` is where it starts in the text. */
export type Token = { readonly text: string; readonly quoted: boolean; readonly at: number };

/** One entry: the words of a line, or of several joined by parentheses. `blank`: it starts with white space. */
export type Entry = { readonly tokens: readonly Token[]; readonly blank: boolean; readonly line: number };

/** The entries of a text; lines without words are left out. @throws WireError TEXT for open quotes or parentheses. */
export function* entriesOf(text: string): Generator<Entry> {
  let tokens: Token[] = [];
  let blank = false;
  let line = 1;
  let first = 1;
  let depth = 0;
  let opened = 0;
  for (let i = 0; i <= text.length; ) {
    const char = text[i];
    if (char === undefined || char === '\n') {
      if (depth === 0) {
        if (tokens.length > 0) yield { tokens, blank, line: first };
        tokens = [];
        blank = false;
      }
      line++;
      i++;
    } else if (char === ' ' || char === '\t' || char === '\r') {
      if (tokens.length === 0 && (i === 0 || text[i - 1] === '\n')) blank = true;
      i++;
    } else if (char === ';') {
      while (i < text.length && text[i] !== '\n') i++;
    } else if (char === '(') {
      if (depth++ === 0) opened = i;
      if (tokens.length === 0 && (i === 0 || text[i - 1] === '\n')) first = line;
      i++;
    } else if (char === ')') {
      if (depth-- === 0) throw new WireError('TEXT', i, `line ${line}: a parenthesis closes nothing`);
      i++;
    } else {
      if (tokens.length === 0) first = line;
      const end = char === '"' ? quoteEnd(text, i, line) : wordEnd(text, i, line);
      tokens.push(
        char === '"'
          ? { text: text.slice(i + 1, end - 1), quoted: true, at: i }
          : { text: text.slice(i, end), quoted: false, at: i },
      );
      i = end;
    }
  }
  if (depth > 0) throw new WireError('TEXT', opened, 'a parenthesis is never closed');
}

/** The offset after the closing quote of the string that opens at `i`. */
function quoteEnd(text: string, i: number, line: number): number {
  for (let end = i + 1; end < text.length; end++) {
    if (text[end] === '\\') end++;
    else if (text[end] === '"') return end + 1;
    else if (text[end] === '\n') break;
  }
  throw new WireError('TEXT', i, `line ${line}: a quoted string is never closed`);
}

/** The offset after the word at `i`. A quoted string may follow an equals sign: key="value" (RFC 9460 section 2.1). */
function wordEnd(text: string, i: number, line: number): number {
  let end = i;
  while (end < text.length && !' \t\r\n;()"'.includes(text[end]!)) {
    end += text[end] === '\\' && text[end + 1] !== '\n' ? 2 : 1;
    if (text[end] === '"' && text[end - 1] === '=') end = quoteEnd(text, end, line);
  }
  return Math.min(end, text.length);
}

/** The words of one record, taken one after another. */
export class Tokens {
  readonly #tokens: readonly Token[];
  readonly #end: number;
  #next = 0;
  /** Completes relative names; wire form. */
  readonly origin: Uint8Array | undefined;

  constructor(tokens: readonly Token[], origin?: Uint8Array) {
    this.#tokens = tokens;
    const last = tokens.at(-1);
    this.#end = last ? last.at + last.text.length : 0;
    this.origin = origin;
  }

  /** Words left. */
  get left(): number {
    return this.#tokens.length - this.#next;
  }

  /** Where the next word starts. */
  get at(): number {
    return this.peek()?.at ?? this.#end;
  }

  peek(): Token | undefined {
    return this.#tokens[this.#next];
  }

  /** The next word. `what` names it in the error when there is none. */
  token(what: string): Token {
    const token = this.peek() ?? this.fail(`${what} is missing`);
    this.#next++;
    return token;
  }

  /** The next word as it is written. */
  word(what: string): string {
    return this.token(what).text;
  }

  /** All the words left, joined: long hexadecimal and base64 may be broken anywhere. */
  joined(): string {
    let text = '';
    while (this.left > 0) text += this.word('a word');
    return text;
  }

  /** A decimal number of at most `max`. */
  number(what: string, max: number): number {
    const at = this.at;
    const text = this.word(what);
    if (!/^\d{1,15}$/.test(text) || Number(text) > max) this.fail(`${what} "${text}" is not in 0…${max}`, at);
    return Number(text);
  }

  /** A <character-string>, quoted or not, as an octet string of at most 255 octets. */
  string(what: string): string {
    const { text, at } = this.token(what);
    const octets = parseOctets(text, at);
    if (octets.length > 0xff) this.fail(`${what} has more than 255 octets`, at);
    return octets;
  }

  /** A name, completed by the origin, in presentation format. */
  name(what: string): string {
    const at = this.at;
    return formatName(parseName(this.word(what), this.origin, at));
  }

  /** @throws WireError TEXT when words are left. */
  finish(): void {
    const token = this.peek();
    if (token) this.fail(`"${token.text}" is one word too many`, token.at);
  }

  /** @throws WireError TEXT. */
  fail(detail: string, at = this.at): never {
    throw new WireError('TEXT', at, detail);
  }
}
