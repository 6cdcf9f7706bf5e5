/** Codes and names from the IANA registry "Domain Name System (DNS) Parameters". */

/** Resource record types. */
export const types = {
  A: 1,
  NS: 2,
  MD: 3,
  MF: 4,
  CNAME: 5,
  SOA: 6,
  MB: 7,
  MG: 8,
  MR: 9,
  NULL: 10,
  WKS: 11,
  PTR: 12,
  HINFO: 13,
  MINFO: 14,
  MX: 15,
  TXT: 16,
  RP: 17,
  AFSDB: 18,
  X25: 19,
  ISDN: 20,
  RT: 21,
  NSAP: 22,
  'NSAP-PTR': 23,
  SIG: 24,
  KEY: 25,
  PX: 26,
  GPOS: 27,
  AAAA: 28,
  LOC: 29,
  NXT: 30,
  EID: 31,
  NIMLOC: 32,
  SRV: 33,
  ATMA: 34,
  NAPTR: 35,
  KX: 36,
  CERT: 37,
  A6: 38,
  DNAME: 39,
  SINK: 40,
  OPT: 41,
  APL: 42,
  DS: 43,
  SSHFP: 44,
  IPSECKEY: 45,
  RRSIG: 46,
  NSEC: 47,
  DNSKEY: 48,
  DHCID: 49,
  NSEC3: 50,
  NSEC3PARAM: 51,
  TLSA: 52,
  SMIMEA: 53,
  HIP: 55,
  NINFO: 56,
  RKEY: 57,
  TALINK: 58,
  CDS: 59,
  CDNSKEY: 60,
  OPENPGPKEY: 61,
  CSYNC: 62,
  ZONEMD: 63,
  SVCB: 64,
  HTTPS: 65,
  DSYNC: 66,
  HHIT: 67,
  BRID: 68,
  SPF: 99,
  UINFO: 100,
  UID: 101,
  GID: 102,
  UNSPEC: 103,
  NID: 104,
  L32: 105,
  L64: 106,
  LP: 107,
  EUI48: 108,
  EUI64: 109,
  NXNAME: 128,
  TKEY: 249,
  TSIG: 250,
  IXFR: 251,
  AXFR: 252,
  MAILB: 253,
  MAILA: 254,
  ANY: 255,
  URI: 256,
  CAA: 257,
  AVC: 258,
  DOA: 259,
  AMTRELAY: 260,
  RESINFO: 261,
  WALLET: 262,
  CLA: 263,
  IPN: 264,
  TA: 32768,
  DLV: 32769,
} as const;
/** A type's mnemonic. */
export type TypeName = keyof typeof types;

/** Classes; NONE and ANY serve UPDATE and questions (RFC 2136 section 1.1). */
export const classes = { IN: 1, CH: 3, HS: 4, NONE: 254, ANY: 255 } as const;

/** Kinds of message. */
export const opcodes = { QUERY: 0, IQUERY: 1, STATUS: 2, NOTIFY: 4, UPDATE: 5, DSO: 6 } as const;

/** Response codes with the extended ones of EDNS, 12 bits (RFC 6895 section 2.3). BADVERS and BADSIG share 16. */
export const rcodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  YXDOMAIN: 6,
  YXRRSET: 7,
  NXRRSET: 8,
  NOTAUTH: 9,
  NOTZONE: 10,
  DSOTYPENI: 11,
  BADVERS: 16,
  BADKEY: 17,
  BADTIME: 18,
  BADMODE: 19,
  BADNAME: 20,
  BADALG: 21,
  BADTRUNC: 22,
  BADCOOKIE: 23,
} as const;

/** EDNS option codes. */
export const options = {
  LLQ: 1,
  UL: 2,
  NSID: 3,
  DAU: 5,
  DHU: 6,
  N3U: 7,
  ECS: 8,
  EXPIRE: 9,
  COOKIE: 10,
  KEEPALIVE: 11,
  PADDING: 12,
  CHAIN: 13,
  KEYTAG: 14,
  EDE: 15,
  'CLIENT-TAG': 16,
  'SERVER-TAG': 17,
  'REPORT-CHANNEL': 18,
  ZONEVERSION: 19,
} as const;

/** Extended DNS error codes with their meaning (RFC 8914 section 4 and later registrations). */
export const extendedErrors: ReadonlyMap<number, string> = new Map([
  [0, 'Other'],
  [1, 'Unsupported DNSKEY Algorithm'],
  [2, 'Unsupported DS Digest Type'],
  [3, 'Stale Answer'],
  [4, 'Forged Answer'],
  [5, 'DNSSEC Indeterminate'],
  [6, 'DNSSEC Bogus'],
  [7, 'Signature Expired'],
  [8, 'Signature Not Yet Valid'],
  [9, 'DNSKEY Missing'],
  [10, 'RRSIGs Missing'],
  [11, 'No Zone Key Bit Set'],
  [12, 'NSEC Missing'],
  [13, 'Cached Error'],
  [14, 'Not Ready'],
  [15, 'Blocked'],
  [16, 'Censored'],
  [17, 'Filtered'],
  [18, 'Prohibited'],
  [19, 'Stale NXDOMAIN Answer'],
  [20, 'Not Authoritative'],
  [21, 'Not Supported'],
  [22, 'No Reachable Authority'],
  [23, 'Network Error'],
  [24, 'Invalid Data'],
  [25, 'Signature Expired before Valid'],
  [26, 'Too Early'],
  [27, 'Unsupported NSEC3 Iterations Value'],
  [28, 'Unable to conform to policy'],
  [29, 'Synthesized'],
  [30, 'Invalid Query Type'],
]);

type Table = { readonly [name: string]: number };

function inverse(table: Table): ReadonlyMap<number, string> {
  return new Map(Object.entries(table).map(([name, code]) => [code, name]));
}

const typeNames = inverse(types);
const classNames = inverse(classes);
const opcodeNames = inverse(opcodes);
const rcodeNames = inverse(rcodes);
const optionNames = inverse(options);

function codeOf(table: Table, prefix: string, max: number, text: string): number | undefined {
  const name = text.toUpperCase();
  if (Object.hasOwn(table, name)) return table[name];
  if (!name.startsWith(prefix)) return undefined;
  const digits = name.slice(prefix.length);
  return /^\d{1,5}$/.test(digits) && Number(digits) <= max ? Number(digits) : undefined;
}

/** A type's code by mnemonic in any case, or by TYPE123 (RFC 3597 section 5); undefined when it is neither. */
export function typeCode(text: string): number | undefined {
  return codeOf(types, 'TYPE', 0xffff, text);
}

/** A type's mnemonic, else TYPE123. */
export function typeName(code: number): string {
  return typeNames.get(code) ?? `TYPE${code}`;
}

/** A class's code by mnemonic in any case, or by CLASS123 (RFC 3597 section 5); undefined when it is neither. */
export function classCode(text: string): number | undefined {
  return codeOf(classes, 'CLASS', 0xffff, text);
}

/** A class's mnemonic, else CLASS123. */
export function className(code: number): string {
  return classNames.get(code) ?? `CLASS${code}`;
}

/** An opcode by name in any case, or by OPCODE7; undefined when it is neither. */
export function opcodeCode(text: string): number | undefined {
  return codeOf(opcodes, 'OPCODE', 15, text);
}

/** An opcode's name, else OPCODE7. */
export function opcodeName(code: number): string {
  return opcodeNames.get(code) ?? `OPCODE${code}`;
}

/** A response code by name in any case, or by RCODE77; undefined when it is neither. */
export function rcodeCode(text: string): number | undefined {
  return codeOf(rcodes, 'RCODE', 0xfff, text);
}

/** A response code's name, else RCODE77. */
export function rcodeName(code: number): string {
  return rcodeNames.get(code) ?? `RCODE${code}`;
}

/** An EDNS option's code by name in any case, or by OPT77; undefined when it is neither. */
export function optionCode(text: string): number | undefined {
  return codeOf(options, 'OPT', 0xffff, text);
}

/** An EDNS option's name, else OPT77. */
export function optionName(code: number): string {
  return optionNames.get(code) ?? `OPT${code}`;
}
