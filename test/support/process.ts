/** Programs that a test starts: their output is kept, and they end with the test file, however it ends. */
import { after } from 'node:test';
import { endPrograms } from './program.ts';

export {
  type Ended,
  must,
  Program,
  type Result,
  run,
  type StartOptions,
  temporaryFolder,
} from './program.ts';

after(endPrograms);
