/** Errors of the system, as a probe tells them. */

const failureText: ReadonlyMap<string, string> = new Map([
  ['EHOSTUNREACH', 'host unreachable'],
  ['ENETUNREACH', 'network unreachable'],
  ['EADDRNOTAVAIL', 'the source address is not on this machine'],
  ['EACCES', 'not permitted to send there'],
  ['EPERM', 'not permitted to send there: a packet filter may forbid it'],
  ['ECONNRESET', 'the connection was reset'],
  ['EPIPE', 'the connection was closed without an answer'],
  ['closed', 'the connection was closed without an answer'],
  ['ETIMEDOUT', 'the connection could not be made in time'],
]);

/** What this machine lacks, not the backend. */
const shortages: ReadonlyMap<string, string> = new Map([
  ['EMFILE', 'not made: this process has no descriptor left'],
  ['ENFILE', 'not made: this machine has no descriptor left'],
  ['ENOBUFS', 'not made: the kernel has no buffer left'],
  ['ENOMEM', 'not made: the kernel has no memory left'],
]);

/** What an error says. `void` and `nobody` as in `ProbeOutcome`. `stream`: it came over TCP. */
export function failureOf(
  code: string,
  stream: boolean,
): { readonly detail: string; readonly void?: true; readonly nobody?: true } {
  const shortage = shortages.get(code);
  if (shortage !== undefined) return { detail: shortage, void: true };
  if (code === 'ECONNREFUSED') {
    return {
      detail: `refused${stream ? '' : ' (ICMP port unreachable)'}: nothing listens there`,
      nobody: true,
    };
  }
  return { detail: failureText.get(code) ?? code };
}
