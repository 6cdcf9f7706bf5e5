/** Says which programs a test needs, so that a machine without them skips it in plain sight. */
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** The Debian package that brings each program. `namespace` is not a program: see `isolate.ts`. */
const packages = {
  unbound: 'unbound',
  named: 'bind9',
  pdns_recursor: 'pdns-recursor',
  kresd: 'knot-resolver',
  dnsperf: 'dnsperf',
  dig: 'bind9-dnsutils',
  nsupdate: 'bind9-dnsutils',
  kdig: 'knot-dnsutils',
  drill: 'ldnsutils',
  etcd: 'etcd-server',
  etcdctl: 'etcd-client',
  bird: 'bird2',
  birdc: 'bird2',
  vtysh: 'frr',
  exabgp: 'exabgp',
  gobgpd: 'gobgpd',
  tshark: 'tshark',
  ip: 'iproute2',
  nft: 'nftables',
  ipvsadm: 'ipvsadm',
  nsenter: 'util-linux',
  setpriv: 'util-linux',
  'systemd-analyze': 'systemd',
  unshare: 'util-linux',
} as const;

export type Program = keyof typeof packages;

/** The search path with the folders of system programs, which an ordinary user's path may lack. */
export const searchPath = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/sbin', '/usr/bin', '/bin'];

/** Where a program is; undefined when it is not installed. */
export function findProgram(program: string): string | undefined {
  for (const folder of searchPath) {
    const file = join(folder, program);
    try {
      accessSync(file, constants.X_OK);
      return file;
    } catch {
      // Not in this folder.
    }
  }
  return undefined;
}

/** Ends a test that hangs, in ms; far above what the slowest needs. */
const timeout = 240_000;

/**
 * Options for `describe` or `test`: skipped, with the packages to install, when a program is missing; with `root`,
 * also when this user may not make network namespaces.
 */
export function requires(...needs: readonly (Program | 'root')[]): {
  readonly skip: string | false;
  readonly timeout: number;
} {
  const missing = needs.filter(need => need !== 'root' && findProgram(need) === undefined);
  if (missing.length > 0) {
    const names = new Set(missing.map(need => packages[need as Program]));
    return { skip: `needs ${missing.join(', ')} (Debian: apt-get install ${[...names].join(' ')})`, timeout };
  }
  if (needs.includes('root') && process.getuid?.() !== 0) {
    return {
      skip: 'needs root, for a network namespace (try: unshare --map-root-user --net npm test)',
      timeout,
    };
  }
  return { skip: false, timeout };
}
