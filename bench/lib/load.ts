/** The clients: dnsperf, and the two of our own in native/. */
import { once } from 'node:events';
import { createWriteStream, existsSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { binDir, outDir } from './build.ts';
import { run } from './process.ts';

export type Throughput = { completed: number; sent: number; seconds: number; perSecond: number };

/** Name number `index` of the benchmark's zone, as native/query.h writes it. */
export function nameOf(index: number): string {
  return `${(index >>> 0).toString(16).padStart(8, '0')}.bench.test`;
}

/** A file for dnsperf of every `step`th name of `count` from number `first` on; made once. */
export async function nameFile(first: number, count: number, step = 1): Promise<string> {
  const path = join(outDir, `names-${first}-${count}-${step}`);
  if (existsSync(path)) return path;
  const partial = `${path}.part`;
  const stream = createWriteStream(partial);
  let lines: string[] = [];
  for (let at = first; at < first + count; at += step) {
    lines.push(`${nameOf(at)} A\n`);
    if (lines.length < 10_000) continue;
    if (!stream.write(lines.join(''))) await once(stream, 'drain');
    lines = [];
  }
  stream.end(lines.join(''));
  await once(stream, 'finish');
  renameSync(partial, path);
  return path;
}

/** dnsperf with 8 sockets, one thread and 200 queries in flight, for so many seconds or once through the file. */
export async function dnsperf(
  port: number,
  file: string,
  span: { seconds: number } | 'once',
): Promise<Throughput> {
  const limit = span === 'once' ? ['-n', '1'] : ['-l', String(span.seconds)];
  const args = [
    '-s',
    '127.0.0.1',
    '-p',
    String(port),
    '-d',
    file,
    '-c',
    '8',
    '-q',
    '200',
    '-T',
    '1',
    '-t',
    '2',
  ];
  const text = await run('load', 'dnsperf', [...args, ...limit], span === 'once' ? 180 : span.seconds + 30);
  const figure = (label: string) =>
    Number(new RegExp(`${label}:\\s+([\\d.]+)`).exec(text)?.[1] ?? Number.NaN);
  const result = {
    sent: figure('Queries sent'),
    completed: figure('Queries completed'),
    seconds: figure('Run time \\(s\\)'),
    perSecond: figure('Queries per second'),
  };
  if (!(result.completed > 0)) throw new Error(`dnsperf completed nothing: ${text.trim().slice(-300)}`);
  const good = /NOERROR (\d+)/.exec(text)?.[1];
  if (Number(good ?? 0) < result.completed * 0.999) {
    throw new Error(`not all answers are NOERROR: ${/Response codes:.*/.exec(text)?.[0] ?? 'none'}`);
  }
  return result;
}

/** What native/pace.c reports; latencies in µs from when a query was due. `late…`: by how much the client itself was. */
export type Pace = {
  sent: number;
  received: number;
  failed: number;
  p50: number;
  p99: number;
  p999: number;
  max: number;
  late99: number;
  late999: number;
};

/** native/pace.c: open loop with `rate`, else closed loop with 200 in flight. `names` 0: every name is new. */
export async function pace(
  port: number,
  options: { seconds: number; rate?: number; names?: number; first?: number },
): Promise<Pace> {
  const args = ['-p', port, '-l', options.seconds, '-n', options.names ?? 0, '-f', options.first ?? 0];
  if (options.rate) args.push('-r', options.rate);
  const text = await run('load', join(binDir, 'pace'), args.map(String), options.seconds + 15);
  const result: Pace = JSON.parse(text);
  if (result.received === 0) throw new Error('no query was answered');
  return result;
}

/** native/burst.c: so many queries at once over 64 sockets, then up to 1.5 s to gather. Times in ms. */
export async function burst(
  port: number,
  queries: number,
): Promise<{ sent: number; answered: number; sending: number; taking: number }> {
  const text = await run('load', join(binDir, 'burst'), ['-p', String(port), '-n', String(queries)], 20);
  return JSON.parse(text);
}
