import { typeCode, typeName } from '../types.ts';
import type { Field } from './field.ts';

/**
 * A set of record types, ascending, to the end of the data (RFC 4034 section 4.1.2). An empty set is taken.
 * Windows must ascend and have no zero octet at their end.
 */
export const typeBitmap: Field<readonly number[]> = {
  read: from => {
    const types: number[] = [];
    let last = -1;
    while (from.left > 0) {
      const at = from.at;
      const window = from.u8();
      const octets = from.take(from.u8());
      if (window <= last) from.fail('the windows of a type bitmap do not ascend', at);
      if (octets.length === 0 || octets.length > 32 || octets.at(-1) === 0) {
        from.fail('a window of a type bitmap does not have 1 to 32 octets that end in a type', at);
      }
      for (let bit = 0; bit < octets.length * 8; bit++) {
        if (octets[bit >> 3]! & (0x80 >> (bit & 7))) types.push(window * 256 + bit);
      }
      last = window;
    }
    return types;
  },
  write: (to, types) => {
    const windows = new Map<number, Uint8Array>();
    for (const type of [...types].sort((a, b) => a - b)) {
      if (!Number.isInteger(type) || type < 0 || type > 0xffff) to.fail(`${type} is not a record type`);
      const octet = (type & 0xff) >> 3;
      const grown = new Uint8Array(octet + 1);
      grown.set(windows.get(type >> 8) ?? []);
      grown[octet]! |= 0x80 >> (type & 7);
      windows.set(type >> 8, grown);
    }
    for (const [window, octets] of windows) {
      to.u8(window);
      to.counted(octets);
    }
  },
  format: types => types.map(typeName).join(' '),
  parse: from => {
    const types = new Set<number>();
    while (from.left > 0) {
      const at = from.at;
      const word = from.word('a type');
      types.add(typeCode(word) ?? from.fail(`"${word}" is not a record type`, at));
    }
    return [...types].sort((a, b) => a - b);
  },
};
