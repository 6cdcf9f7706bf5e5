/** How to start each real resolver so that it resolves from the lab's root, on 127.0.0.1 and ::1. */
import { labAddresses } from './lab.ts';
import { run } from './process.ts';
import type { Program } from './requires.ts';
import { NameServer, type Place, type Recipe } from './server.ts';

const hints = `. 3600 IN NS a.root.\na.root. 3600 IN A ${labAddresses.root}\n`;

/** The resolvers by name, with the program that each needs. */
export const resolvers = {
  bind: { program: 'named', recipe: bind },
  unbound: { program: 'unbound', recipe: unbound },
  recursor: { program: 'pdns_recursor', recipe: recursor },
  knot: { program: 'kresd', recipe: knot },
} as const satisfies Record<string, { program: Program; recipe: (place: Place, version: string) => Recipe }>;

export type ResolverName = keyof typeof resolvers;
export const resolverNames = Object.keys(resolvers) as ResolverName[];

/** Starts a resolver and waits until it resolves a name of the lab, which must run. */
export async function startResolver(name: ResolverName): Promise<NameServer> {
  const { program, recipe } = resolvers[name];
  const { stdout, stderr } = await run(program, [
    program === 'named' || program === 'unbound' ? '-V' : '--version',
  ]);
  return await NameServer.start(name, place => recipe(place, stdout + stderr), 'www.lab.example');
}

function bind({ folder, port }: Place): Recipe {
  const config = `
options {
  directory "${folder}"; pid-file none; session-keyfile none; managed-keys-directory "${folder}";
  listen-on port ${port} { 127.0.0.1; };
  listen-on-v6 port ${port} { ::1; };
  recursion yes; max-cache-size 32m; allow-query { any; }; dnssec-validation no; empty-zones-enable no; max-udp-size 4096;
  server-id "bind-node"; hostname "bind-host"; version "bind-version";
};
controls { };
zone "." { type hint; file "hints"; };
`;
  return {
    program: 'named',
    files: { 'named.conf': config, hints },
    args: ['-g', '-n', '1', '-c', `${folder}/named.conf`],
  };
}

function unbound({ folder, port }: Place): Recipe {
  const config = `
server:
  directory: "${folder}"
  chroot: ""
  username: ""
  pidfile: ""
  use-syslog: no
  logfile: ""
  verbosity: 1
  num-threads: 1
  do-daemonize: no
  interface: 127.0.0.1@${port}
  interface: ::1@${port}
  access-control: 0.0.0.0/0 allow
  access-control: ::/0 allow
  do-not-query-localhost: no
  root-hints: "hints"
  module-config: "iterator"
  identity: "unbound-node"
  nsid: ascii_unbound-nsid
  version: "unbound-version"
  edns-buffer-size: 4096
  max-udp-size: 4096
remote-control:
  control-enable: no
`;
  return {
    program: 'unbound',
    files: { 'unbound.conf': config, hints },
    args: ['-d', '-p', '-c', `${folder}/unbound.conf`],
  };
}

function recursor({ folder, port }: Place, version: string): Recipe {
  const settings = {
    'socket-dir': folder,
    'local-address': `127.0.0.1:${port},[::1]:${port}`,
    'hint-file': `${folder}/hints`,
    'allow-from': '',
    'dont-query': '',
    dnssec: 'process-no-validate',
    'security-poll-suffix': '',
    threads: '1',
    daemon: 'no',
    'write-pid': 'no',
    'disable-syslog': 'yes',
    loglevel: '4',
    setuid: '',
    setgid: '',
    'server-id': 'recursor-node',
    'version-string': 'recursor-version',
    'udp-truncation-threshold': '4096',
    'serve-rfc1918': 'no',
  };
  const [major = 4, minor = 0] = /Recursor (\d+)\.(\d+)/.exec(version)?.slice(1).map(Number) ?? [];
  const old = major > 5 || (major === 5 && minor >= 2) ? ['--enable-old-settings'] : [];
  return {
    program: 'pdns_recursor',
    files: {
      'recursor.conf': Object.entries(settings)
        .map(([k, v]) => `${k}=${v}\n`)
        .join(''),
      hints,
    },
    args: [`--config-dir=${folder}`, ...old],
  };
}

function knot({ folder, port }: Place): Recipe {
  const config = `
modules.unload('ta_update')
modules.unload('ta_signal_query')
modules.unload('ta_sentinel')
modules.unload('priming')
modules.unload('detect_time_skew')
modules.unload('detect_time_jump')
modules = { 'hints > iterate', 'nsid' }
trust_anchors.remove('.')
net.listen('127.0.0.1', ${port})
net.listen('::1', ${port})
net.bufsize(4096)
cache.open(10 * MB, 'lmdb://${folder}')
hints.root({ ['a.root.'] = '${labAddresses.root}' })
nsid.name('knot-nsid')
`;
  return {
    program: 'kresd',
    files: { 'kresd.conf': config },
    args: ['-n', '-c', `${folder}/kresd.conf`, folder],
  };
}
