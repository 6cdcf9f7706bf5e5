/** What a figure was measured on. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus, release, totalmem } from 'node:os';

export type Machine = {
  cores: number;
  processor: string;
  memoryGiB: number;
  kernel: string;
  receiveBufferMax: number;
  versions: Record<string, string>;
};

export function describeMachine(): Machine {
  return {
    cores: cpus().length,
    processor: cpus()[0]?.model ?? 'unknown',
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    // What a vendor adds after the version says nothing to a reader.
    kernel: /^[\d.]+/.exec(release())?.[0] ?? 'unknown',
    receiveBufferMax: Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8')),
    versions: {
      node: process.versions.node,
      dnsdist: version('dnsdist', ['--version'], /dnsdist ([\d.]+)/),
      unbound: version('unbound', ['-V'], /Version ([\d.]+)/),
      'pdns-recursor': version('pdns_recursor', ['--version'], /Recursor ([\d.]+)/),
      bind: version('named', ['-v'], /BIND ([\d.]+)/),
      dnsperf: version('dnsperf', ['-h'], /Version ([\d.]+)/),
    },
  };
}

function version(command: string, args: string[], pattern: RegExp): string {
  try {
    const text = execFileSync('/bin/sh', ['-c', '"$@" 2>&1 || true', 'sh', command, ...args], {
      encoding: 'utf8',
      env: { ...process.env, PATH: `${process.env.PATH}:/usr/sbin` },
    });
    return pattern.exec(text)?.[1] ?? 'absent';
  } catch {
    return 'absent';
  }
}
