/** Chorus' own configuration for a node without a balancer. */
import { isIpv6 } from '#net/address.ts';
import { type NodePlan, titleOf } from './plan.ts';
import { leaseInterface, worseInterface } from './routing.ts';
import { aliveAddress, aliveName, type InitFile, type ServerFiles } from './servers.ts';

const quoted = (address: string) => `"${address}"`;

/** `chorus.yaml`. */
export function chorusFile(plan: NodePlan, server: ServerFiles): InitFile {
  const families = (['ipv4', 'ipv6'] as const).filter(family => plan.unicast[family] !== undefined);
  const probes = [
    `      # Lives it? A name that it answers by itself. Two of three: one lost packet is no death. Its time tells how busy it is.`,
    `      - { name: ${aliveName}, type: A, answer: ${aliveAddress}, local: on, interval: 300ms, timeout: 250ms, window: { failures: 2, of: 3 } }`,
    `      - { name: ${aliveName}, type: A, answer: ${aliveAddress}, transport: tcp, interval: 500ms, timeout: 400ms, window: { failures: 2, of: 3 } }`,
    ...sickness(plan),
  ];
  const text = `# The node ${plan.name}: ${titleOf(plan.kind)} without a balancer. Written by \`chorus node init ${plan.kind}\`; docs/node.md says what it does.
# No listener: clients ask the nameserver itself, at the service addresses.
listen: []
identity: ${plan.name}
state: ${plan.state}

service-addresses:
  # Judged by its own family: IPv6 can fail while IPv4 serves.
${plan.services
  .map(address => `  - { address: ${quoted(address)}, via: [lease], family: own, rise: 1s }`)
  .join('\n')}

route-drivers:
  # The routing daemon announces what stands on this interface; it stands there only while Chorus lives and finds it well.
  lease:
    lease:
      interface: ${leaseInterface}
      interfaces: { degraded: ${worseInterface}, draining: ${worseInterface} }
      overlap: ${plan.routing === 'bird' ? 'on' : 'off'}
      lifetime: 2s

pools:
  default:
    backends:
      # By the unicast addresses: what is asked at a service address could be answered by any node.
${families.map(family => `      - { name: ${plan.name}-${family}, address: ${quoted(plan.unicast[family]!)} }`).join('\n')}
    probes:
${probes.join('\n')}
${plan.supervise ? serverSection(plan, server) : supervisor(plan)}`;
  return { path: 'chorus.yaml', text };
}

function sickness({ probe, forward }: NodePlan): string[] {
  const [first, ...others] = probe;
  if (first === undefined) {
    return [
      '      # Can it resolve? The root is in every cache, so this finds out late. `chorus node init --probe NAME` with names of your',
      '      # own zones finds out within a second and a half.',
      ...(forward.length > 0
        ? []
        : ['      - { name: ., type: NS, interval: 1s, timeout: 900ms, window: { failures: 3, of: 5 } }']),
    ];
  }
  const also = others.length === 0 ? '' : `also: [${others.join(', ')}], `;
  return [
    '      # Can it resolve? A new name each time, which no cache has; NXDOMAIN is good. Failing is when all of these names fail, so that',
    '      # trouble with one of them is not held against this node. Slower networks want a longer timeout, and then take longer.',
    `      - { name: ${first}, ${also}type: A, random-label: on, interval: 400ms, timeout: 300ms, window: { failures: 2, of: 4 } }`,
  ];
}

function serverSection(plan: NodePlan, { command, config }: ServerFiles): string {
  const start = [
    ...(config === null ? [] : [`  config: ${config}`]),
    ...(command === null
      ? []
      : [
          `  command: [${command.map(word => (/^[\w/.-]+$/.test(word) ? word : JSON.stringify(word))).join(', ')}]`,
        ]),
  ];
  return `
# Chorus starts the nameserver, asks it for these names, and announces it then; when it ends or hangs it is withdrawn and started
# again. Turn the service of the package off: systemctl disable --now ${units[plan.kind]}
server:
  kind: ${plan.kind}
${start.join('\n')}
  user: ${plan.user}
  warm-up:
    # What your clients ask for most, so that they find it in the cache.
    names: [${plan.probe.slice(0, 1).join('')}]
    within: 5s
`;
}

function supervisor(plan: NodePlan): string {
  return `
# Something else starts the nameserver, with its files in ${plan.out}; Chorus judges it.
server: off
`;
}

/** The services of Debian's packages. */
export const units: Readonly<Record<NodePlan['kind'], string>> = {
  bind: 'named',
  unbound: 'unbound',
  'pdns-recursor': 'pdns-recursor',
  knot: 'kresd@1',
};

/** Whether a service address is of this family. */
export const hasFamily = ({ services }: NodePlan, v6: boolean) =>
  services.some(address => isIpv6(address) === v6);
