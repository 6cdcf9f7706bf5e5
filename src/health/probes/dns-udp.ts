/** Asks over UDP. A truncated answer is as good as a whole one, unless data is expected of it. */
import { dnsProbe } from './dns.ts';

/** The probe `dns-udp`. */
export const dnsUdp = dnsProbe('datagrams');
