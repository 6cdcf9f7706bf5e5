/** The schema's issues in words, with lines. */
import type { z } from 'zod';
import { nearest } from '#kit/suggest.ts';
import type { Problem } from './problem.ts';
import type { Path, Source } from './source.ts';
import { optionNames, schemaAt } from './walk.ts';

type Issue = z.core.$ZodIssue;

/** Problems for the issues that the schema raised. */
export function explainIssues(issues: readonly Issue[], source: Source): Problem[] {
  return issues.flatMap(issue => explain(issue, issue.path, source));
}

function explain(issue: Issue, path: Path, source: Source): Problem[] {
  if (issue.code === 'invalid_union') {
    const inner = deepest(issue.errors);
    if (inner) return inner.flatMap(each => explain(each, [...path, ...each.path], source));
  }
  if (issue.code === 'unrecognized_keys') {
    const known = optionNames(path);
    return issue.keys.map(key => unknownKey(key, path, known, source));
  }
  if (issue.code === 'invalid_key') {
    const expected = issue.issues[0]?.message;
    return [
      {
        ...source.locate(path, true),
        what: `${where(path.slice(0, -1))}"${String(path.at(-1))}" cannot be a name here`,
        expected,
      },
    ];
  }
  const value = source.valueAt(path);
  const at = source.locate(path);
  const params = issue.code === 'custom' ? issue.params : undefined;
  const expected = issue.code === 'too_small' ? 'at least one' : issue.message;
  if (value === undefined) {
    const facts = schemaAt(path);
    return [
      {
        ...at,
        what: `${where(path.slice(0, -1))}${String(path.at(-1) ?? 'the file')} is missing`,
        expected: facts?.expected ?? expected,
      },
    ];
  }
  return [
    {
      ...at,
      what: `${where(path)}${shown(value)} is not right`,
      expected,
      suggestion: params?.suggestion,
    },
  ];
}

/** The issues of that form of a union that the value was meant to have; undefined where it has none of the forms. */
function deepest(forms: readonly (readonly Issue[])[]): readonly Issue[] | undefined {
  return forms.find(issues =>
    issues.some(
      issue =>
        issue.path.length > 0 ||
        issue.code === 'unrecognized_keys' ||
        issue.code === 'too_small' ||
        (issue.code === 'invalid_union' && deepest(issue.errors) !== undefined) ||
        (issue.code === 'custom' && issue.params?.suggestion !== undefined),
    ),
  );
}

function unknownKey(key: string, path: Path, known: readonly string[], source: Source): Problem {
  const suggestion = nearest(key.replaceAll('_', '-'), known);
  return {
    ...source.locate([...path, key], true),
    what: `${where(path)}there is no option "${key}"`,
    expected: suggestion === undefined ? `one of ${known.join(', ')}` : undefined,
    suggestion: suggestion && `"${suggestion}"`,
  };
}

/** `pools.default.backends[0]: `, empty for the top. */
export function where(path: Path): string {
  const text = formatPath(path);
  return text === '' ? '' : `${text}: `;
}

/** `pools.default.backends[0].name`. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path)
    text += typeof step === 'number' ? `[${step}]` : `${text === '' ? '' : '.'}${String(step)}`;
  return text;
}

/** A value as an operator wrote it, shortened. */
export function shown(value: unknown): string {
  if (value === null) return 'an empty value';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  if (typeof value === 'object') return 'a mapping';
  const text = typeof value === 'string' ? JSON.stringify(value) : String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
