/** YAML as text: reading it into plain data, and finding the line of each value. */
import {
  type Document,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  visit,
} from 'yaml';
import { reasonOf } from '#kit/errors.ts';
import type { Problem } from './problem.ts';

/** A way from the top of the file to a value: keys and indexes. */
export type Path = readonly PropertyKey[];

/** Largest file that is read, in characters. A thousand backends need a tenth of it. */
const longestText = 1_000_000;
/** Deepest nesting of a file; options need seven. */
const deepest = 32;

const advice: Readonly<Record<string, { what: string; expected?: string }>> = {
  TAB_AS_INDENT: { what: 'a tab is used to indent', expected: 'spaces' },
  MULTIPLE_DOCS: { what: 'a second document begins here', expected: 'one document' },
};

/** One parsed file. */
export class Source {
  /** Null when `problems` leave nothing to look at. */
  readonly data: unknown;
  /** What is wrong with it as YAML. */
  readonly problems: readonly Problem[];
  /** Whether `data` is worth checking further. */
  readonly readable: boolean;
  readonly #document: Document | undefined;
  readonly #lines = new LineCounter();

  constructor(text: string) {
    const problems: Problem[] = [];
    this.problems = problems;
    this.readable = false;
    if (text.length > longestText) {
      problems.push({
        line: 1,
        column: 1,
        what: `the file has ${text.length} characters`,
        expected: `at most ${longestText}`,
      });
      return;
    }
    const control = tooDeep(text);
    if (control) {
      problems.push(control);
      return;
    }
    try {
      const document = parseDocument(text.replace(/^\ufeff/, ''), {
        version: '1.2',
        schema: 'core',
        lineCounter: this.#lines,
        prettyErrors: false,
        stringKeys: false,
      });
      this.#document = document;
      let fatal = false;
      for (const error of [...document.errors, ...document.warnings]) {
        if (error.code !== 'DUPLICATE_KEY') fatal = true;
        problems.push({ ...this.#position(error.pos[0]), ...this.#explain(error, text) });
      }
      problems.push(...this.#oddNodes(document));
      if (fatal || problems.some(({ what }) => what.startsWith('a key'))) return;
      this.data = document.toJS({ maxAliasCount: 50 });
      this.readable = true;
    } catch (error) {
      // The parser's own limits: aliases that multiply, nesting that exhausts the stack, references to nothing.
      const what = `this cannot be read as YAML: ${reasonOf(error)}`;
      problems.push({ line: 1, column: 1, what });
    }
  }

  /** Where the value at `path` stands; where it does not exist, the nearest thing above it. */
  locate(path: Path, key = false): { line: number; column: number } {
    let node: unknown = this.#document?.contents;
    let offset = startOf(node) ?? 0;
    for (const [depth, step] of path.entries()) {
      if (isMap(node)) {
        const pair = node.items.find(item => keyOf(item) === String(step));
        if (!pair) break;
        const last = key && depth === path.length - 1;
        node = pair.value;
        offset = (last ? undefined : startOf(node)) ?? startOf(pair.key) ?? offset;
      } else if (isSeq(node)) {
        const item: unknown = node.items[Number(step)];
        // A list of one may stand without brackets.
        if (item === undefined) break;
        node = item;
        offset = startOf(node) ?? offset;
      } else if (step !== 0) break;
    }
    return this.#position(offset);
  }

  /** The value at `path`, undefined where there is none. */
  valueAt(path: Path): unknown {
    let value = this.data;
    for (const step of path) {
      if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) {
        if (step === 0 && value !== undefined && !Array.isArray(value)) continue;
        return undefined;
      }
      value = Reflect.get(value, step);
    }
    return value;
  }

  #position(offset: number): { line: number; column: number } {
    const { line, col } = this.#lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  }

  #explain(
    error: { code: string; message: string; pos: [number, number] },
    text: string,
  ): Omit<Problem, 'line' | 'column'> {
    const known = advice[error.code];
    if (known) return known;
    if (error.code === 'DUPLICATE_KEY') {
      const key = text.slice(error.pos[0]).match(/^[^\s:]+/)?.[0] ?? '';
      return { what: `${key ? `"${key}"` : 'a key'.concat(' of this mapping')} stands twice in one mapping` };
    }
    const what = `this is not right as YAML: ${error.message.replace(/\s+/g, ' ').trim()}`;
    const bracket = /^[ \t]*[\w-]+:[ \t]*\[[^\]"']*::/m.test(text);
    return bracket ? { what, suggestion: 'an IPv6 address in quotes, such as "[::1]:53"' } : { what };
  }

  /** Keys that are no texts, and names that only a trick would need. */
  #oddNodes(document: Document): Problem[] {
    const found: Problem[] = [];
    visit(document, {
      Pair: (_, pair) => {
        const at = this.#position(startOf(pair.key) ?? 0);
        if (!isScalar(pair.key))
          found.push({ ...at, what: 'a key is not a text', expected: 'the name of an option' });
        else if (pair.key.value === '__proto__')
          found.push({ ...at, what: 'a key cannot be called "__proto__"' });
        else if (pair.key.value === null)
          found.push({ ...at, what: 'a key is empty', expected: 'the name of an option' });
      },
    });
    return found;
  }
}

function startOf(node: unknown): number | undefined {
  return (node as Node | null | undefined)?.range?.[0];
}

function keyOf(pair: Pair): string | undefined {
  return isScalar(pair.key) ? String(pair.key.value) : undefined;
}

/** Brackets nested deeper than any option: refused before the parser recurses into them. */
function tooDeep(text: string): Problem | undefined {
  let depth = 0;
  let line = 1;
  let start = 0;
  for (let i = 0; i < text.length; i++) {
    const letter = text[i];
    if (letter === '\n') {
      line++;
      start = i + 1;
    } else if (letter === '[' || letter === '{') depth++;
    else if (letter === ']' || letter === '}') depth = Math.max(0, depth - 1);
    if (depth > deepest) {
      const what = `more than ${deepest} brackets are open here`;
      return { line, column: i - start + 1, what };
    }
  }
  return undefined;
}
