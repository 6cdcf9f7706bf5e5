/** Questions that a front must pass through unharmed: one of every kind that the lab's zones can answer. */

/** Arguments of dig for one question. */
export type DigQuestion = readonly string[];

const label63 = 'a'.repeat(63);

/** Questions whose answers every resolver must agree on. */
export const plainQuestions: readonly DigQuestion[] = [
  ['www.lab.example', 'A'],
  ['www.lab.example', 'AAAA'],
  ['lab.example', 'SOA'],
  ['lab.example', 'NS'],
  ['lab.example', 'MX'],
  ['lab.example', 'TXT'],
  ['lab.example', 'CAA'],
  ['alias.lab.example', 'A'],
  ['alias.lab.example', 'CNAME'],
  ['chain1.lab.example', 'AAAA'],
  ['any.thing.wild.lab.example', 'A'],
  ['any.thing.wild.lab.example', 'TXT'],
  ['_sip._udp.lab.example', 'SRV'],
  ['svc.lab.example', 'SVCB'],
  ['web.lab.example', 'HTTPS'],
  ['num.lab.example', 'NAPTR'],
  ['ssh.lab.example', 'SSHFP'],
  ['_443._tcp.lab.example', 'TLSA'],
  ['place.lab.example', 'LOC'],
  ['rev.lab.example', 'PTR'],
  ['info.lab.example', 'HINFO'],
  ['old.lab.example', 'DNAME'],
  ['host.old.lab.example', 'A'],
  ['odd\\.dot.lab.example', 'A'],
  ['odd\\032space.lab.example', 'A'],
  ['\\255\\000bytes.lab.example', 'A'],
  ['unknown.lab.example', 'TYPE65280'],
  ['www.child.lab.example', 'A'],
  ['deep.er.child.lab.example', 'A'],
  ['WwW.LaB.eXaMpLe', 'A'],
  // No such name; a name without such a record; a name that only has names below it.
  ['nowhere.lab.example', 'A'],
  [`${label63}.${label63}.${label63}.lab.example`, 'A'],
  ['www.lab.example', 'MX'],
  ['www.lab.example', 'TYPE65281'],
  ['empty.lab.example', 'A'],
  // Large: medium and many fit 1232 bytes, big and huge need TCP.
  ['medium.lab.example', 'TXT'],
  ['many.lab.example', 'A'],
  ['big.lab.example', 'TXT'],
  ['huge.lab.example', 'TXT'],
];

/** Questions that servers answer each in their own way; a front must not change it. */
export const peculiarQuestions: readonly DigQuestion[] = [
  ['dangling.lab.example', 'A'],
  ['loop1.lab.example', 'A'],
  ['broken.example', 'A'],
  ['lab.example', 'ANY'],
  ['.', 'NS'],
  ['.', 'SOA'],
  ['www.lab.example', 'A', '+dnssec'],
  ['www.signed.example', 'A'],
  ['www.signed.example', 'A', '+dnssec'],
  ['www.signed.example', 'A', '+dnssec', '+cd'],
  ['nowhere.signed.example', 'A', '+dnssec'],
  ['signed.example', 'DNSKEY', '+dnssec'],
  ['www.lab.example', 'A', '+cd'],
  ['www.lab.example', 'A', '+norec'],
  ['never-asked.lab.example', 'A', '+norec'],
  ['www.lab.example', 'A', '+noadflag'],
  ['www.lab.example', 'A', '+noedns'],
  ['big.lab.example', 'TXT', '+noedns'],
  ['www.lab.example', 'A', '+cookie'],
  ['www.lab.example', 'A', '+subnet=203.0.113.0/24'],
  ['www.lab.example', 'A', '+subnet=2001:db8:7::/48'],
  ['www.lab.example', 'A', '+ednsopt=65001:c0ffee'],
  // Over TCP: BIND limits the rate of such answers over UDP.
  ['authors.bind', 'TXT', 'CH', '+tcp'],
  ['www.lab.example', 'TYPE65279', 'CLASS65278'],
];
