/** Writes the files of `chorus node init`: all of them, or none where one is there already. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { hostname, networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import { chorusFile } from './chorus-file.ts';
import type { InitMachine, NodePlan } from './plan.ts';
import { readme } from './readme.ts';
import { routingFiles } from './routing.ts';
import { type InitFile, serverFiles } from './servers.ts';

/** All files of a node. */
export function nodeFiles(plan: NodePlan): InitFile[] {
  const server = serverFiles(plan);
  const files = [...server.files, ...routingFiles(plan), chorusFile(plan, server)];
  return [...files, readme(plan, files)];
}

/** Writes them to the plan's folder; gives their paths. @throws ChorusError FILE_EXISTS, FILE_UNWRITABLE */
export function writeFiles(folder: string, files: readonly InitFile[], force: boolean): string[] {
  const places = files.map(({ path, text }) => ({ place: join(folder, path), text }));
  for (const { place, text } of force ? [] : places) {
    let before: string | null = null;
    try {
      before = readFileSync(place, 'utf8');
    } catch {
      // Not there, or not to be read: then it cannot be written either.
    }
    if (before !== null && before !== text) throw new ChorusError('FILE_EXISTS', { file: place });
  }
  for (const { place, text } of places) {
    try {
      mkdirSync(folder, { recursive: true });
      writeFileSync(place, text);
    } catch (error) {
      throw new ChorusError('FILE_UNWRITABLE', { file: place, reason: reasonOf(error) });
    }
  }
  return places.map(({ place }) => place);
}

/** What this machine fills in. */
export function initMachine(): InitMachine {
  const addresses = Object.entries(networkInterfaces()).flatMap(([link, list]) =>
    (list ?? [])
      .filter(({ internal, address }) => !internal && !/^(fe80:|169\.254\.)/i.test(address))
      .map(({ address }) => ({ address, link })),
  );
  return { hostname: hostname(), addresses };
}
