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
  /** Answers with another code than NOERROR. */
  failed: number;
  /** NOERROR with other content than each name has. */
  wrong: number;
  /** Answers to nobody, or to one that had his. */
  unexpected: number;
  /** Answers that took more than 1 s. */
  slow: number;
  /** Answers by response code. */
  codes: number[];
  p50: number;
  p99: number;
  p999: number;
  max: number;
  late99: number;
  late999: number;
  /** From when a query was sent, however late, to its answer, µs. */
  service999: number;
};

export type PaceOptions = {
  readonly seconds: number;
  /** Queries a second in an open loop; left out: a closed loop with 200 in flight. */
  readonly rate?: number;
  /** 0: every name is new. */
  readonly names?: number;
  /** The number of the first name. */
  readonly first?: number;
  /** Five letters; `bench` when left out. */
  readonly zone?: string;
  /** Numbers that look random. */
  readonly scrambled?: true;
  /** Each so-many-th query asks a name that is new, from this number on. */
  readonly fresh?: { readonly every: number; readonly from: number };
  /** Sends and reads only every so many ms, which is cheap at high rates. */
  readonly interval?: number;
  /** What takes longer, in seconds, is lost. Left out: what comes within 2 s of the end is not. */
  readonly patience?: number;
};

/** native/pace.c. */
export async function pace(port: number, options: PaceOptions): Promise<Pace> {
  const {
    seconds,
    rate,
    names = 0,
    first = 0,
    zone = 'bench',
    scrambled,
    fresh,
    interval,
    patience,
  } = options;
  const args = ['-p', port, '-l', seconds, '-n', names, '-f', first, '-z', zone];
  if (rate) args.push('-r', rate);
  if (scrambled) args.push('-x');
  if (fresh) args.push('-e', `${fresh.every}:${fresh.from}`);
  if (interval) args.push('-b', interval);
  if (patience) args.push('-g', patience);
  const text = await run('load', join(binDir, 'pace'), args.map(String), seconds + 15);
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
