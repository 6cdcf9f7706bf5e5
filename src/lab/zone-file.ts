/** Zone files of lab nodes. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { ChorusError, reasonOf } from '#kit/errors.ts';
import { parseZone } from '#wire/zone.ts';
import { zoneOfNode } from './answer.ts';
import type { Zone } from './zone.ts';

/** The zone `lab.internal`, which nodes serve unless told otherwise. */
export const labZoneFile = fileURLToPath(new URL('./lab.internal.zone', import.meta.url));

/** Reads a zone file for the node `identity`. The file names its zone by $ORIGIN or by absolute names. */
export function loadZone(file: string, identity: string): Zone {
  let text: string;
  try {
    // Octets of a zone file stand for themselves.
    text = readFileSync(file, 'latin1');
  } catch (error) {
    throw new ChorusError('ZONE_UNREADABLE', { file, reason: reasonOf(error) });
  }
  try {
    return zoneOfNode(parseZone(text), identity);
  } catch (error) {
    throw new ChorusError('ZONE_INVALID', { file, reason: reasonOf(error) });
  }
}
