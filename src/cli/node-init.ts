/** `chorus node init …`: the configurations of a node without a balancer. */
import type { Command } from 'commander';
import type { InitOptions } from '#node/init/plan.ts';
import { define, jsonOption, print, printJson } from './command.ts';

type Options = InitOptions & { force?: boolean; json?: boolean };

/** Adds the command to `chorus node`. */
export function registerInit(node: Command): void {
  define(node, 'init', {
    summary: 'write the configurations of a node without a balancer',
    description:
      'Writes, for a nameserver that clients ask itself at a service address of several nodes, the configuration of the nameserver ' +
      '(bind, unbound, pdns-recursor or knot), of the routing daemon, of Chorus, which judges it, and a README with the steps that ' +
      'are left. A file that exists already and says something else is left alone without --force. See docs/node.md.',
    examples: [
      'chorus node init bind --address 10.0.1.11 --service 192.0.2.53 --ospf --interface eth0',
      'chorus node init unbound --address 10.0.1.11 2001:db8:0:1::11 --service 192.0.2.53 2001:db8:53::53 --routing frr --as 65001 --peer 10.0.1.1 2001:db8:0:1::1 --peer-as 65000 --probe check.example.net check.example.org',
    ],
  })
    .argument('<server>', 'bind, unbound, pdns-recursor or knot')
    .option('--service <address...>', 'service addresses, which clients know')
    .option('--address <address...>', 'unicast addresses of this node, one of each family (default: its own)')
    .option('--name <name>', 'what the node calls itself (default: the host’s name)')
    .option('--routing <daemon>', 'frr, bird or none (default: bird)')
    .option('--ospf [area]', 'announce by OSPF, in this area (default: 0)')
    .option('--interface <name>', 'the interface towards the routers, for OSPF')
    .option('--hello <seconds>', 'hello interval of OSPF; the dead interval is four times that (default: 10)')
    .option('--as <number>', 'announce by BGP, from this AS')
    .option('--peer <address...>', 'the routers, for BGP')
    .option('--peer-as <number>', 'their AS (default: ours)')
    .option('--probe <name...>', 'names of zones of your own, to see whether the server can resolve')
    .option('--allow <network...>', 'who may ask (default: private networks)')
    .option('--forward <address...>', 'nameservers to forward to (default: resolve from the root)')
    .option('--no-validate', 'validate no signatures')
    .option('--user <name>', 'the user that the server runs as (default: that of the package)')
    .option('--no-supervise', 'let something else start the server')
    .option('--out <folder>', 'where the files go (default: /etc/chorus/node)')
    .option('--state <folder>', 'where Chorus and the server keep what they write (default: /var/lib/chorus)')
    .option('--force', 'write files anew that exist already')
    .addOption(jsonOption())
    .action(async (server: string, options: Options) => {
      const [{ planNode }, { initMachine, nodeFiles, writeFiles }, { resolve }] = await Promise.all([
        import('#node/init/plan.ts'),
        import('#node/init/write.ts'),
        import('node:path'),
      ]);
      const out = options.out === undefined ? {} : { out: resolve(options.out) };
      const plan = planNode(server, { ...options, ...out }, initMachine());
      const files = writeFiles(plan.out, nodeFiles(plan), options.force ?? false);
      if (options.json) printJson({ plan, files });
      else print(`${files.join('\n')}\nThe steps that are left: ${plan.out}/README.md`);
    });
}
