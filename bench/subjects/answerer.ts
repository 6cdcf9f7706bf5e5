import { join } from 'node:path';
import { binDir } from '../lib/build.ts';

/** How to start native/answer.c: a backend that answers every A query. Its count of queries is kept in `counter`. */
export function answererCommand(
  port: number,
  ttl: number,
  counter: string,
): { command: string; args: string[] } {
  return { command: join(binDir, 'answer'), args: [String(port), String(ttl), counter] };
}
