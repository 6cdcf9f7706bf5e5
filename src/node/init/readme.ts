/** What is left to be done by hand, in steps. */
import { units } from './chorus-file.ts';
import { type NodePlan, titleOf } from './plan.ts';
import { daemonsOf, leaseInterface, worseInterface } from './routing.ts';
import { aliveName, type InitFile, workFolder } from './servers.ts';

export function readme(plan: NodePlan, files: readonly InitFile[]): InitFile {
  const { kind, out, services, routing, protocol, unicast } = plan;
  const service = units[kind];
  const own = [unicast.ipv4, unicast.ipv6].filter(each => each !== undefined);
  const daemon =
    routing === 'frr' && protocol
      ? `In \`/etc/frr/daemons\`: ${daemonsOf(plan, protocol)
          .map(line => `\`${line}\``)
          .join(', ')}. Then
   \`cp ${out}/frr.conf /etc/frr/frr.conf && systemctl restart frr\`.`
      : routing === 'bird'
        ? `\`cp ${out}/bird.conf /etc/bird/bird.conf && systemctl restart bird\`.`
        : `Let your routing daemon announce ${services.join(' and ')} while on the interface \`${leaseInterface}\`,
   worse while on \`${worseInterface}\`, and nothing else of the two.`;
  const routers =
    protocol?.kind === 'bgp'
      ? `BGP with ${own.join(' and ')} as AS ${protocol.as}, taking only ${services.join(' and ')}; without graceful restart for these
   sessions; \`maximum-paths\` above the number of nodes.`
      : protocol
        ? `OSPF in area ${protocol.area} towards this node, with a filter that takes only ${services.join(' and ')}
   from nodes; equal-cost multipath above the number of nodes.`
        : `take only ${services.join(' and ')} from this node; equal-cost multipath above the number of nodes.`;
  // Knot Resolver knows no class CH.
  const which = kind === 'knot' ? `+nsid ${aliveName}` : 'id.server CH TXT';
  const elsewhere = [
    ...(out === '/etc/chorus/node' ? [] : [`\n   Its \`ExecStart\` must name ${out}/chorus.yaml.`]),
    ...(plan.state === '/var/lib/chorus' ? [] : [`\n   Its \`ReadWritePaths\` must name ${plan.state}.`]),
  ].join('');
  const text = `# The node ${plan.name}: ${titleOf(kind)} without a balancer

Written by \`chorus node init ${kind}\`. Service ${services.length === 1 ? 'address' : 'addresses'}: ${services.join(', ')}. Unicast: ${own.join(', ')}.
Who may ask: ${plan.allow.join(', ')}; all others are refused (\`--allow\`).

| file | what |
|---|---|
${files.map(({ path }) => `| \`${path}\` | ${about(path, plan)} |`).join('\n')}

## Steps

1. Install the packages: \`apt-get install ${packages(plan).join(' ')}\`.
2. ${
    plan.supervise
      ? `Chorus starts the nameserver itself: \`systemctl disable --now ${service}\`.`
      : `Let the service of the package read \`${out}\` and start it: \`systemctl enable --now ${service}\`.`
  }${appArmor(plan)}
3. The routing daemon. ${daemon}
4. The routers: ${routers} The hash that
   chooses a path must take in addresses and ports, and always give the same path to the packets of one conversation.
5. \`chorus config check ${out}/chorus.yaml\`. Then, in the folder of Chorus:
   \`cp packaging/chorus-node.service /etc/systemd/system/ && systemctl daemon-reload && systemctl enable --now chorus-node\`.${elsewhere}
6. Look: \`chorus status\`, \`chorus routes\`, \`ip address show ${leaseInterface}\`. From elsewhere: \`dig @${own[0]} ${which}\`
   asks this node who it is, \`dig @${services[0]} ${which}\` whichever node the routers choose.

## Day by day

- Maintenance: \`chorus drain --reason "new disk"\`, wait until it tells that it is safe, \`chorus undrain\`.
- A new configuration of the nameserver: with its own tool, or stop it while drained; Chorus starts it again. \`chorus reload\` reads
  \`chorus.yaml\` anew and lets the nameserver be.
- Transfers: allow them by ${own.join(' and ')}, or by TSIG; never by a service address, which only one node out of all would get.
- Watch every node by its unicast address, and the service by its own: each tells what the other cannot.
`;
  return { path: 'README.md', text };
}

/** Debian confines these two: they may read and write in the folders of their packages, and nowhere else. */
const profiles: Partial<Record<NodePlan['kind'], string>> = {
  bind: 'usr.sbin.named',
  unbound: 'usr.sbin.unbound',
};

function appArmor(plan: NodePlan): string {
  const profile = profiles[plan.kind];
  if (profile === undefined) return '';
  return `
   Where AppArmor is on (\`aa-enabled\`), let it read and write here too, or it cannot even open its configuration:

   \`\`\`sh
   printf '%s,\\n' '${plan.out}/** r' '${workFolder(plan)}/ rw' '${workFolder(plan)}/** rwkl' >> /etc/apparmor.d/local/${profile}
   apparmor_parser -r /etc/apparmor.d/${profile}
   \`\`\`
`;
}

function about(path: string, { kind, routing }: NodePlan): string {
  if (path === 'chorus.yaml') return 'Chorus: judges, announces, starts the nameserver';
  if (path.endsWith('.zone')) return 'a name that the nameserver answers by itself';
  if (path === 'frr.conf' || path === 'bird.conf')
    return `${routing === 'frr' ? 'FRR' : 'BIRD'}: announces what stands on ${leaseInterface}`;
  return titleOf(kind);
}

function packages({ kind, routing }: NodePlan): string[] {
  const server = {
    bind: 'bind9',
    unbound: 'unbound',
    'pdns-recursor': 'pdns-recursor',
    knot: 'knot-resolver',
  }[kind];
  const daemon = { frr: ['frr'], bird: ['bird2'], none: [] }[routing];
  return [server, ...daemon];
}
