/** `chorus burst`: many queries at once at any nameserver, and how many come back. */
import type { Command } from 'commander';
import { ChorusError } from '#kit/errors.ts';
import { define, integer, jsonOption, print, printJson } from './command.ts';

type Options = {
  server: string;
  name: string;
  type: string;
  counts: string;
  sockets: number;
  repeat: number;
  wait: string;
  json?: boolean;
  yesIRunThisServer?: boolean;
};

const defaultCounts = '1,10,100,200,500,1000,2000,5000,10000,20000,50000';

export function register(program: Command): void {
  define(program, 'burst', {
    summary: 'send many queries at once and count the answers',
    description:
      'Sends bursts of queries to a nameserver, each as fast as the machine can, and counts what comes back: where ' +
      'answers begin to fail, receive buffers overflow. Its own losses are counted apart.',
    examples: [
      'chorus burst',
      'chorus burst --server 127.0.0.1:5401 --counts 100,1000,10000',
      "chorus burst --server '[::1]:5300' --name 'x{n}.wild.lab.internal' --json",
    ],
  })
    .option('--server <address>', 'ADDRESS:PORT of the nameserver', '127.0.0.1:5300')
    .option('--name <name>', 'name to ask for; {n} in it becomes 1, 2, 3, …', 'www.lab.internal')
    .option('--type <type>', 'record type to ask for', 'A')
    .option('--counts <list>', 'sizes of burst, with commas between', defaultCounts)
    .option('--sockets <count>', 'sockets, and so source ports, to send from', integer(1, 512), 64)
    .option('--repeat <count>', 'bursts of each size', integer(1, 20), 3)
    .option('--wait <time>', 'how long to wait for answers after each burst', '1.5s')
    .option('--yes-i-run-this-server', 'send to an address that is not loopback or private')
    .addOption(jsonOption())
    .action(async (options: Options) => {
      const [{ burstHeader, burstLine, burstNotes }, { isOwnGround, runBursts }] = await Promise.all([
        import('#insight/burst-table.ts'),
        import('#insight/burst-run.ts'),
      ]);
      const plan = await read(options);
      if (!isOwnGround(plan.server.address) && !options.yesIRunThisServer) {
        throw new ChorusError('BURST_REFUSED', { address: plan.server.address });
      }
      const report = await runBursts(plan, row => {
        if (options.json) return;
        if (row.count === plan.counts[0]) print(burstHeader());
        print([burstLine(row), ...burstNotes(row).map(note => `         ${note}`)].join('\n'));
      });
      if (options.json) printJson(report);
      else {
        const { engine, sockets, receiveBuffer } = report;
        print(
          `\nBy ${engine} from ${sockets} sockets with a receive buffer of ${receiveBuffer / 1024} KiB each.`,
        );
      }
    });
}

async function read(options: Options) {
  const [{ burstLimits }, { parseDuration }, { parseEndpoint }, { parseName }, { typeCode }] =
    await Promise.all([
      import('#insight/burst.ts'),
      import('#kit/units.ts'),
      import('#net/address.ts'),
      import('#wire/name.ts'),
      import('#wire/types.ts'),
    ]);
  const fail = (reason: string): never => {
    throw new ChorusError('USAGE', { reason });
  };
  const server =
    parseEndpoint(options.server, 53) ?? fail(`--server ${options.server}: expected ADDRESS:PORT`);
  const wait = parseDuration(options.wait);
  if (wait === undefined || wait > burstLimits.wait)
    return fail(`--wait ${options.wait}: expected up to 30s, such as 1.5s`);
  const counts = options.counts.split(',').map(text => {
    const count = /^\s*\d{1,9}\s*$/.test(text) ? Number(text) : 0;
    const most = Math.min(burstLimits.count, options.sockets * 65_536);
    return count >= 1 && count <= most
      ? count
      : fail(`--counts: ${JSON.stringify(text)} is not in 1…${most}`);
  });
  try {
    parseName(options.name.replaceAll('{n}', '999999999'));
  } catch {
    fail(`--name ${options.name}: this is no domain name`);
  }
  if (typeCode(options.type) === undefined) fail(`--type ${options.type}: this is no record type`);
  const { name, type, sockets, repeat } = options;
  return { server, name, type, counts, sockets, repeat, wait };
}
