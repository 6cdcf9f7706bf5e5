import { join } from 'node:path';
import { rootDir } from '../lib/build.ts';
import type { Setting, Subject } from './subject.ts';

const cacheMiB = (entries: number) => (entries > 100_000 ? 256 : 64);

function configuration(setting: Setting, engine: 'batch' | 'loop', workers: number): string {
  const backends = setting.backends.map(
    port => `      - { name: answer${port}, address: "127.0.0.1:${port}" }`,
  );
  return `listen: ["127.0.0.1:${setting.port}"]
allow: ["127.0.0.0/8"]
api: ${setting.usualChecks ? `127.0.0.1:${setting.apiPort}` : 'off'}
engine: ${engine}
workers: ${workers}
ports-per-backend: 16
cache: ${setting.cache ? `{ memory: ${cacheMiB(setting.entries)}MiB }` : 'off'}
pools:
  default:
    policy: least-outstanding
    backends:
${backends.join('\n')}
    probe: { name: check.bench.test, type: A${setting.usualChecks ? '' : ', interval: 10s'} }
`;
}

function subject(name: string, label: string, engine: 'batch' | 'loop', workers: number): Subject {
  const program = join(rootDir, 'bin/chorus');
  return {
    name,
    label,
    needs: program,
    findings: (metrics, backend) => {
      const found: Record<string, number> = {};
      const pattern = /^chorus_backend_evidence_total\{.*backend="answer(\d+)".*kind="(\w+)".*\} (\d+)/gm;
      for (const [, port, kind, count] of metrics.matchAll(pattern))
        if (Number(port) === backend) found[kind!] = (found[kind!] ?? 0) + Number(count);
      return found;
    },
    command: setting => ({
      command: program,
      args: ['serve', '--config', `${setting.folder}/chorus.yaml`],
      files: { 'chorus.yaml': configuration(setting, engine, workers) },
    }),
  };
}

export const chorus = subject('chorus', 'Chorus', 'batch', 1);
export const chorusTwo = subject('chorus-2', 'Chorus, two workers', 'batch', 2);
export const chorusLoop = subject('chorus-loop', 'Chorus, loop engine', 'loop', 1);
