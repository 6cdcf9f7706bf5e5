/** What `chorus config import keepalived` does: files in, files out. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { ChorusError, exitCodes, reasonOf } from '#kit/errors.ts';
import { type Endpoint, formatEndpoint, parseEndpoint } from '#net/address.ts';
import { loadConfig } from '../load.ts';
import type { Files } from './glob.ts';
import { type Imported, importKeepalived } from './keepalived.ts';

/** Largest file that is read, in bytes; more would be no configuration. */
const largest = 16 * 2 ** 20;

export type RunOptions = {
  readonly only?: readonly string[];
  readonly listen?: readonly string[];
  readonly keepTimers?: boolean;
  readonly configId?: string;
  /** Where the configuration goes; absent: it is given back. */
  readonly output?: string;
  /** Where the report goes; absent: it is given back. */
  readonly report?: string;
  readonly force?: boolean;
};

/** What an import gave, and how the command ends: with 0, or with 1 where something was dropped. */
export type Ran = Imported & { readonly exit: number };

/** Imports a file. @throws ChorusError as `importKeepalived`, CONFIG_UNREADABLE, FILE_EXISTS, FILE_UNWRITABLE, USAGE */
export function runImport(file: string, options: RunOptions): Ran {
  const bytes = bytesOf(file);
  if (typeof bytes === 'string') throw new ChorusError('CONFIG_UNREADABLE', { file, reason: bytes });
  const imported = importKeepalived(textOf(bytes), {
    file,
    files: machineFiles,
    id: options.configId ?? hostname().split('.')[0] ?? '',
    environment: process.env,
    only: options.only ?? [],
    listen: (options.listen ?? []).map(listener),
    keepTimers: options.keepTimers ?? false,
  });
  // What does not load must not be handed over.
  loadConfig(imported.configuration, options.output ?? `made from ${file}`);
  const { output, report, force = false } = options;
  if (output !== undefined && output === report) {
    throw new ChorusError('USAGE', { reason: '--output and --report name the same file' });
  }
  // Both are looked at before one is written.
  if (!force) for (const path of [output, report]) if (path !== undefined) mustBeNew(path);
  if (output !== undefined) write(output, imported.configuration, force);
  if (report !== undefined) write(report, imported.report, force);
  const dropped = imported.remarks.some(({ verdict }) => verdict === 'dropped');
  return { ...imported, exit: dropped ? exitCodes.failed : exitCodes.ok };
}

const machineFiles: Files = {
  read: path => {
    const bytes = bytesOf(path);
    return typeof bytes === 'string' ? undefined : textOf(bytes);
  },
  list: folder => {
    try {
      return readdirSync(folder);
    } catch {
      return [];
    }
  },
};

/** Octets that are no UTF-8 stand in comments and names at most: they do no harm. */
function textOf(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}

/** The octets of a file, or why there are none. */
function bytesOf(file: string): Uint8Array | string {
  try {
    const bytes = readFileSync(file);
    return bytes.length > largest ? `it has more than ${largest} bytes` : bytes;
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'ENOENT') return 'there is no such file';
    if (code === 'EACCES') return 'permission denied';
    return code === 'EISDIR' ? 'it is a directory' : reasonOf(error);
  }
}

function listener(text: string): Endpoint {
  const found = parseEndpoint(text, 53);
  if (found) return found;
  throw new ChorusError('USAGE', {
    reason: `--listen ${text}: expected ADDRESS or ADDRESS:PORT, such as ${formatEndpoint({ address: '192.0.2.53', port: 53 })}`,
  });
}

function mustBeNew(file: string): void {
  if (existsSync(file)) throw new ChorusError('FILE_EXISTS', { file });
}

function write(file: string, text: string, force: boolean): void {
  try {
    writeFileSync(file, text, { flag: force ? 'w' : 'wx' });
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new ChorusError('FILE_EXISTS', { file });
    throw new ChorusError('FILE_UNWRITABLE', { file, reason: reasonOf(error) });
  }
}
