/** The probes that there are, by name. */
import { anyNameProbe } from './any-name.ts';
import { dnsTcp } from './dns-tcp.ts';
import { dnsUdp } from './dns-udp.ts';
import { exec } from './exec.ts';
import type { ProbeFactory } from './probe.ts';

export const probes: ReadonlyMap<string, ProbeFactory> = new Map([
  ['dns-udp', dnsUdp],
  ['dns-tcp', dnsTcp],
  ['any-udp', anyNameProbe('datagrams')],
  ['any-tcp', anyNameProbe('streams')],
  ['exec', exec],
]);

/** The probe that is used where none is named. */
export const defaultProbe = 'dns-udp';
