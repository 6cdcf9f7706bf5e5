/** File names with `*`, `?`, `[…]` and `{a,b}`, as `include` has them. Bounded: it looks into no folder twice for a pattern part. */

/** The files of a machine, or of a test. Paths are as the file wrote them, relative ones from the working folder. */
export type Files = {
  /** The text of a file; undefined where there is none that can be read. */
  read(path: string): string | undefined;
  /** Names in a folder; empty where there is none that can be read. */
  list(folder: string): readonly string[];
};

/** Patterns that braces may stand for, and files that may be found, at most. */
const most = 512;

/** Paths that the pattern stands for, sorted; at most 512. A path without wildcards stands for itself. */
export function expandGlob(pattern: string, files: Files): string[] {
  const found = new Set<string>();
  for (const each of expandBraces(pattern)) for (const path of walk(each, files)) found.add(path);
  return [...found].sort().slice(0, most);
}

/** Whether the pattern may stand for several files. */
export function isGlob(pattern: string): boolean {
  return /[*?[{]/.test(pattern);
}

/** `{a,b{c,d}}` as texts without braces; those that have no partner stay. */
export function expandBraces(pattern: string): string[] {
  let open = [pattern];
  for (let round = 0; round < 16; round++) {
    const next = [...new Set(open.flatMap(expandOne))].slice(0, most);
    if (next.length === open.length && next.every((text, i) => text === open[i])) return next;
    open = next;
  }
  return open;
}

/** The first innermost braces with a comma taken apart. */
function expandOne(text: string): string[] {
  const found = /\{([^{}]*,[^{}]*)\}/.exec(text);
  if (!found) return [text];
  const before = text.slice(0, found.index);
  const after = text.slice(found.index + found[0].length);
  return found[1]!.split(',').map(part => `${before}${part}${after}`);
}

function walk(pattern: string, files: Files): string[] {
  let ways = [pattern.startsWith('/') ? '/' : ''];
  const parts = pattern.split('/').filter(part => part !== '');
  for (const part of parts) {
    if (!/[*?[]/.test(part)) {
      ways = ways.map(way => join(way, part));
      continue;
    }
    const matches = matcher(part);
    ways = ways
      .flatMap(way =>
        files
          .list(way === '' ? '.' : way)
          .filter(matches)
          .map(name => join(way, name)),
      )
      .slice(0, most);
  }
  return ways;
}

function join(folder: string, name: string): string {
  return folder === '' || folder.endsWith('/') ? `${folder}${name}` : `${folder}/${name}`;
}

/** Whether a name fits a part of a pattern. Names that begin with a dot are found only where the pattern has it. */
function matcher(part: string): (name: string) => boolean {
  const tokens = tokensOf(part);
  return name => (!name.startsWith('.') || part.startsWith('.')) && fits(tokens, name);
}

type Token = '*' | ((letter: string) => boolean);

function tokensOf(part: string): Token[] {
  const tokens: Token[] = [];
  for (let i = 0; i < part.length; i++) {
    const letter = part[i]!;
    if (letter === '*') {
      if (tokens.at(-1) !== '*') tokens.push('*');
    } else if (letter === '?') tokens.push(() => true);
    else if (letter === '[') {
      const end = part.indexOf(']', i + 2);
      if (end < 0) {
        tokens.push(other => other === '[');
        continue;
      }
      tokens.push(classOf(part.slice(i + 1, end)));
      i = end;
    } else tokens.push(other => other === letter);
  }
  return tokens;
}

function classOf(text: string): (letter: string) => boolean {
  const not = text.startsWith('!') || text.startsWith('^');
  const body = not ? text.slice(1) : text;
  return letter => {
    let within = false;
    for (let i = 0; i < body.length; i++) {
      if (body[i + 1] === '-' && i + 2 < body.length) {
        within ||= letter >= body[i]! && letter <= body[i + 2]!;
        i += 2;
      } else within ||= letter === body[i];
    }
    return within !== not;
  };
}

/** Matches without backtracking more than to the last star, so in time of length × length. */
function fits(tokens: readonly Token[], name: string): boolean {
  let at = 0;
  let token = 0;
  let star = -1;
  let resume = 0;
  while (at < name.length) {
    const next = tokens[token];
    if (next === '*') {
      star = token++;
      resume = at;
    } else if (next?.(name[at]!)) {
      token++;
      at++;
    } else if (star >= 0) {
      token = star + 1;
      at = ++resume;
    } else return false;
  }
  while (tokens[token] === '*') token++;
  return token === tokens.length;
}
