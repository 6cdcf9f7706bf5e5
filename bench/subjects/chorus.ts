import { join } from 'node:path';
import { rootDir } from '../lib/build.ts';
import type { Setting, Subject } from './subject.ts';

const cacheMiB = (entries: number) => (entries > 100_000 ? 256 : 64);

type Variant = { readonly engine?: 'batch' | 'loop'; readonly workers?: number; readonly realtime?: boolean };

function configuration(
  setting: Setting,
  { engine = 'batch', workers = 1, realtime = false }: Variant,
): string {
  const backends = setting.backends.map(
    port => `      - { name: answer${port}, address: "127.0.0.1:${port}" }`,
  );
  return `listen: ["127.0.0.1:${setting.port}"]
allow: ["127.0.0.0/8"]
api: ${setting.usualChecks ? `127.0.0.1:${setting.apiPort}` : 'off'}
engine: ${engine}
workers: ${workers}
${realtime ? 'realtime: on\n' : ''}ports-per-backend: 16
cache: ${setting.cache ? `{ memory: ${cacheMiB(setting.entries)}MiB }` : 'off'}
pools:
  default:
    policy: least-outstanding
    backends:
${backends.join('\n')}
    probe: { name: check.bench.test, type: A${setting.usualChecks ? '' : ', interval: 10s'} }
`;
}

function subject(name: string, label: string, variant: Variant = {}): Subject {
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
      files: { 'chorus.yaml': configuration(setting, variant) },
    }),
  };
}

export const chorus = subject('chorus', 'Chorus');
export const chorusTwo = subject('chorus-2', 'Chorus, two workers', { workers: 2 });
export const chorusLoop = subject('chorus-loop', 'Chorus, loop engine', { engine: 'loop' });
export const chorusRealtime = subject('chorus-realtime', 'Chorus, realtime', { realtime: true });
