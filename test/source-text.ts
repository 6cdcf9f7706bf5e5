/** TypeScript sources as text: what they import, and their code without comments and strings. */

/** One import of a file. */
export type Import = { readonly specifier: string; readonly typeOnly: boolean };

/** The source with the contents of comments, strings and regular expressions blanked; code in template strings stays. */
export function codeOf(source: string): string {
  let code = '';
  // For each template string we are in: how many braces are open since its `${`.
  const templates: number[] = [];
  for (let i = 0; i < source.length; ) {
    const letter = source[i]!;
    const two = source.slice(i, i + 2);
    if (two === '//') i = until(source, '\n', i);
    else if (two === '/*') i = until(source, '*/', i + 2) + 2;
    else if (letter === "'" || letter === '"') {
      i = quoted(source, i, letter);
      code += "''";
    } else if (letter === '`' || (letter === '}' && templates.at(-1) === 0)) {
      if (letter === '}') templates.pop();
      const end = template(source, i + 1);
      if (source[end] === '$') templates.push(0);
      code += ' ';
      i = end + (source[end] === '$' ? 2 : 1);
    } else if (letter === '/' && /(^|[=(,:;[!&|?{}+*%<>~^-]|\breturn|=>)\s*$/.test(code.slice(-20))) {
      i = regularExpression(source, i);
      code += '/ /';
    } else {
      if (templates.length > 0 && letter === '{') templates.push(templates.pop()! + 1);
      if (templates.length > 0 && letter === '}') templates.push(templates.pop()! - 1);
      code += letter;
      i++;
    }
  }
  return code;
}

/** What a file imports or exports from elsewhere, dynamic imports of a constant included. */
export function importsOf(source: string): Import[] {
  const found: Import[] = [];
  const withoutComments = source.replace(/^\s*(\/\*[\s\S]*?\*\/|\/\/.*$)/gm, '');
  const statement = /^\s*(import|export)\s+(type\s)?(?:([^'";]*?)\s+from\s+)?'([^']+)'/gm;
  for (const [, , type, names = '', specifier = ''] of withoutComments.matchAll(statement)) {
    const each = /^\{([\s\S]*)\}$/
      .exec(names.trim())?.[1]
      ?.split(',')
      .filter(name => name.trim() !== '');
    const allTypes = each !== undefined && each.length > 0 && each.every(name => /^\s*type\s/.test(name));
    found.push({ specifier, typeOnly: type !== undefined || allTypes });
  }
  for (const [, specifier = ''] of withoutComments.matchAll(/\bimport\(\s*'([^']+)'\s*\)/g)) {
    found.push({ specifier, typeOnly: false });
  }
  return found;
}

function until(source: string, end: string, from: number): number {
  const at = source.indexOf(end, from);
  return at < 0 ? source.length : at;
}

function quoted(source: string, at: number, quote: string): number {
  let i = at + 1;
  while (i < source.length && source[i] !== quote) i += source[i] === '\\' ? 2 : 1;
  return i + 1;
}

/** The end of a piece of a template string: at its "`" or at a `${`. */
function template(source: string, at: number): number {
  let i = at;
  while (i < source.length && source[i] !== '`' && source.slice(i, i + 2) !== '${')
    i += source[i] === '\\' ? 2 : 1;
  return i;
}

function regularExpression(source: string, at: number): number {
  let i = at + 1;
  let inClass = false;
  while (i < source.length && source[i] !== '\n' && (inClass || source[i] !== '/')) {
    if (source[i] === '[') inClass = true;
    else if (source[i] === ']') inClass = false;
    i += source[i] === '\\' ? 2 : 1;
  }
  return i + 1;
}
