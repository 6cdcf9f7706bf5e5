/**
 * The world that the real resolvers see: a root, a zone with something of everything, and zones below it, on addresses of
 * the loopback interface inside a namespace without a way out. One BIND serves it all; what it answers depends on the
 * address asked, so that resolvers follow real delegations.
 */
import { isolate } from './isolate.ts';
import { run } from './process.ts';
import { NameServer, type Place, type Recipe } from './server.ts';

/** Addresses of the lab's nameservers; all on port 53. */
export const labAddresses = {
  root: '192.0.2.1',
  zones: '192.0.2.2',
  zones6: '2001:db8::2',
  child: '192.0.2.3',
} as const;

/** The key that signs transfers and updates, in the form of `dig -y`. */
export const labKey = {
  name: 'lab-key',
  algorithm: 'hmac-sha256',
  secret: 'Q2hvcnVzLWxhYi1rZXktMDEyMzQ1Njc4OWFiY2RlZg==',
};
export const labKeyOption = `${labKey.algorithm}:${labKey.name}:${labKey.secret}`;

const soa = '@ 3600 IN SOA ns.lab.example. host.lab.example. 1 3600 600 86400 60';

const rootZone = `$TTL 3600
. IN SOA a.root. host.root. 1 3600 600 86400 60
. IN NS a.root.
a.root. IN A ${labAddresses.root}
lab.example. IN NS ns.lab.example.
dyn.example. IN NS ns.lab.example.
keyed.example. IN NS ns.lab.example.
signed.example. IN NS ns.lab.example.
broken.example. IN NS ns.lab.example.
ns.lab.example. IN A ${labAddresses.zones}
ns.lab.example. IN AAAA ${labAddresses.zones6}
`;

const quoted = (letter: string, length: number) =>
  Array.from({ length: Math.ceil(length / 250) }, () => `"${letter.repeat(250)}"`).join(' ');

const labZone = `$TTL 3600
${soa}
@ IN NS ns
ns IN A ${labAddresses.zones}
ns IN AAAA ${labAddresses.zones6}
@ IN A 198.51.100.1
@ IN MX 10 mail
@ IN MX 20 mail2
@ IN TXT "v=spf1 -all" "second; string with \\"quotes\\""
@ IN CAA 0 issue "ca.example"
www IN A 198.51.100.10
www IN AAAA 2001:db8:1::10
mail IN A 198.51.100.25
mail2 IN AAAA 2001:db8:1::25
alias IN CNAME www
chain1 IN CNAME chain2
chain2 IN CNAME chain3
chain3 IN CNAME www
dangling IN CNAME nowhere
loop1 IN CNAME loop2
loop2 IN CNAME loop1
*.wild IN A 198.51.100.77
*.wild IN TXT "wild"
some.empty IN A 198.51.100.78
old IN DNAME new
host.new IN A 198.51.100.79
_sip._udp IN SRV 0 5 5060 mail
svc IN SVCB 1 www alpn=h2,h3 port=8443
web IN HTTPS 1 . alpn=h2 ipv4hint=198.51.100.10
num IN NAPTR 100 10 "u" "E2U+sip" "!^.*$!sip:info@lab.example!" .
ssh IN SSHFP 1 1 0123456789abcdef0123456789abcdef01234567
_443._tcp IN TLSA 3 1 1 0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
place IN LOC 52 22 23.000 N 4 53 32.000 E -2.00m 0.00m 10000m 10m
rev IN PTR www
info IN HINFO "PDP-11" "RSX"
odd\\.dot IN A 198.51.100.80
odd\\032space IN A 198.51.100.81
\\255\\000bytes IN A 198.51.100.82
unknown IN TYPE65280 \\# 4 0a000001
medium IN TXT ${quoted('m', 900)}
big IN TXT ${quoted('b', 3000)}
huge IN TXT ${quoted('h', 60_000)}
many IN A ${Array.from({ length: 60 }, (_, i) => `203.0.113.${i + 1}`).join('\nmany IN A ')}
child IN NS ns.child
ns.child IN A ${labAddresses.child}
${Array.from({ length: 1000 }, (_, i) => `n${i} IN A 198.18.${i >> 8}.${i & 255}`).join('\n')}
`;

const childZone = `$TTL 3600
@ IN SOA ns host 1 3600 600 86400 60
@ IN NS ns
ns IN A ${labAddresses.child}
www IN A 198.51.100.90
deep.er IN A 198.51.100.91
`;

const smallZone = `$TTL 3600
${soa}
@ IN NS ns.lab.example.
www IN A 198.51.100.95
`;

/** The lab's own nameserver. Starts and needs `isolate` (and so root) first. */
export async function startLab(): Promise<NameServer> {
  await isolate(Object.values(labAddresses));
  return await NameServer.start('lab', labRecipe, 'www.lab.example', {
    address: labAddresses.zones,
    port: 53,
  });
}

/** Checks that the lab has no way out: the kernel knows no route to an address outside. */
export async function hasNoWayOut(): Promise<boolean> {
  const tries = await Promise.all(['1.1.1.1', '2606:4700::1'].map(a => run('ip', ['route', 'get', a])));
  return tries.every(({ code }) => code !== 0);
}

function labRecipe({ folder }: Place): Recipe {
  const { root, zones, zones6, child } = labAddresses;
  const zone = (name: string, file: string, more = '') =>
    `  zone "${name}" { type primary; file "${file}"; ${more} };\n`;
  const keyed = 'allow-transfer { key lab-key; }; allow-update { key lab-key; };';
  const config = `
key "${labKey.name}" { algorithm ${labKey.algorithm}; secret "${labKey.secret}"; };
options {
  directory "${folder}"; pid-file none; session-keyfile none; managed-keys-directory "${folder}";
  listen-on port 53 { ${root}; ${zones}; ${child}; };
  listen-on-v6 port 53 { ${zones6}; };
  recursion no; notify no; allow-transfer { none; }; dnssec-validation no; server-id "lab-node"; hostname "lab-host";
  version "lab-version"; empty-zones-enable no; minimal-responses no; check-names primary ignore; max-udp-size 4096; edns-udp-size 4096;
};
controls { };
view "root" { match-destinations { ${root}; };
${zone('.', 'root.zone')}};
view "child" { match-destinations { ${child}; };
${zone('child.lab.example', 'child.zone')}};
view "zones" { match-destinations { any; };
${zone('lab.example', 'lab.zone', 'allow-transfer { any; };')}${zone('dyn.example', 'dyn.zone', keyed)}${zone(
  'keyed.example',
  'keyed.zone',
  keyed,
)}${zone('signed.example', 'signed.zone', 'dnssec-policy default; inline-signing yes;')}};
`;
  return {
    program: 'named',
    files: {
      'named.conf': config,
      'root.zone': rootZone,
      'lab.zone': labZone,
      'child.zone': childZone,
      'dyn.zone': smallZone,
      'keyed.zone': smallZone,
      'signed.zone': smallZone,
    },
    args: ['-g', '-n', '1', '-c', `${folder}/named.conf`],
  };
}
