import { join } from 'node:path';
import type { Subject } from './subject.ts';

const program = join(import.meta.dirname, 'dgram-echo-server.ts');

/** The floor of the loop engine: Node's dgram with no DNS work. */
export const dgramEcho: Subject = {
  name: 'dgram-echo',
  label: 'echo on Node dgram',
  needs: process.execPath,
  command: ({ port }) => ({ command: process.execPath, args: [program, String(port)] }),
};
