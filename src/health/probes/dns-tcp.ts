/** Asks over TCP, with a new connection each time: it sees the listener, the accept queue and the path for large packets too. */
import { dnsProbe } from './dns.ts';

/** The probe `dns-tcp`. */
export const dnsTcp = dnsProbe('streams');
