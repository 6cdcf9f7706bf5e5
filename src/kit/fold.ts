/** Letters of names compare without case, for ASCII only (RFC 4343). */

/** `fold[b]` is the byte b, with A–Z made a–z. */
export const fold = new Uint8Array(256);
for (let b = 0; b < 256; b++) fold[b] = b >= 0x41 && b <= 0x5a ? b + 32 : b;

/** Whether `length` bytes at two places are alike but for the case of letters. */
export function sameFolded(a: Uint8Array, at: number, b: Uint8Array, bt: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (fold[a[at + i]!] !== fold[b[bt + i]!]) return false;
  return true;
}

/** FNV-1a of `length` bytes, letters in lower case: the same in every thread and run. Unsigned. */
export function foldedHash(u8: Uint8Array, at: number, length: number): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < length; i++) hash = Math.imul(hash ^ fold[u8[at + i]!]!, 0x01000193);
  // Final avalanche of MurmurHash3, so that all bits may be used.
  hash ^= hash >>> 16;
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  hash = Math.imul(hash, 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}
