/**
 * The first pass over a file of keepalived: comments, `include`, lines for one machine (`@id`), definitions (`$NAME=`),
 * `~SEQ` and `~LST`. It gives plain lines, each with the place where every character of it stood.
 *
 * As in keepalived, a definition is filled in where it is used, with the values of that moment, again and again until nothing
 * is left to fill in; a name that is not defined stays as it is. Whatever a file says, this ends: lines, characters, files and
 * nesting are bounded.
 */
import { expandGlob, type Files, isGlob } from './glob.ts';
import { type Place, type Problems, quoted } from './problems.ts';

/** A line with nothing left to expand. */
export type Line = {
  readonly file: string;
  readonly line: number;
  readonly text: string;
  /** The column of each character; those of a definition have the column where it was used. */
  readonly columns: readonly number[];
};

export type LineOptions = {
  /** Path of the file, for messages and for includes beside it. */
  readonly file: string;
  readonly files: Files;
  /** What `@id` and `${_INSTANCE}` mean: keepalived's `--config-id`. */
  readonly id: string;
  /** For `${_ENV NAME}`. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly problems: Problems;
};

const limits = {
  /** Plain lines. */
  lines: 100_000,
  /** Characters looked at, expanded ones each time. */
  characters: 20_000_000,
  /** Characters of one line. */
  line: 16_384,
  /** Definitions within definitions, sequences within sequences, and includes. */
  depth: 48,
  includes: 256,
  /** Definitions filled in on one line. */
  uses: 1000,
  /** Values of one sequence. */
  sequence: 65_536,
} as const;

const blank = /^[ \t\f\v]*/;
const includeVariants = ['include', 'includer', 'includem', 'includew', 'includeb', 'includea'];

/** The plain lines of a text. Problems are told to `options.problems`. @throws Enough */
export function readLines(text: string, options: LineOptions): Line[] {
  const reader = new LineReader(options);
  reader.file(text, options.file, 0);
  return reader.lines;
}

/** Where a character of a line stood. */
export function placeAt(line: Line, index: number): Place {
  const column = line.columns[Math.min(index, line.columns.length - 1)] ?? 1;
  return { file: line.file, line: line.line, column };
}

class LineReader {
  readonly lines: Line[] = [];
  readonly #options: LineOptions;
  readonly #problems: Problems;
  readonly #values = new Map<string, readonly Line[]>();
  #characters = 0;
  #includes = 0;
  #folder = '';

  constructor(options: LineOptions) {
    this.#options = options;
    this.#problems = options.problems;
  }

  file(text: string, file: string, depth: number): void {
    const outer = this.#folder;
    this.#folder = file.includes('/') ? file.slice(0, file.lastIndexOf('/') + 1) : '';
    /** Lines of a definition that goes on, with its name. */
    let open: { readonly name: string; readonly lines: Line[] } | undefined;
    for (const [index, raw] of text.split('\n').entries()) {
      const whole = raw.replace(/^\ufeff/, '').replace(/\r+$/, '');
      const columns = Array.from({ length: whole.length }, (_, i) => i + 1);
      const { line, more } = this.#stripped({ file, line: index + 1, text: whole, columns });
      this.#spend(line, whole.length + 1);
      if (line.text === '' && !more) continue;
      if (open) {
        if (line.text !== '') open.lines.push(line);
        if (!more) {
          this.#values.set(open.name, open.lines);
          open = undefined;
        }
        continue;
      }
      const begun = more ? definitionOf(line) : undefined;
      if (begun) open = { name: begun.name, lines: begun.value.text === '' ? [] : [begun.value] };
      else this.#line(line, depth);
    }
    if (open) this.#values.set(open.name, open.lines);
    this.#folder = outer;
  }

  /** The line without comment and blanks around it. `more`: a backslash at its end, which is taken off. */
  #stripped(line: Line): { line: Line; more: boolean } {
    const { text } = line;
    let quote = '';
    let end = text.length;
    for (let i = 0; i < text.length; i++) {
      const letter = text[i]!;
      if (letter === '\\') i++;
      else if (quote !== '') {
        if (letter === quote) quote = '';
      } else if (letter === '"' || letter === "'") quote = closes(text, i) ? letter : '';
      else if (letter === '#' || letter === '!') {
        end = i;
        break;
      }
    }
    const kept = text.slice(0, end).trimEnd();
    const more = end === text.length && /(?:^|[^\\])(?:\\\\)*\\$/.test(kept);
    const start = blank.exec(kept)![0].length;
    return { line: part(line, start, (more ? kept.slice(0, -1) : kept).trimEnd().length), more };
  }

  #line(line: Line, depth: number): void {
    if (depth > limits.depth) {
      const what = `more than ${limits.depth} definitions, sequences and includes lie within each other here`;
      this.#problems.fatal(placeAt(line, 0), what, 'no definition that uses itself');
    }
    let rest = line;
    for (let uses = 0; ; uses++) {
      this.#bounded(uses, line);
      this.#spend(rest, rest.text.length + 1);
      if (rest.text === '') return;
      if (this.#include(rest, depth)) return;
      if (rest.text.startsWith('@')) {
        const [whole, not, id] = /^@(\^?)([^\s]*)[ \t]*/.exec(rest.text)!;
        if ((id === this.#options.id) === (not === '^')) return;
        rest = part(rest, whole.length);
        continue;
      }
      const definition = definitionOf(rest);
      if (definition) {
        this.#values.set(definition.name, [definition.value]);
        return;
      }
      if (/^~(SEQx?|LST)\s*\(/.test(rest.text)) {
        this.#repeat(rest, depth);
        return;
      }
      const found = this.#parameter(rest);
      if (!found) break;
      const { at, length, value } = found;
      if (value.length > 1) {
        this.#body(rest, found, depth);
        return;
      }
      rest = this.#replaced(rest, at, length, value[0]?.text ?? '');
    }
    if (this.lines.length >= limits.lines) {
      this.#problems.fatal(
        placeAt(line, 0),
        `the file has more than ${limits.lines} lines when all is filled in`,
        'fewer',
      );
    }
    this.lines.push(rest);
  }

  /** A definition of several lines, which ends the line that uses it. */
  #body(line: Line, found: Parameter, depth: number): void {
    const before = line.text.slice(0, found.at);
    const after = line.text.slice(found.at + found.length);
    for (const [index, body] of found.value.entries()) {
      const first = index === 0 && before.trim() !== '';
      const last = index === found.value.length - 1 && after.trim() !== '';
      if (!first && !last) this.#line(body, depth + 1);
      else {
        const text = `${first ? before : ''}${body.text}${last ? after : ''}`;
        this.#line(
          { ...line, text, columns: new Array<number>(text.length).fill(line.columns[found.at] ?? 1) },
          depth + 1,
        );
      }
    }
  }

  /** The first use of a name that is defined. */
  #parameter(line: Line): Parameter | undefined {
    const { text } = line;
    for (let at = text.indexOf('$'); at >= 0; at = text.indexOf('$', at + 1)) {
      const found = /^\$(?:\{([A-Za-z_]\w*)(?:[ \t]+([^{}]*))?\}|([A-Za-z_]\w*)(?=[ \t,)]|$))/.exec(
        text.slice(at, at + 256),
      );
      if (!found) continue;
      const name = found[1] ?? found[3] ?? '';
      const value = this.#values.get(name) ?? this.#known(name, found[2]?.trim(), line);
      if (value) return { at, length: found[0].length, value };
    }
    return undefined;
  }

  /** What keepalived defines by itself. */
  #known(name: string, argument: string | undefined, line: Line): readonly Line[] | undefined {
    const value = (text: string): readonly Line[] => [{ ...line, text, columns: [] }];
    if (name === '_PWD') return value(this.#folder === '' ? '.' : this.#folder.replace(/(?!^)\/$/, ''));
    if (name === '_INSTANCE') return value(this.#options.id);
    if (name === '_HASH') return value('#');
    if (name === '_BANG') return value('!');
    if (name === '_ENV' && argument !== undefined) {
      const found = Object.hasOwn(this.#options.environment, argument)
        ? this.#options.environment[argument]
        : undefined;
      return value((found ?? '').replace(/[\r\n]+/g, ' '));
    }
    return undefined;
  }

  #replaced(line: Line, at: number, length: number, value: string): Line {
    const column = line.columns[at] ?? 1;
    const text = line.text.slice(0, at) + value + line.text.slice(at + length);
    if (text.length > limits.line) {
      this.#problems.fatal(
        placeAt(line, at),
        `this line has more than ${limits.line} characters when all is filled in`,
        'no definition that uses itself',
      );
    }
    const columns = line.columns
      .slice(0, at)
      .concat(new Array<number>(value.length).fill(column), line.columns.slice(at + length));
    const start = blank.exec(text)![0].length;
    return { ...line, text: text.slice(start).trimEnd(), columns: columns.slice(start) };
  }

  /** `~SEQ(var, …) rest` and `~LST(var, …) rest`: the rest once for each value. */
  #repeat(line: Line, depth: number): void {
    const close = closingParenthesis(line.text);
    if (close < 0) {
      this.#problems.add(placeAt(line, 0), `${quoted(line.text)} has no end`, { expected: '")"' });
      return;
    }
    const open = line.text.indexOf('(');
    let inner = part(line, open + 1, close);
    let uses = 0;
    for (let found = this.#parameter(inner); found; found = this.#parameter(inner)) {
      this.#bounded(++uses, line);
      this.#spend(inner, inner.text.length + 1);
      inner = this.#replaced(inner, found.at, found.length, found.value[0]?.text ?? '');
    }
    const rest = part(line, close + 1 + blank.exec(line.text.slice(close + 1))![0].length);
    const place = placeAt(line, 0);
    const rounds = line.text.startsWith('~LST')
      ? this.#listed(inner.text, place)
      : this.#counted(inner.text, line.text.startsWith('~SEQx'), place);
    for (const round of rounds ?? []) {
      for (const [name, text] of round) this.#values.set(name, [{ ...line, text, columns: [] }]);
      this.#line(rest, depth + 1);
    }
  }

  #counted(text: string, hexadecimal: boolean, place: Place): [string, string][][] | undefined {
    const [name = '', ...numbers] = text.split(',').map(piece => piece.trim());
    const values = numbers.map(numberOf);
    if (!isName(name) || values.length < 1 || values.length > 3 || values.includes(undefined)) {
      this.#problems.add(place, `~SEQ(${text.slice(0, 40)}) is not right`, {
        expected: '~SEQ(NAME, [START, [STEP,]] END) with whole numbers',
      });
      return undefined;
    }
    const end = values.at(-1) ?? 0;
    const start = values.length > 1 ? (values[0] ?? 0) : end > 0 ? 1 : -1;
    const step = values.length > 2 ? (values[1] ?? 0) : end >= start ? 1 : -1;
    const count = Math.floor((end - start) / step) + 1;
    if (step === 0 || !(count <= limits.sequence)) {
      const what = step === 0 ? '~SEQ with a step of 0 has no end' : `~SEQ has ${count} values`;
      this.#problems.add(place, what, { expected: `at most ${limits.sequence} values` });
      return undefined;
    }
    return Array.from({ length: Math.max(0, count) }, (_, i) => {
      const value = start + i * step;
      return [[name, hexadecimal ? (value >>> 0).toString(16) : String(value)]];
    });
  }

  #listed(text: string, place: Place): [string, string][][] | undefined {
    const groups = groupsOf(text);
    const [names = [], ...rounds] = groups;
    if (rounds.length === 0 || !names.every(isName) || rounds.some(round => round.length !== names.length)) {
      this.#problems.add(place, `~LST(${text.slice(0, 40)}) is not right`, {
        expected: '~LST(NAME, VALUE, …), or ~LST({NAME, NAME}, {VALUE, VALUE}, …)',
      });
      return undefined;
    }
    return rounds.map(round => round.map((value, i): [string, string] => [names[i] ?? '', value]));
  }

  #include(line: Line, depth: number): boolean {
    const [, word = '', pattern = ''] = /^(include[rmwba]?)[ \t]+(.+)$/.exec(line.text) ?? [];
    if (!includeVariants.includes(word)) return false;
    const place = placeAt(line, line.text.length - pattern.length);
    const bare = pattern.replace(/^(["'])(.*)\1$/, '$2');
    const path = bare.startsWith('/') ? bare : `${this.#folder}${bare}`;
    const found = isGlob(path) ? expandGlob(path, this.#options.files) : [path];
    let read = 0;
    for (const file of found) {
      const text = this.#options.files.read(file);
      if (text === undefined) continue;
      read++;
      if (++this.#includes > limits.includes) {
        this.#problems.fatal(
          place,
          `more than ${limits.includes} files are included`,
          'no file that includes itself',
        );
      }
      this.file(text, file, depth + 1);
    }
    // A folder of optional files may be empty; a file that is named should be there.
    if (read === 0 && (!isGlob(path) || word !== 'include')) {
      this.#problems.add(place, `${quoted(path)} cannot be read`, {
        expected: isGlob(path) ? 'at least one file' : 'a file',
      });
    }
    return true;
  }

  #bounded(uses: number, line: Line): void {
    if (uses <= limits.uses) return;
    const what = `more than ${limits.uses} definitions are filled in on this line`;
    this.#problems.fatal(placeAt(line, 0), what, 'no definition that uses itself');
  }

  #spend(line: Line, characters: number): void {
    this.#characters += characters;
    if (this.#characters > limits.characters) {
      this.#problems.fatal(placeAt(line, 0), 'the file becomes too large when all is filled in');
    }
  }
}

type Parameter = { readonly at: number; readonly length: number; readonly value: readonly Line[] };

function part(line: Line, from: number, to = line.text.length): Line {
  return { ...line, text: line.text.slice(from, to), columns: line.columns.slice(from, to) };
}

/** Whether the quote at `at` is closed on its line; one that is not is told of later, by its place. */
function closes(text: string, at: number): boolean {
  for (let i = at + 1; i < text.length; i++) {
    if (text[i] === '\\') i++;
    else if (text[i] === text[at]) return true;
  }
  return false;
}

/** `$NAME=value`; no blank may stand before the sign. */
function definitionOf(line: Line): { name: string; value: Line } | undefined {
  const [whole, name] = /^\$([A-Za-z_]\w*)=[ \t]*/.exec(line.text) ?? [];
  if (whole === undefined || name === undefined) return undefined;
  return { name, value: part(line, whole.length) };
}

function isName(text: string): boolean {
  return /^[A-Za-z_]\w*$/.test(text);
}

/** A whole number in C's forms: decimal, 0x…, 0…. */
function numberOf(text: string): number | undefined {
  const [, sign, digits = ''] = /^([+-]?)(0[xX][0-9a-fA-F]{1,8}|\d{1,9})$/.exec(text) ?? [];
  if (digits === '') return undefined;
  const value = /^0\d/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  if (Number.isNaN(value)) return undefined;
  return sign === '-' ? -value : value;
}

/** `a, b, {c, d}` as lists; a lone value is a list of one. */
function groupsOf(text: string): string[][] {
  const groups: string[][] = [];
  for (const [, braced, plain] of text.matchAll(/\{([^{}]*)\}|([^,{}]+)/g)) {
    if (braced !== undefined) groups.push(braced.split(',').map(piece => piece.trim()));
    else if (plain !== undefined && plain.trim() !== '') groups.push([plain.trim()]);
  }
  return groups;
}

function closingParenthesis(text: string): number {
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    if (text[i] === '(') depth++;
    else if (text[i] === ')' && --depth === 0) return i;
  }
  return -1;
}
