/**
 * Capabilities of Linux, which belong to threads (capabilities(7)). The main thread keeps CAP_NET_ADMIN when it gives up root:
 * without it no address is leased. Worker threads and child processes do not get it, but for a child that is lent it.
 */
import { makeArena } from '#kit/arena.ts';
import { constants, loadLibc } from './libc.ts';

/** Numbers of capabilities (linux/capability.h). */
export const capabilities = { CAP_NET_BIND_SERVICE: 10, CAP_NET_ADMIN: 12 } as const;
export type Capability = (typeof capabilities)[keyof typeof capabilities];

/** The sets of a thread, as bits. */
export type CapabilitySets = {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
};

/** What it takes of the system; all of it concerns the calling thread alone. Setters throw Error. */
export interface CapabilitySystem {
  read(): CapabilitySets;
  write(sets: CapabilitySets): void;
  /** Whether permitted capabilities outlive the change from root to another user (PR_SET_KEEPCAPS). */
  keepAcrossUsers(keep: boolean): void;
  /** Whether a program started by this thread gets the capability (PR_CAP_AMBIENT); it must be permitted and inheritable. */
  setAmbient(capability: Capability, on: boolean): void;
}

const PR_CAP_AMBIENT_RAISE = 2;
const PR_CAP_AMBIENT_LOWER = 3;
/** _LINUX_CAPABILITY_VERSION_3: two words of 32 capabilities each. */
const version3 = 0x2008_0522;

/** This thread's capabilities by libc. Throws Error where there is none (not Linux). */
export function systemCapabilities(): CapabilitySystem {
  const libc = loadLibc();
  const arena = makeArena(256);
  const base = libc.addressOf(arena.u8);
  const header = arena.reserve(8);
  const data = arena.reserve(24);
  const view = new DataView(arena.u8.buffer);
  const head = () => {
    view.setUint32(header, version3, true);
    // 0: the calling thread.
    view.setUint32(header + 4, 0, true);
  };
  const check = (what: string, result: number) => {
    if (result !== 0) throw new Error(`${what}: ${libc.strerror(libc.errno())}`);
  };
  /** Set `index` (effective, permitted, inheritable) over both words. */
  const get = (index: number) =>
    BigInt(view.getUint32(data + 4 * index, true)) |
    (BigInt(view.getUint32(data + 12 + 4 * index, true)) << 32n);
  const put = (index: number, bits: bigint) => {
    view.setUint32(data + 4 * index, Number(bits & 0xffff_ffffn), true);
    view.setUint32(data + 12 + 4 * index, Number(bits >> 32n), true);
  };
  return {
    read() {
      head();
      check('capget', libc.capget(base + header, base + data));
      return { effective: get(0), permitted: get(1), inheritable: get(2) };
    },
    write({ effective, permitted, inheritable }) {
      head();
      put(0, effective);
      put(1, permitted);
      put(2, inheritable);
      check('capset', libc.capset(base + header, base + data));
    },
    keepAcrossUsers(keep) {
      check('prctl PR_SET_KEEPCAPS', libc.prctl(constants.PR_SET_KEEPCAPS, keep ? 1 : 0, 0, 0, 0));
    },
    setAmbient(capability, on) {
      const what = on ? PR_CAP_AMBIENT_RAISE : PR_CAP_AMBIENT_LOWER;
      check('prctl PR_CAP_AMBIENT', libc.prctl(constants.PR_CAP_AMBIENT, what, capability, 0, 0));
    },
  };
}

function bit(capability: Capability): bigint {
  return 1n << BigInt(capability);
}

/** Whether this thread may use the capability now. False where there are no capabilities. */
export function hasCapability(capability: Capability, system?: CapabilitySystem): boolean {
  try {
    return ((system ?? systemCapabilities()).read().effective & bit(capability)) !== 0n;
  } catch {
    return false;
  }
}

/**
 * Runs `change`, which turns root into another user, so that this thread has `kept` and no other capability afterwards. The other
 * threads lose all; so do programs that are started later. Throws what `change` throws, and Error where the capability is not
 * there to be kept.
 */
export function keepCapabilities(
  kept: readonly Capability[],
  change: () => void,
  system: CapabilitySystem = systemCapabilities(),
): void {
  const bits = kept.reduce((all, capability) => all | bit(capability), 0n);
  const missing = bits & ~system.read().permitted;
  if (missing !== 0n) throw new Error('the capabilities to be kept are not there');
  system.keepAcrossUsers(true);
  try {
    change();
    // All permitted ones came along, none is in effect.
    system.write({ effective: bits, permitted: bits, inheritable: 0n });
  } finally {
    system.keepAcrossUsers(false);
  }
}

/** Keeps CAP_NET_ADMIN, for `become` of daemon/account.ts; without it, the change happens all the same. */
export function keepNetAdmin(change: () => void, system: CapabilitySystem = systemCapabilities()): void {
  const { CAP_NET_ADMIN } = capabilities;
  const there = (system.read().permitted & bit(CAP_NET_ADMIN)) !== 0n;
  keepCapabilities(there ? [CAP_NET_ADMIN] : [], change, system);
}

/**
 * Gives up all capabilities of this thread unless it is root's: for worker threads, which a main thread that kept some makes with
 * the same. What the service manager gave to the whole process (ambient, so inheritable) stays.
 */
export function dropKeptCapabilities(uid: number | undefined, system?: CapabilitySystem): void {
  if (uid === 0 || uid === undefined || process.platform !== 'linux') return;
  system ??= systemCapabilities();
  const { effective, permitted, inheritable } = system.read();
  if ((permitted & ~inheritable) === 0n) return;
  system.write({
    effective: effective & inheritable,
    permitted: permitted & inheritable,
    inheritable,
  });
}

/**
 * Runs `start`, which starts a program, so that the program has the capability although its user is not root: for `nft`. The
 * program is started before `spawn` of node:child_process returns, so nothing else can be started meanwhile. Without the
 * capability `start` runs all the same: the program then says what it lacks.
 */
export function lendCapability<Result>(
  capability: Capability,
  start: () => Result,
  system?: CapabilitySystem,
): Result {
  if (process.getuid?.() === 0 || process.platform !== 'linux') return start();
  system ??= systemCapabilities();
  const before = system.read();
  if ((before.permitted & bit(capability)) === 0n || (before.inheritable & bit(capability)) !== 0n)
    return start();
  system.write({ ...before, inheritable: before.inheritable | bit(capability) });
  try {
    system.setAmbient(capability, true);
    return start();
  } finally {
    // Without the inheritable bit the ambient one goes too.
    system.write(before);
  }
}
