/** The probes that there are, by the name that the configuration uses. */
import { dnsUdp } from './dns-udp.ts';
import type { ProbeFactory } from './probe.ts';

export const probes: ReadonlyMap<string, ProbeFactory> = new Map([['dns-udp', dnsUdp]]);

/** The probe that is used where none is named. */
export const defaultProbe = 'dns-udp';
