/**
 * How the shared memory of the cache is laid out.
 *
 * The cache is a hash table of pages. A page holds the entries whose hash falls on it: a header, a fixed number of
 * slots and, behind them, the entries. All that a lookup or a store touches is in one page; a page
 * makes room for itself, so there is no global list, no global lock and no fragmentation beyond a page.
 *
 * Page header, 32-bit words: [sequence, slots used, first free byte, live data bytes,
 * evictions since use faded]. The sequence is odd while a writer
 * is at work (a sequence lock: H.-J. Boehm, "Can seqlocks get along with programming language memory models?", 2012).
 *
 * Slot, 8 bytes: tag (the 32-bit hash), place of the entry in the page (2 bytes), use (1 byte), failures in a row (1 byte).
 * A question has two entries at most: an answer (no failures) and, beside it, a failure.
 *
 * Entry, from an address that is a multiple of 8:
 *
 * | at | bytes | what |
 * |----|-------|------|
 * |  0 | 4 | time it was stored, s |
 * |  4 | 4 | time to live from then on, s |
 * |  8 | 2 | size of the entry |
 * | 10 | 2 | length of the answer |
 * | 12 | 1 | key flags (wire/scan.ts) |
 * | 13 | 1 | length of the client subnet |
 * | 14 | 2 | number of TTL fields |
 * | 16 | 2 | length of the question's name |
 * | 18 | 2 | offset of the OPT record in the answer, 0: none |
 * | 20 |   | the answer, its question in lower case; then TTL offsets, 2 bytes each; then the client subnet |
 */
export const headerBytes = 4096;
export const pageBytes = 8192;
export const slotsPerPage = 80;

/** Words at the start of the memory: who we are, and sums over all pages kept with atomic additions. */
export const head = {
  magic: 0,
  pages: 1,
  seed: 2,
  entries: 3,
  bytes: 4,
  stores: 5,
  evictions: 6,
  expired: 7,
  skipped: 8,
  failures: 9,
} as const;
export const magic = 0x43484f31;

export const page = {
  sequence: 0,
  used: 1,
  top: 2,
  live: 3,
  evicted: 4,
  slots: 24,
  data: 24 + slotsPerPage * 8,
} as const;
export const slotBytes = 8;
/** Offsets in a slot. */
export const slot = { tag: 0, place: 4, use: 6, failures: 7 } as const;

export const entry = {
  stored: 0,
  ttl: 4,
  size: 8,
  length: 10,
  keyFlags: 12,
  subnetLength: 13,
  ttlCount: 14,
  nameLength: 16,
  opt: 18,
  answer: 20,
} as const;

/** Answers longer than this are passed on but not kept: one would push half a page of others out. */
export const longestAnswer = 4096;

/**
 * Bytes that failures may take up in a page, an eighth: names that fail in a flood push each other out, and few answers.
 */
export const failureBytes = (pageBytes - page.data) >> 3;
/** Failures are kept without options where they would be longer than this. One with the longest name and a few extended errors fits. */
export const longestFailure = 512;
