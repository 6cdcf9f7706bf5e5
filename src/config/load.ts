/** From the text of a configuration file to a snapshot, or to all that is wrong with it. */
import { readFileSync } from 'node:fs';
import { availableParallelism, hostname } from 'node:os';
import { ChorusError } from '#kit/errors.ts';
import { crossCheck } from './cross.ts';
import { explainIssues } from './issues.ts';
import { invalid } from './problem.ts';
import { configSchema, maxWorkers } from './schema.ts';
import { type Machine, type Snapshot, snapshotOf } from './snapshot.ts';
import { Source } from './source.ts';

/** What this machine fills in. */
export function thisMachine(): Machine {
  // Answers carry the identity as printable ASCII.
  const printable = hostname().replace(/[^\x20-\x7e]/g, '?');
  return { cores: availableParallelism(), hostname: printable === '' ? 'chorus' : printable };
}

/** The snapshot of a configuration text. @throws ChorusError CONFIG_INVALID with every problem, by line. */
export function loadConfig(text: string, file: string, machine: Machine = thisMachine()): Snapshot {
  const source = new Source(text);
  if (!source.readable) throw invalid(source.problems, file);
  if (source.data === null || source.data === undefined) {
    const what = 'the file is empty';
    throw invalid(
      [{ line: 1, column: 1, what, expected: '`listen` and `pools`; see examples/minimal.yaml' }],
      file,
    );
  }
  const result = configSchema.safeParse(source.data);
  const problems = [...source.problems, ...crossCheck(source)];
  if (!result.success) problems.push(...explainIssues(result.error.issues, source));
  if (!result.success || problems.length > 0) throw invalid(problems, file);
  return snapshotOf(result.data, file, machine, maxWorkers);
}

/** The snapshot of a configuration file. @throws ChorusError CONFIG_UNREADABLE or CONFIG_INVALID. */
export function loadConfigFile(file: string, machine: Machine = thisMachine()): Snapshot {
  return loadConfig(readConfigFile(file), file, machine);
}

/** The text of a configuration file. @throws ChorusError CONFIG_UNREADABLE, or CONFIG_INVALID where it is not UTF-8. */
export function readConfigFile(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new ChorusError('CONFIG_UNREADABLE', { file, reason: reasonOfRead(error) });
  }
  return decodeConfig(bytes, file);
}

/** Bytes of a configuration file as text. @throws ChorusError CONFIG_INVALID where they are not UTF-8. */
export function decodeConfig(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    const { line, column } = firstBadByte(bytes);
    throw invalid([{ line, column, what: 'this is not UTF-8', expected: 'a text file in UTF-8' }], file);
  }
}

/** Line and column, in bytes, after the longest prefix that is UTF-8. */
function firstBadByte(bytes: Uint8Array): { line: number; column: number } {
  const fits = (end: number) => {
    try {
      new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, end), { stream: true });
      return true;
    } catch {
      return false;
    }
  };
  let low = 0;
  let high = bytes.length;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (fits(middle)) low = middle;
    else high = middle - 1;
  }
  const before = bytes.subarray(0, low);
  const line = before.reduce((lines, octet) => lines + (octet === 0x0a ? 1 : 0), 1);
  return { line, column: low - (before.lastIndexOf(0x0a) + 1) + 1 };
}

function reasonOfRead(error: unknown): string {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EACCES') return 'permission denied';
  if (code === 'EISDIR') return 'it is a directory';
  return error instanceof Error ? error.message : String(error);
}
