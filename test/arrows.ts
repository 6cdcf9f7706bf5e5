/** The rules of the house, checked on sources: which folder may import which, and where I/O may be. */
import { posix } from 'node:path';
import { codeOf, importsOf } from './source-text.ts';

/** The folders of src/, top to bottom. A file imports from its own folder and from those below. */
export const folders: readonly string[] = [
  'cli',
  'daemon',
  'config',
  'api',
  'lab',
  'insight',
  'node',
  'route',
  'layer4',
  'health',
  'engine',
  'front',
  'balance',
  'cache',
  'bgp',
  'net',
  'wire',
  'kit',
];

/** Folders and files without I/O, clock and chance; neither may anything that they reach have them. */
export const pure = [
  'front/',
  'balance/',
  'cache/',
  'bgp/',
  'wire/',
  'kit/',
  'health/judge.ts',
  'health/window.ts',
  'health/evidence.ts',
  'health/siblings.ts',
  'health/pace.ts',
  'health/strain.ts',
  'health/pool.ts',
  'health/probes/query.ts',
  'health/probes/answer.ts',
  'node/states.ts',
  'node/supervisor.ts',
  'layer4/slots.ts',
  'layer4/plan.ts',
  'layer4/nftables.ts',
  'layer4/ipvs.ts',
  'layer4/balancer.ts',
  'layer4/report.ts',
  'net/rtnetlink.ts',
  'route/announcement.ts',
  'route/budget.ts',
  'route/budget-keys.ts',
  'route/driver.ts',
  'route/etcd-messages.ts',
  'route/evidence.ts',
  'route/drivers/lease/leases.ts',
  'route/plan.ts',
  'route/report.ts',
  'route/announcer.ts',
  'route/replay.ts',
  'route/recorder.ts',
  'route/schema.ts',
];

/** Packages that do no I/O. */
const purePackages = ['zod', 'ipaddr.js'];

/** Names by which a file reaches the world without importing anything. */
const worldly = [
  /(?<![.\w])process\b(?!\s*:)/,
  // A Date of a given time reads no clock.
  /(?<![.\w])Date\.now\b/,
  /(?<![.\w])Date(?=\s*\(\s*\)|\s*[;,)])/,
  /(?<![.\w])performance\b/,
  /\bMath\.random\b/,
  /(?<![.\w])(setTimeout|setInterval|setImmediate|queueMicrotask)\b/,
  /(?<![.\w])console\b/,
  /(?<![.\w])(globalThis|crypto|fetch|require)\b(?!\s*:)/,
];

/** Sources by path below src/, such as `wire/name.ts`. */
export type Sources = ReadonlyMap<string, string>;

type Arrow = { readonly to: string; readonly typeOnly: boolean };

/** Every breach of the rules, a line each. */
export function breaches(sources: Sources): string[] {
  const arrows = new Map([...sources].map(([file, text]) => [file, arrowsOf(file, text)]));
  return [...strangers(sources), ...upward(arrows), ...cycles(arrows), ...impure(sources, arrows)];
}

function arrowsOf(file: string, text: string): Arrow[] {
  return importsOf(text).map(({ specifier, typeOnly }) => ({ to: resolve(file, specifier), typeOnly }));
}

function resolve(file: string, specifier: string): string {
  if (specifier.startsWith('#')) return specifier.slice(1);
  if (specifier.startsWith('.')) return posix.join(posix.dirname(file), specifier);
  return `package ${specifier}`;
}

function folderOf(file: string): string {
  return file.split('/')[0] ?? '';
}

function rank(file: string): number {
  return folders.indexOf(folderOf(file));
}

function strangers(sources: Sources): string[] {
  return [...sources.keys()]
    .filter(file => rank(file) < 0)
    .map(file => `${file} is in no folder of the house`);
}

function upward(arrows: ReadonlyMap<string, readonly Arrow[]>): string[] {
  return [...arrows].flatMap(([file, list]) =>
    list
      .filter(({ to }) => !to.startsWith('package ') && (rank(to) < rank(file) || rank(to) < 0))
      .map(({ to }) => `${file} imports ${to}, which is not below ${folderOf(file)}/`),
  );
}

/** Each cycle once, types included: files that know each other are one file. */
function cycles(arrows: ReadonlyMap<string, readonly Arrow[]>): string[] {
  const found = new Set<string>();
  const done = new Set<string>();
  const way: string[] = [];
  const visit = (file: string) => {
    const at = way.indexOf(file);
    if (at >= 0) {
      const circle = way.slice(at);
      const first = circle.indexOf(circle.toSorted()[0]!);
      const turned = [...circle.slice(first), ...circle.slice(0, first)];
      found.add(`${[...turned, turned[0]].join(' → ')} is a circle of imports`);
      return;
    }
    if (done.has(file)) return;
    way.push(file);
    for (const { to } of arrows.get(file) ?? []) if (arrows.has(to)) visit(to);
    way.pop();
    done.add(file);
  };
  for (const file of arrows.keys()) visit(file);
  return [...found];
}

function impure(sources: Sources, arrows: ReadonlyMap<string, readonly Arrow[]>): string[] {
  const io = new Map([...sources].map(([file, text]) => [file, worldOf(text, arrows.get(file) ?? [])]));
  const found: string[] = [];
  for (const file of sources.keys()) {
    if (!pure.some(part => file.startsWith(part))) continue;
    for (const [reached, way] of reach(file, arrows)) {
      const why = io.get(reached);
      if (why)
        found.push(
          `${file} must be pure, but ${way.length > 1 ? `reaches ${way.slice(1).join(' → ')}, which ` : ''}uses ${why}`,
        );
    }
  }
  return found;
}

/** What of the world a file uses; undefined when nothing. */
function worldOf(text: string, arrows: readonly Arrow[]): string | undefined {
  const foreign = arrows.find(({ to, typeOnly }) => {
    const name = /^package (.*)$/.exec(to)?.[1];
    return name !== undefined && !typeOnly && !purePackages.includes(name);
  });
  if (foreign) return foreign.to.replace('package ', '');
  const code = codeOf(text);
  return worldly.map(pattern => pattern.exec(code)?.[0]).find(match => match !== undefined);
}

/** Each file that a file loads at run time, with the way there. */
function reach(file: string, arrows: ReadonlyMap<string, readonly Arrow[]>): Map<string, readonly string[]> {
  const ways = new Map<string, readonly string[]>([[file, [file]]]);
  for (const [at, way] of ways) {
    for (const { to, typeOnly } of arrows.get(at) ?? []) {
      if (!typeOnly && arrows.has(to) && !ways.has(to)) ways.set(to, [...way, to]);
    }
  }
  return ways;
}
