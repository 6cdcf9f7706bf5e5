/** Memory for packets: one block that never moves, handed out once at set-up and never given back. */

/** Satisfies `Arena` of front/ports.ts. */
export type ArenaMemory = {
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  /** Takes `bytes` for good, aligned to 64 bytes; gives the byte offset. Throws RangeError when it is used up. */
  reserve(bytes: number): number;
};

/**
 * A zeroed block of `bytes` (rounded up to 64). Pages that are never touched cost no memory, so a generous size is cheap.
 * It is a SharedArrayBuffer because those are never detached or moved: system calls hold addresses into it.
 */
export function makeArena(bytes: number): ArenaMemory {
  const size = Math.ceil(bytes / 64) * 64;
  const memory = new SharedArrayBuffer(size);
  // Offset 0 stays unused, so that 0 can mean "none".
  let next = 64;
  return {
    u8: new Uint8Array(memory),
    i32: new Int32Array(memory),
    reserve(wanted) {
      const at = next;
      const end = at + Math.ceil(wanted / 64) * 64;
      if (end > size)
        throw new RangeError(`arena of ${size} bytes is used up: ${wanted} more wanted at ${at}`);
      next = end;
      return at;
    },
  };
}
