/**
 * Runs a program and takes its exit code: 0 is good, any other is bad. With `dynamic`, as for keepalived's misc_dynamic, only 1
 * is bad, and N from 2 on gives the backend the weight N − 2. `{address}`, `{port}` and `{source}` in the words are those of the
 * backend. What cannot be run says nothing of the backend.
 */
import { inWords } from './dns.ts';
import type { PreparedProbe, ProbeFactory, ProbeOutcome, ProbeRun, ProbeWorld } from './probe.ts';

/** Characters of a program's output that are shown. */
const shown = 120;
const nothing = { latency: null, rcode: null, answer: null } as const;

/** The first line of an output, as it can be shown. */
export function firstLine(output: string): string {
  const [line = ''] = output.trimStart().split(/[\r\n]/, 1);
  const plain = line.replace(/[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd]/g, '?').trim();
  return plain.length > shown ? `${plain.slice(0, shown - 1)}…` : plain;
}

class Run implements ProbeRun {
  heard = '';
  #close: () => void = () => {};

  holds(close: () => void): this {
    this.#close = close;
    return this;
  }

  close(): void {
    this.#close();
  }
}

/** The probe `exec`. */
export const exec: ProbeFactory = (target, { exec: words = [], dynamic = false }): PreparedProbe => {
  const { address, port, source = '' } = target;
  const values = { address, port: String(port), source };
  const command = words.map(word =>
    word.replace(/\{(address|port|source)\}/g, (_, key: keyof typeof values) => values[key]),
  );
  const environment = { CHORUS_ADDRESS: address, CHORUS_PORT: String(port) };
  const name = (command[0] ?? '').split('/').at(-1) ?? '';
  return {
    start({ programs, now }: ProbeWorld, done): ProbeRun {
      const run = new Run();
      const begun = now();
      if (!programs) {
        // Nobody hears of it before this has returned.
        queueMicrotask(() =>
          done({ ...nothing, good: false, detail: 'not made: no programs here', void: true }),
        );
        return run;
      }
      const end = (outcome: Omit<ProbeOutcome, keyof typeof nothing>) => done({ ...nothing, ...outcome });
      return run.holds(
        programs.run(command, environment, {
          output: text => {
            run.heard = firstLine(text);
          },
          failed: reason => end({ good: false, detail: `not made: ${reason}`, void: true }),
          ended: ({ code, signal }) => {
            const how = code === null ? `ended by ${signal}` : `exit ${code}`;
            const said = run.heard === '' ? '' : `: ${run.heard}`;
            const good = code === 0 || (dynamic && code !== null && code > 1);
            const detail = `${name}: ${how} in ${inWords(now() - begun)}${said}`;
            end({ good, detail, ...(good && code !== 0 && code !== null && { weight: code - 2 }) });
          },
        }),
      );
    },
  };
};
