/** One zone in memory, and what it says about a name (RFC 1034 section 4.3.2, wildcards of RFC 4592). */
import type { ResourceRecord } from '#wire/message.ts';
import { lowerName } from '#wire/name.ts';
import { types } from '#wire/types.ts';

/** What a zone says about a name and type. Records carry the name as it was asked, also those of a wildcard. */
export type Finding =
  | { readonly kind: 'records'; readonly records: readonly ResourceRecord[] }
  /** An alias: go on with `target`. */
  | { readonly kind: 'alias'; readonly record: ResourceRecord; readonly target: string }
  /** The name is in a zone below: its NS records. */
  | { readonly kind: 'referral'; readonly records: readonly ResourceRecord[] }
  /** The name exists, the type does not. */
  | { readonly kind: 'nodata' }
  | { readonly kind: 'nxdomain' };

/** Most records of one zone. */
export const maxRecords = 100_000;

export class Zone {
  /** Lower case, absolute. */
  readonly origin: string;
  readonly soa: ResourceRecord;
  /** Every record, the SOA first. */
  readonly records: readonly ResourceRecord[];
  readonly #nodes = new Map<string, ResourceRecord[]>();

  /** Throws Error where the records are no zone: no SOA or more than one, records outside it, an alias with company. */
  constructor(records: readonly ResourceRecord[]) {
    const heads = records.filter(record => record.type === types.SOA);
    const [soa] = heads;
    if (soa === undefined || heads.length > 1)
      throw new Error(`a zone has one SOA record, here are ${heads.length}`);
    if (records.length > maxRecords) throw new Error(`a zone here has at most ${maxRecords} records`);
    this.soa = soa;
    this.origin = lowerName(soa.name);
    this.records = [soa, ...records.filter(record => record !== soa)];
    for (const record of this.records) this.#add(record);
    for (const [name, node] of this.#nodes) {
      if (node.length > 1 && node.some(record => record.type === types.CNAME)) {
        throw new Error(`${name} has a CNAME record and others`);
      }
    }
  }

  /** Whether the zone speaks for the name. */
  covers(name: string): boolean {
    return this.#pathTo(lowerName(name)) !== null;
  }

  /** Records of a name and type, without aliases and wildcards: for additional sections. */
  at(name: string, type: number): readonly ResourceRecord[] {
    return (this.#nodes.get(lowerName(name)) ?? []).filter(record => record.type === type);
  }

  /** What the zone says about a name that it covers. Type ANY finds all types. */
  find(name: string, type: number): Finding {
    const path = this.#pathTo(lowerName(name));
    if (path === null) return { kind: 'nxdomain' };
    for (const cut of path) {
      const records = cut === this.origin ? [] : this.at(cut, types.NS);
      const parentsOwn = cut === path.at(-1) && type === types.DS;
      if (records.length > 0 && !parentsOwn) return { kind: 'referral', records };
    }
    const node = this.#nodes.get(path.at(-1) ?? this.origin);
    if (node) return pick(node, name, type);
    const encloser = path.findLast(step => this.#nodes.has(step)) ?? this.origin;
    const wildcard = this.#nodes.get(encloser === '.' ? '*.' : `*.${encloser}`);
    return wildcard ? pick(wildcard, name, type) : { kind: 'nxdomain' };
  }

  #add(record: ResourceRecord): void {
    const name = lowerName(record.name);
    const path = this.#pathTo(name);
    if (path === null) throw new Error(`${record.name} is outside the zone ${this.origin}`);
    // Names between the origin and this one exist, even without records (RFC 8020).
    for (const step of path) if (!this.#nodes.has(step)) this.#nodes.set(step, []);
    this.#nodes.get(name)?.push(record);
  }

  /** The names from the origin down to this lower-case name; null when it is outside. */
  #pathTo(name: string): string[] | null {
    const path: string[] = [];
    for (let step: string | null = name; step !== null; step = parentOf(step)) {
      path.unshift(step);
      if (step === this.origin) return path;
    }
    return null;
  }
}

function pick(node: readonly ResourceRecord[], name: string, type: number): Finding {
  const records = node.filter(record => record.type === type || type === types.ANY);
  if (records.length > 0) return { kind: 'records', records: records.map(record => ({ ...record, name })) };
  for (const record of node) {
    if (record.data.kind === 'CNAME') {
      return { kind: 'alias', record: { ...record, name }, target: record.data.target };
    }
  }
  return { kind: 'nodata' };
}

/** The name without its first label; null for the root. Knows escapes (RFC 1035 section 5.1). */
function parentOf(name: string): string | null {
  if (name === '.') return null;
  const parent = name.replace(/^(?:\\.|[^\\.])*\./s, '');
  return parent === '' ? '.' : parent;
}
