/** The nameservers that Chorus knows how to start. */

export const serverKinds = ['bind', 'unbound', 'pdns-recursor', 'knot', 'other'] as const;
export type ServerKind = (typeof serverKinds)[number];

type Kind = {
  /** For people. */
  readonly title: string;
  /** Where Debian's package keeps its configuration. */
  readonly config: string;
  /** Starts it in the foreground, with its output on standard output and error. */
  readonly command: (config: string) => readonly string[];
};

/** How each is started. All stay in the foreground, write no pid file and leave the choice of the user to us. */
export const kinds: Readonly<Record<Exclude<ServerKind, 'other'>, Kind>> = {
  bind: {
    title: 'BIND',
    config: '/etc/bind/named.conf',
    command: config => ['named', '-g', '-c', config],
  },
  unbound: {
    title: 'Unbound',
    config: '/etc/unbound/unbound.conf',
    command: config => ['unbound', '-d', '-p', '-c', config],
  },
  'pdns-recursor': {
    title: 'PowerDNS Recursor',
    config: '/etc/powerdns',
    command: config => [
      'pdns_recursor',
      `--config-dir=${config}`,
      '--daemon=no',
      '--write-pid=no',
      '--disable-syslog',
      '--log-timestamp=no',
    ],
  },
  knot: {
    title: 'Knot Resolver',
    config: '/etc/knot-resolver/kresd.conf',
    command: config => ['kresd', '-n', '-c', config, '/var/lib/knot-resolver'],
  },
};

/** The configuration that a kind is started with; null for `other`. */
export function configOf(kind: ServerKind, config?: string): string | null {
  return kind === 'other' ? null : (config ?? kinds[kind].config);
}

/** The command of a kind; empty for `other`, which has none of its own. */
export function commandOf(kind: ServerKind, config?: string): readonly string[] {
  if (kind === 'other') return [];
  const known = kinds[kind];
  return known.command(config ?? known.config);
}
