/** The configuration of a farm on one machine. */
import { type Endpoint, formatEndpoint } from '#net/address.ts';

export type FarmNode = Endpoint & { readonly name: string };

export type FarmPlan = {
  /** Where clients ask. */
  readonly listen: readonly Endpoint[];
  readonly api: Endpoint;
  readonly nodes: readonly FarmNode[];
};

/** Names of nodes, in the order in which they are given. */
export const nodeNames = ['kai', 'nika', 'sumi', 'tove', 'arlo', 'mira', 'juno', 'odin', 'lani'] as const;

/** The text of a configuration file for `chorus serve`. */
export function farmConfig({ listen, api, nodes }: FarmPlan): string {
  const backends = nodes.map(node => `      - { name: ${node.name}, address: "${formatEndpoint(node)}" }`);
  return `# A farm on one machine, as \`chorus up\` runs it. Try it on its own: chorus serve --config THIS_FILE
listen: [${listen.map(endpoint => `"${formatEndpoint(endpoint)}"`).join(', ')}]
allow: ["127.0.0.0/8", "::1/128"]
api: "${formatEndpoint(api)}"
identity: chorus-up
cache: { memory: 16MiB }
pools:
  default:
    policy: least-outstanding
    timeout: 2s
    backends:
${backends.join('\n')}
    probe: { name: check.lab.internal, type: A, interval: 500ms, timeout: 400ms }
`;
}
