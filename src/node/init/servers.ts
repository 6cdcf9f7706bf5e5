/**
 * The nameserver's configuration for a node whose service address comes and goes: clients ask the service address, and
 * everything else (queries to other servers, transfers, NOTIFY, probes, people) uses the unicast address.
 */
import { isIpv6 } from '#net/address.ts';
import { type InitKind, type NodePlan, titleOf } from './plan.ts';

/** A file to be written. `path` is below the folder of the node. */
export type InitFile = { readonly path: string; readonly text: string };

/** The name that each server answers by itself: what Chorus asks to see whether it lives. */
export const aliveName = 'alive.internal';
export const aliveAddress = '127.0.0.1';

/** What each kind needs to be started. */
export type ServerFiles = {
  readonly files: readonly InitFile[];
  /** Null: the command of the kind, with `config`. */
  readonly command: readonly string[] | null;
  /** For `server.config`. */
  readonly config: string | null;
};

/** The folder where the server may write; Chorus makes it. */
export const workFolder = (plan: NodePlan) => `${plan.state}/server`;

const makers: Readonly<Record<InitKind, (plan: NodePlan) => ServerFiles>> = {
  bind,
  unbound,
  'pdns-recursor': recursor,
  knot,
};

/** The files of the nameserver. */
export function serverFiles(plan: NodePlan): ServerFiles {
  return makers[plan.kind](plan);
}

function head(mark: string, plan: NodePlan): string {
  return [
    `${titleOf(plan.kind)} on the node ${plan.name}, without a balancer before it. Written by \`chorus node init ${plan.kind}\`.`,
    'Clients ask the service addresses. Everything else uses the unicast addresses, which belong to this node alone: an answer to',
    'what leaves from a service address would come back to whichever node the routers choose.',
  ]
    .map(line => `${mark} ${line}`)
    .join('\n');
}

/** Loopback, unicast and service addresses of one family. */
function listening(plan: NodePlan, family: 'ipv4' | 'ipv6'): string[] {
  const unicast = plan.unicast[family];
  const services = plan.services.filter(address => isIpv6(address) === (family === 'ipv6'));
  const loopback = family === 'ipv4' ? '127.0.0.1' : '::1';
  return unicast === undefined ? [loopback] : [loopback, unicast, ...services];
}

const unicastOf = ({ unicast }: NodePlan) => [unicast.ipv4, unicast.ipv6].filter(each => each !== undefined);

const zone = `; Answered by the server itself, whatever the Internet does: Chorus asks for it to see whether the server lives.
$TTL 60
@ IN SOA @ hostmaster.${aliveName}. 1 3600 600 86400 60
@ IN NS @
@ IN A ${aliveAddress}
`;
const zoneFile = `${aliveName}.zone`;

function bind(plan: NodePlan): ServerFiles {
  const { ipv4, ipv6 } = plan.unicast;
  const set = (items: readonly string[]) => `{ ${items.map(item => `${item};`).join(' ')} }`;
  const sources = [
    ...(ipv4 === undefined
      ? []
      : [`query-source address ${ipv4};`, `transfer-source ${ipv4};`, `notify-source ${ipv4};`]),
    ...(ipv6 === undefined
      ? []
      : [`query-source-v6 address ${ipv6};`, `transfer-source-v6 ${ipv6};`, `notify-source-v6 ${ipv6};`]),
  ];
  const without = (family: string, block: string) =>
    `// This node has no ${family} address that it could ask from: no server is asked over it.\nserver ${block} { bogus yes; };\n`;
  const text = `${head('//', plan)}
acl clients ${set(plan.allow)};
options {
  directory "${workFolder(plan)}";
  pid-file none;
  session-keyfile none;
  // The service addresses are there only while Chorus announces them. BIND sees them come and go (automatic-interface-scan),
  // and listens there at once.
  listen-on port 53 ${set(listening(plan, 'ipv4'))};
  listen-on-v6 port 53 ${ipv6 === undefined ? '{ none; }' : set(listening(plan, 'ipv6'))};
  automatic-interface-scan yes;
  // Never from a service address: ports stay random, because none is named.
  ${sources.join('\n  ')}
  recursion yes;
  allow-query { clients; };
  allow-recursion { clients; };
  allow-query-cache { clients; };
  allow-transfer { none; };
  // What id.server and NSID say: which node answered.
  server-id "${plan.name}";
  hostname "${plan.name}";
  version none;
  dnssec-validation ${plan.validate ? 'auto' : 'no'};
  // Without this, 90% of the memory of the machine.
  max-cache-size 50%;
${plan.forward.length === 0 ? '' : `  forward only;\n  forwarders ${set(plan.forward)};\n`}};
${ipv6 === undefined ? without('IPv6', '::/0') : ''}${ipv4 === undefined ? without('IPv4', '0.0.0.0/0') : ''}
zone "${aliveName}" {
  type primary;
  file "${plan.out}/${zoneFile}";
  notify no;
};

// Zones of your own: let the primary know this node by its unicast address, and by a key. A transfer that is allowed by a
// service address works on one node out of all. Ask another node too, in case the primary cannot be reached.
// key "farm" { algorithm hmac-sha256; secret "…"; };
// zone "example.net" {
//   type secondary;
//   file "example.net.db";
//   primaries { 192.0.2.1 key "farm"; 192.0.2.2 key "farm"; };
// };
`;
  return {
    files: [
      { path: 'named.conf', text },
      { path: zoneFile, text: zone },
    ],
    command: null,
    config: `${plan.out}/named.conf`,
  };
}

function unbound(plan: NodePlan): ServerFiles {
  const { ipv4, ipv6 } = plan.unicast;
  const listen = [
    ...(ipv4 === undefined ? [] : listening(plan, 'ipv4')),
    ...(ipv6 === undefined ? [] : listening(plan, 'ipv6')),
  ];
  const local = [...plan.forward].some(address => /^127\.|^::1$/.test(address));
  const text = `${head('#', plan)}
server:
  directory: "${workFolder(plan)}"
  # Chorus starts it as the right user, in the foreground.
  username: ""
  chroot: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  # The service addresses are there only while Chorus announces them: ip-freebind lets Unbound listen there all the time.
${listen.map(address => `  interface: ${address}`).join('\n')}
  ip-freebind: yes
  # Never from a service address.
${unicastOf(plan)
  .map(address => `  outgoing-interface: ${address}`)
  .join('\n')}
  do-ip4: ${ipv4 === undefined ? 'no' : 'yes'}
  do-ip6: ${ipv6 === undefined ? 'no' : 'yes'}
${plan.allow.map(block => `  access-control: ${block} allow`).join('\n')}
  # What id.server says: which node answered.
  identity: "${plan.name}"
  nsid: "ascii_${plan.name}"
  hide-version: yes
  # Answered by the server itself, whatever the Internet does: Chorus asks for it to see whether the server lives.
  local-zone: "${aliveName}." static
  local-data: "${aliveName}. 60 A ${aliveAddress}"
${plan.validate ? '  # Of the package dns-root-data.\n  trust-anchor-file: "/usr/share/dns/root.key"\n' : '  module-config: "iterator"\n'}${local ? '  do-not-query-localhost: no\n' : ''}${plan.forward.length === 0 ? '' : `forward-zone:\n  name: "."\n${plan.forward.map(address => `  forward-addr: ${address}`).join('\n')}\n`}`;
  return { files: [{ path: 'unbound.conf', text }], command: null, config: `${plan.out}/unbound.conf` };
}

function recursor(plan: NodePlan): ServerFiles {
  const { ipv4, ipv6 } = plan.unicast;
  const listen = [
    ...(ipv4 === undefined ? [] : listening(plan, 'ipv4')),
    ...(ipv6 === undefined ? [] : listening(plan, 'ipv6')),
  ];
  const text = `${head('#', plan)}
# PowerDNS Recursor 5 wants --enable-old-settings for a file of this form, or rec_control show-yaml to turn it into YAML.
# The service addresses are there only while Chorus announces them: with non-local-bind it listens there all the time.
local-address=${listen.join(', ')}
local-port=53
non-local-bind=yes
# Never from a service address.
query-local-address=${unicastOf(plan).join(', ')}
allow-from=${plan.allow.join(', ')}
# What id.server says: which node answered.
server-id=${plan.name}
version-string=anonymous
# Answered by the server itself, whatever the Internet does: Chorus asks for it to see whether the server lives.
auth-zones=${aliveName}=${plan.out}/${zoneFile}
dnssec=${plan.validate ? 'process' : 'off'}
# For rec_control: rec_control --socket-dir=${workFolder(plan)} …
socket-dir=${workFolder(plan)}
daemon=no
write-pid=no
disable-syslog=yes
loglevel=4
${plan.forward.length === 0 ? '' : `forward-zones-recurse=.=${plan.forward.map(address => (isIpv6(address) ? `[${address}]` : address)).join(';')}\n`}`;
  return {
    files: [
      { path: 'recursor.conf', text },
      { path: zoneFile, text: zone },
    ],
    command: null,
    config: plan.out,
  };
}

function knot(plan: NodePlan): ServerFiles {
  const { ipv4, ipv6 } = plan.unicast;
  const text = `${head('--', plan)}
-- The service addresses are there only while Chorus announces them: with freebind it listens there all the time.
${[
  ...(ipv4 === undefined ? [] : listening(plan, 'ipv4')),
  ...(ipv6 === undefined ? [] : listening(plan, 'ipv6')),
]
  .map(address => `net.listen('${address}', 53, { kind = 'dns', freebind = true })`)
  .join('\n')}
-- Never from a service address.
${ipv4 === undefined ? 'net.ipv4 = false' : `net.outgoing_v4('${ipv4}')`}
${ipv6 === undefined ? 'net.ipv6 = false' : `net.outgoing_v6('${ipv6}')`}
cache.open(100 * MB, 'lmdb://${workFolder(plan)}')
-- What NSID says: which node answered.
modules.load('nsid')
nsid.name('${plan.name}')
-- Answered by the server itself, whatever the Internet does: Chorus asks for it to see whether the server lives.
policy.add(policy.suffix(policy.ANSWER({
  [kres.type.A] = { rdata = kres.str2ip('${aliveAddress}'), ttl = 60 },
}), { todname('${aliveName}') }))
-- Who may ask; all others are refused.
modules.load('view')
${plan.allow.map(block => `view:addr('${block}', policy.all(policy.PASS))`).join('\n')}
view:addr('0.0.0.0/0', policy.all(policy.REFUSE))
view:addr('::/0', policy.all(policy.REFUSE))
${plan.validate ? '' : "-- Nothing is validated.\ntrust_anchors.remove('.')\nmodules.unload('ta_update')\nmodules.unload('ta_signal_query')\nmodules.unload('ta_sentinel')\n"}${
  plan.forward.length === 0
    ? ''
    : `policy.add(policy.all(policy.${plan.validate ? 'FORWARD' : 'STUB'}({ ${plan.forward.map(address => `'${address}'`).join(', ')} })))\n`
}`;
  const config = `${plan.out}/kresd.conf`;
  return {
    files: [{ path: 'kresd.conf', text }],
    command: ['kresd', '-n', '-c', config, workFolder(plan)],
    config: null,
  };
}
