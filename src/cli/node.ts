/** `chorus node`: a small nameserver for a lab zone, to stand behind the front in demonstrations and tests; and `chorus node init`. */
import type { Command } from 'commander';
import { ChorusError } from '#kit/errors.ts';
import { define, print } from './command.ts';
import { registerInit } from './node-init.ts';

type Options = { listen?: string[]; name?: string; zone?: string; fault: string };

export function register(program: Command): void {
  const node = define(program, 'node', {
    summary: 'run a small nameserver for a lab zone; init: configure a real node',
    description:
      'Runs a small authoritative nameserver for one zone over UDP and TCP, in memory, to stand behind the front in ' +
      'demonstrations and tests; for real nodes see `chorus node init --help`. `whoami.lab.internal TXT` and `id.server CH TXT` tell which node answered.',
    examples: [
      'chorus node --listen 127.0.0.1:5401 --name kai',
      "chorus node --listen 127.0.0.1:5402 '[::1]:5402' --name nika --fault servfail=0.3",
      'chorus node --listen 127.0.0.1:5403 --name sumi --fault drop=0.1,delay=800ms',
    ],
  });
  // Not `requiredOption`: that would bind `chorus node init` too. Positional: `node init bind --name n1` is the name for `init`.
  node
    .enablePositionalOptions()
    .option('--listen <address...>', 'ADDRESS:PORT to answer on, UDP and TCP; needed')
    .option('--name <name>', 'what it calls itself; needed')
    .option('--zone <file>', 'zone file to serve, its zone named by $ORIGIN (default: lab.internal)')
    .option('--fault <faults>', 'drop=SHARE, servfail=SHARE, refused=SHARE, wrongid=SHARE, delay=TIME', '')
    .action(async (options: Options) => {
      const [{ parseFaults }, { startNode }, { labZoneFile, loadZone }, { formatEndpoint, parseEndpoint }] =
        await Promise.all([
          import('#lab/fault.ts'),
          import('#lab/node-server.ts'),
          import('#lab/zone-file.ts'),
          import('#net/address.ts'),
        ]);
      const { listen: places, name: identity } = options;
      if (!places || identity === undefined)
        throw new ChorusError('USAGE', { reason: '--listen and --name are needed' });
      const listen = places.map(text => {
        const endpoint = parseEndpoint(text, 53);
        if (endpoint) return endpoint;
        throw new ChorusError('USAGE', { reason: `--listen ${text}: expected ADDRESS:PORT` });
      });
      const node = await startNode({
        authority: { zone: loadZone(options.zone ?? labZoneFile, identity), identity },
        listen,
        faults: parseFaults(options.fault),
        random: Math.random,
      });
      const stopped = new Promise<void>(resolve => {
        process.once('SIGTERM', resolve).once('SIGINT', resolve);
      });
      print(`node ${identity} answers on ${node.addresses.map(formatEndpoint).join(' and ')}`);
      await stopped;
      await node.close();
    });
  registerInit(node);
}
