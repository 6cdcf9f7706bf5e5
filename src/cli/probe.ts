/** `chorus probe`: every node of a farm by its own address, and which of them stand out. */
import type { Command } from 'commander';
import type { FarmFailure, FarmNode, FarmPlan } from '#insight/farm-probe.ts';
import type { PoolStatus } from '#insight/status.ts';
import { ChorusError } from '#kit/errors.ts';
import { define, integer, jsonOption, paint, print, printJson } from './command.ts';

type Options = {
  api?: string;
  config?: string;
  pool?: string;
  zone?: string;
  name?: string;
  type: string;
  udp?: boolean;
  tcp?: boolean;
  source?: string;
  count: number;
  interval: string;
  rate: number;
  concurrency: number;
  time: string;
  json?: boolean;
};

/** Failures of one node over one transport that are shown one by one; JSON keeps as many. */
const failuresShown = 10;
/** Between two pictures on a terminal, in ms. */
const drawEvery = 250;

export function register(program: Command): void {
  define(program, 'probe', {
    summary: 'ask every node of the farm by its own address, and tell which stand out',
    description:
      'Asks each node the same number of questions, over UDP and TCP, with random names under a zone that no cache ' +
      'has, and compares the nodes with each other. The nodes are those named, or the backends of a configuration ' +
      'file, or those of the running Chorus. Ends with 0 when no node stands out, with 1 when one does, with 2 when ' +
      'questions fail at all nodes alike.',
    examples: [
      'chorus probe --zone wild.example.net',
      'chorus probe --config /etc/chorus/chorus.yaml --zone wild.example.net --count 200',
      "chorus probe 192.0.2.1 192.0.2.2:5353 '[2001:db8::1]:53' --name www.example.net --udp",
      'chorus probe --zone wild.example.net --count 0 --interval 2s',
      'chorus probe --zone wild.example.net --json',
    ],
  })
    .argument('[nodes...]', 'ADDRESS or ADDRESS:PORT of each node')
    .option('--config <file>', 'ask the backends of this configuration file')
    .option(
      '--api <address>',
      'ask the backends of the running Chorus whose API is here (also CHORUS_API; default 127.0.0.1:8053)',
    )
    .option('--pool <name>', 'only the backends of this pool')
    .option('--zone <zone>', 'ask for random names under this zone')
    .option('--name <name>', 'ask for this one name')
    .option('--type <type>', 'record type to ask for', 'A')
    .option('--udp', 'ask over UDP only')
    .option('--tcp', 'ask over TCP only')
    .option('--source <address>', 'local address to ask from (default: that of the configuration)')
    .option(
      '--count <count>',
      'questions to each node over each transport; 0: until Ctrl-C',
      integer(0, 1_000_000),
      50,
    )
    .option('--interval <time>', 'time between two questions to one node over one transport', '100ms')
    .option('--rate <count>', 'questions each second in all, at most', integer(1, 5000), 100)
    .option('--concurrency <count>', 'questions under way at once, at most', integer(1, 512), 64)
    .option('--time <time>', 'how long an answer may take', '2s')
    .addOption(jsonOption())
    .action(async (words: string[], options: Options) => {
      const plan = await read(words, options);
      const [{ FarmProbe }, { systemClock }, { systemDatagrams }, { systemStreams }, { randomInt }] =
        await Promise.all([
          import('#insight/farm-probe.ts'),
          import('#health/clock.ts'),
          import('#health/datagrams.ts'),
          import('#health/streams.ts'),
          import('node:crypto'),
        ]);
      const { failureLine, probeTable, probeTitle, probeVerdict } = await import('./probe-text.ts');
      const live = process.stdout.isTTY && !options.json;
      const failures = new Map<string, FarmFailure[]>();
      const recent: FarmFailure[] = [];
      const world = {
        clock: systemClock,
        random: (bound: number) => randomInt(bound),
        datagrams: systemDatagrams,
        streams: systemStreams,
      };
      const probe = new FarmProbe(plan, world, failure => {
        const key = `${failure.node} ${failure.transport}`;
        const list = failures.get(key) ?? [];
        failures.set(key, list);
        if (recent.push(failure) > 5) recent.shift();
        if (list.length === failuresShown) return;
        list.push(failure);
        if (options.json || live) return;
        print(failureLine(failure));
        if (list.length === failuresShown) print(`further failures of ${key} are only counted`);
      });
      const stop = () => probe.stop();
      const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
      for (const signal of signals) process.on(signal, stop);
      const picture = () => {
        const report = probe.report();
        const ends = plan.count === 0 ? ' (Ctrl-C ends it)' : '';
        return [
          `${probeTitle(report)}${ends}`,
          ...probeTable(report).split('\n'),
          ...recent.map(failure => paint('dim', failureLine(failure))),
        ];
      };
      const close = live ? await show(picture, stop) : () => {};
      if (!options.json && !live) print(probeTitle(probe.report()));
      await new Promise<void>(resolve => probe.start(resolve));
      close();
      for (const signal of signals) process.off(signal, stop);
      const report = probe.report();
      if (options.json) printJson({ ...report, failures: [...failures.values()].flat() });
      else {
        print([...(live ? [] : [probeTable(report)]), ...probeVerdict(report)].join('\n'));
      }
      process.exitCode = report.exit;
    });
}

/** Shows a picture again and again on the terminal. Gives what leaves the last one there. */
async function show(picture: () => readonly string[], stop: () => void): Promise<() => void> {
  const { openTerminal } = await import('#lab/terminal.ts');
  const draw = () => terminal.draw(picture());
  const onKey = (key: string) => {
    if (key === '\u0003' || key === 'q') stop();
  };
  const terminal = openTerminal(process.stdout, process.stdin, onKey, draw);
  draw();
  const timer = setInterval(draw, drawEvery);
  return () => {
    clearInterval(timer);
    draw();
    terminal.close();
  };
}

async function read(words: readonly string[], options: Options): Promise<FarmPlan> {
  const [{ farmLimits }, { parseDuration }, { parseAddress }, { formatName, parseName }, { typeCode }] =
    await Promise.all([
      import('#insight/farm-probe.ts'),
      import('#kit/units.ts'),
      import('#net/address.ts'),
      import('#wire/name.ts'),
      import('#wire/types.ts'),
    ]);
  const fail = (reason: string): never => {
    throw new ChorusError('USAGE', { reason });
  };
  const timeOf = (text: string, option: string, most: number) => {
    const ms = parseDuration(text);
    return ms !== undefined && ms >= 1 && ms <= most
      ? ms
      : fail(`${option} ${text}: expected a time such as 500ms`);
  };
  const nameOf = (text: string, option: string, room: number) => {
    try {
      const wire = parseName(text);
      return wire.length + room <= 255 ? formatName(wire) : fail(`${option} ${text}: too long`);
    } catch {
      return fail(`${option} ${text}: this is no domain name`);
    }
  };
  const { zone, name, source } = options;
  if (zone !== undefined && name !== undefined) fail('--zone and --name exclude each other');
  if (zone === undefined && name === undefined) {
    fail('what shall be asked? --zone ZONE asks for random names under it, --name NAME for one name');
  }
  const type = typeCode(options.type) ?? fail(`--type ${options.type}: this is no record type`);
  const interval = timeOf(options.interval, '--interval', 3_600_000);
  const time = timeOf(options.time, '--time', 60_000);
  const from =
    source === undefined
      ? undefined
      : (parseAddress(source) ?? fail(`--source ${source}: expected an address`));
  const question =
    zone === undefined ? { name: nameOf(name ?? '.', '--name', 0) } : { zone: nameOf(zone, '--zone', 18) };
  const nodes = distinct(await nodesOf(words, options)).map(node =>
    from === undefined || from.includes(':') !== node.address.includes(':')
      ? node
      : { ...node, source: from },
  );
  if (nodes.length === 0) fail('there is no node to ask');
  if (nodes.length > farmLimits.nodes) fail(`${nodes.length} nodes; at most ${farmLimits.nodes}`);
  const { count, rate, concurrency } = options;
  const both = options.udp === options.tcp;
  const transports = both ? (['udp', 'tcp'] as const) : ([options.tcp ? 'tcp' : 'udp'] as const);
  return { nodes, transports, ask: question, type, count, interval, rate, concurrency, time };
}

async function nodesOf(words: readonly string[], options: Options): Promise<FarmNode[]> {
  const { pool } = options;
  if (words.length > 0) {
    const { formatEndpoint, parseEndpoint } = await import('#net/address.ts');
    return words.map(word => {
      const endpoint = parseEndpoint(word, 53);
      if (endpoint) return { ...endpoint, name: formatEndpoint(endpoint) };
      throw new ChorusError('USAGE', { reason: `node ${word}: expected ADDRESS or ADDRESS:PORT` });
    });
  }
  const wanted = <T extends { name: string }>(pools: readonly T[]) => {
    const found = pools.filter(({ name }) => pool === undefined || name === pool);
    if (found.length > 0) return found;
    throw new ChorusError('USAGE', {
      reason: `--pool ${pool}: there are ${pools.map(p => p.name).join(', ')}`,
    });
  };
  if (options.config !== undefined) {
    const { loadConfigFile } = await import('#config/load.ts');
    return wanted(loadConfigFile(options.config).pools).flatMap(({ backends }) =>
      backends.map(({ name, address, port, source }) => ({
        name,
        address,
        port,
        ...(source !== undefined && { source }),
      })),
    );
  }
  const { connect } = await import('./client.ts');
  const client = await connect(options.api === undefined ? {} : { api: options.api });
  const pools = wanted(await client.get<readonly PoolStatus[]>('/api/v1/backends'));
  return pools.flatMap(({ backends }) =>
    backends.map(({ name, address, port }) => ({ name, address, port })),
  );
}

/** Nodes that stand in several pools are asked once; those of one name and several addresses are told apart. */
function distinct(nodes: readonly FarmNode[]): FarmNode[] {
  const places = new Map(nodes.map(node => [`${node.address} ${node.port}`, node]));
  const names = new Map<string, number>();
  for (const { name } of places.values()) names.set(name, (names.get(name) ?? 0) + 1);
  return [...places.values()].map(node =>
    (names.get(node.name) ?? 0) > 1 ? { ...node, name: `${node.name} (${node.address})` } : node,
  );
}
