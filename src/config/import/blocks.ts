/** The second pass: words and blocks. What the words mean comes later. */
import { type Line, placeAt } from './lines.ts';
import { type Place, type Problems, quoted } from './problems.ts';

/** A word, without its quotes and with its escapes resolved. */
export type Word = { readonly text: string; readonly place: Place };

/** A line with its words, and the block that follows it in braces. */
export type Statement = {
  readonly key: Word;
  readonly words: readonly Word[];
  readonly block: readonly Statement[] | undefined;
};

type Token = Word & { readonly kind: 'word' | 'open' | 'close' };
type Open = { readonly key: Word; readonly words: readonly Word[]; block: Open[] | undefined };

/** Deepest nesting; keepalived needs six. */
const deepest = 32;

/** The statements of a file. @throws Enough */
export function readBlocks(lines: readonly Line[], problems: Problems): Statement[] {
  const top: Open[] = [];
  const open: { readonly at: Word; readonly list: Open[] }[] = [];
  const list = () => open.at(-1)?.list ?? top;
  for (const line of lines) {
    let words: Word[] = [];
    const end = () => {
      const [key, ...rest] = words;
      if (key) list().push({ key, words: rest, block: undefined });
      words = [];
    };
    for (const token of tokensOf(line, problems)) {
      if (token.kind === 'word') words.push(token);
      else if (token.kind === 'open') {
        end();
        const owner = list().at(-1);
        if (owner === undefined || owner.block !== undefined) {
          problems.add(token.place, '"{" opens a block that has no name', {
            expected: 'a keyword before it',
          });
          open.push({ at: token, list: [] });
          continue;
        }
        owner.block = [];
        open.push({ at: owner.key, list: owner.block });
        if (open.length > deepest) {
          problems.fatal(token.place, `more than ${deepest} blocks are open here`, '"}"');
        }
      } else {
        end();
        if (open.pop() === undefined) {
          problems.add(token.place, '"}" closes a block that was not opened', {
            expected: 'a keyword, or the end of the file',
          });
        }
      }
    }
    end();
  }
  for (const { at } of open) {
    problems.add(at.place, `the block ${quoted(at.text)} is not closed`, {
      expected: '"}" before the end of the file',
    });
  }
  return top;
}

function tokensOf(line: Line, problems: Problems): Token[] {
  const tokens: Token[] = [];
  const { text } = line;
  let at = 0;
  while (at < text.length) {
    const letter = text[at]!;
    if (isBlank(letter)) {
      at++;
      continue;
    }
    const place = placeAt(line, at);
    if (letter === '{' || letter === '}') {
      tokens.push({ kind: letter === '{' ? 'open' : 'close', text: letter, place });
      at++;
      continue;
    }
    const word = wordAt(line, at, problems);
    tokens.push({ kind: 'word', text: word.text, place });
    at = word.end;
    if (word.opens) tokens.push({ kind: 'open', text: '{', place: placeAt(line, at - 1) });
    if (word.closes) tokens.push({ kind: 'close', text: '}', place: placeAt(line, at - 1) });
  }
  return tokens;
}

/** The word that begins at `from`. A brace that ends it without having a partner in it is one of a block. */
function wordAt(line: Line, from: number, problems: Problems) {
  const { text } = line;
  let word = '';
  let at = from;
  let quote = -1;
  let depth = 0;
  let bare = true;
  while (at < text.length) {
    const letter = text[at]!;
    if (letter === '\\' && at + 1 < text.length) {
      const found = escapeAt(text, at + 1);
      word += found.text;
      at = found.end;
      bare = false;
      continue;
    }
    if (quote >= 0) {
      if (letter === text[quote]) quote = -1;
      else word += letter;
    } else if (letter === '"' || (letter === "'" && text.includes("'", at + 1))) {
      // A lone apostrophe is a letter, as it is for keepalived.
      quote = at;
      bare = false;
    } else if (isBlank(letter)) break;
    else {
      word += letter;
      if (letter === '{') depth++;
      if (letter === '}') depth--;
    }
    at++;
  }
  if (quote >= 0) {
    problems.add(placeAt(line, quote), `a quote is opened here and not closed on its line`, {
      expected: `${text[quote]} before the end of the line`,
    });
  }
  const last = text[at - 1];
  const opens =
    quote < 0 && depth === 1 && last === '{' && text[at - 2] !== '\\' && (bare || word.endsWith('{'));
  const closes = quote < 0 && depth === -1 && last === '}' && text[at - 2] !== '\\';
  return { text: opens || closes ? word.slice(0, -1) : word, end: at, opens, closes };
}

const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  E: '\x1b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
};

/** What stands for the escape whose letter is at `at`, the one after the backslash. */
function escapeAt(text: string, at: number): { text: string; end: number } {
  const letter = text[at]!;
  const [octal] = /^[0-7]{1,3}/.exec(text.slice(at, at + 3)) ?? [];
  if (octal !== undefined) {
    return { text: String.fromCharCode(Number.parseInt(octal, 8) & 0xff), end: at + octal.length };
  }
  const [, hex] = /^x([0-9a-fA-F]{1,2})/.exec(text.slice(at, at + 3)) ?? [];
  if (hex !== undefined)
    return { text: String.fromCharCode(Number.parseInt(hex, 16)), end: at + 1 + hex.length };
  if (letter === 'c' && at + 1 < text.length) {
    return { text: String.fromCharCode(text.charCodeAt(at + 1) & 0x1f), end: at + 2 };
  }
  return { text: Object.hasOwn(escapes, letter) ? escapes[letter]! : letter, end: at + 1 };
}

function isBlank(letter: string): boolean {
  return letter === ' ' || letter === '\t' || letter === '\f' || letter === '\v' || letter === '\r';
}
