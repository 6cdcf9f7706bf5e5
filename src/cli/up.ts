/** `chorus up`: a whole farm on this machine, to look at. */
import type { Command } from 'commander';
import { ChorusError } from '#kit/errors.ts';
import { define, integer, paint } from './command.ts';

type Options = {
  port: number;
  api: number;
  nodes: number;
  load: number;
  restart: string;
  fault?: string[];
  configOut?: string;
};

export function register(program: Command): void {
  define(program, 'up', {
    summary: 'run a whole farm on this machine, to look at',
    description:
      'Starts small nameservers for the zone lab.internal and the front before them, each a process of its own, and ' +
      'shows what they do until Ctrl-C stops them all. Needs no network and no configuration.',
    examples: [
      'chorus up',
      'chorus up --port 5353 --api 8054 --nodes 5',
      'chorus up --fault nika:servfail=0.3 --fault sumi:delay=800ms --restart off',
    ],
  })
    .option('--port <port>', 'port where clients ask, on 127.0.0.1 and ::1', integer(1, 65_535), 5300)
    .option('--api <port>', 'port of the API, on 127.0.0.1', integer(1, 65_535), 8053)
    .option('--nodes <count>', 'how many nodes', integer(1, 9), 3)
    .option('--load <rate>', 'queries each second that it asks itself; 0: none', integer(0, 2000), 20)
    .option('--restart <time>', 'start a dead node again after this time; off: only on the key r', '20s')
    .option('--fault <node:faults...>', 'what goes wrong at a node, such as kai:drop=0.3')
    .option('--config-out <file>', 'where to write the configuration (default: a temporary file)')
    .action(async (options: Options) => {
      const plan = await read(options);
      const { runUp } = await import('#lab/up.ts');
      const stopper = new AbortController();
      const stop = () => stopper.abort();
      const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
      for (const signal of signals) process.on(signal, stop);
      // A reader that goes away (`chorus up | head -1`) stops the farm in order, not at once.
      process.stdout.removeAllListeners('error').on('error', stop);
      try {
        const { stdout: output, stdin: input } = process;
        await runUp(plan, { output, input, paint, signal: stopper.signal, stop });
      } finally {
        for (const signal of signals) process.off(signal, stop);
      }
    });
}

async function read(options: Options) {
  const [{ parseDuration }, { parseFaults }, { nodeNames }] = await Promise.all([
    import('#kit/units.ts'),
    import('#lab/fault.ts'),
    import('#lab/farm-config.ts'),
  ]);
  const fail = (reason: string): never => {
    throw new ChorusError('USAGE', { reason });
  };
  const restartAfter = options.restart === 'off' ? null : (parseDuration(options.restart) ?? undefined);
  if (restartAfter === undefined || (restartAfter ?? 0) > 86_400_000) {
    return fail(`--restart ${options.restart}: expected a time such as 20s, or off`);
  }
  if (options.port === options.api) fail(`--port and --api are both ${options.port}`);
  const faults = new Map<string, string>();
  const names = nodeNames.slice(0, options.nodes);
  for (const text of options.fault ?? []) {
    const [name = '', fault] = text.split(':');
    if (fault === undefined || !names.some(known => known === name)) {
      fail(`--fault ${text}: expected NODE:FAULTS with one of ${names.join(', ')}`);
    } else {
      parseFaults(fault);
      faults.set(name, fault);
    }
  }
  const { port, api: apiPort, nodes, load, configOut } = options;
  // Shells tell how the command was typed; npm does not.
  const typed = process.env._ ?? '';
  const chorus = /(^|\/)chorus$/.test(typed) ? typed : 'bin/chorus';
  const common = { port, apiPort, nodes, load, restartAfter, faults, chorus };
  return configOut === undefined ? common : { ...common, configFile: configOut };
}
