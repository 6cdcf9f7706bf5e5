import { join } from 'node:path';
import { binDir } from '../lib/build.ts';
import type { Subject } from './subject.ts';

/** The floor: native/echo.c. */
export const echo: Subject = {
  name: 'echo',
  label: 'echo in C (the floor)',
  needs: 'cc',
  command: ({ port }) => ({ command: join(binDir, 'echo'), args: [String(port)] }),
};
