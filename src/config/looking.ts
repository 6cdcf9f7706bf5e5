/** Looking at a file as it stands, before its schema has checked it. */
import type { Path, Source } from './source.ts';

/** Paths of the elements of a list, or of the one value that stands for it. */
export function elements(source: Source, path: Path): Path[] {
  const value = source.valueAt(path);
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? value.map((_, i) => [...path, i]) : [[...path, 0]];
}

/** Whether a value is a mapping. */
export function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The keys of a mapping; none of anything else. */
export function keysOf(value: unknown): string[] {
  return isMapping(value) ? Object.keys(value) : [];
}

/** Paths of the elements of a list, or of the one value that stands for it, with those that are texts. */
export function texts(source: Source, path: Path): { readonly path: Path; readonly text: string }[] {
  return elements(source, path).flatMap(at => {
    const text = source.valueAt(at);
    return typeof text === 'string' ? [{ path: at, text }] : [];
  });
}
