/**
 * Every error that Chorus shows an operator, in one table: a code to search for, a message that says what and where,
 * and a remedy that says what to do. `docs/reference/errors.md` is generated from it.
 */

type Entry = { readonly message: string; readonly remedy: string; readonly exit: number };

/** Exit codes of the command line, after sysexits.h where one fits. */
export const exitCodes = {
  ok: 0,
  failed: 1,
  usage: 64,
  data: 65,
  unavailable: 69,
  software: 70,
  osError: 71,
  permission: 77,
  config: 78,
} as const;

/** `{name}` in a message is filled from the error's details. */
export const errorTable = {
  CONFIG_UNREADABLE: {
    message: 'cannot read the configuration file {file}: {reason}',
    remedy: 'Check the path and that this user may read it.',
    exit: exitCodes.config,
  },
  CONFIG_INVALID: {
    message: 'the configuration {file} has {count} problem(s):\n{problems}',
    remedy: 'Mend the lines named above; `chorus config check FILE` tells when it is right.',
    exit: exitCodes.config,
  },
  ADDRESS_IN_USE: {
    message: 'cannot listen on {address} ({protocol}): the address is in use',
    remedy: 'Stop the other server (`ss -lnptu` names it) or change the address in the configuration.',
    exit: exitCodes.unavailable,
  },
  ADDRESS_NOT_AVAILABLE: {
    message: 'cannot listen on {address} ({protocol}): no interface of this machine has that address',
    remedy: 'Add the address to an interface, or listen on an address that `ip address` shows.',
    exit: exitCodes.unavailable,
  },
  PERMISSION: {
    message: 'cannot listen on {address} ({protocol}): permission denied',
    remedy:
      'Ports below 1024 need root or the capability CAP_NET_BIND_SERVICE: start as root with `user:` set, use packaging/chorus.service, or a higher port.',
    exit: exitCodes.permission,
  },
  LISTEN_FAILED: {
    message: 'cannot listen on {address} ({protocol}): {reason}',
    remedy: 'Check the address with `ip address` and the port with `ss -lnptu`.',
    exit: exitCodes.osError,
  },
  USER_UNKNOWN: {
    message: 'cannot run as user {user}: {reason}',
    remedy:
      'Name a user (and `group:`) that exists: `useradd --system NAME` makes one. Only a process started as root may change to another.',
    exit: exitCodes.permission,
  },
  ENGINE_UNAVAILABLE: {
    message: 'the batch engine cannot run here: {reason}',
    remedy: 'Use `engine: auto` or `engine: loop`; the batch engine needs 64-bit Linux with glibc or musl.',
    exit: exitCodes.unavailable,
  },
  API_UNREACHABLE: {
    message: 'no Chorus answers at {url}: {reason}',
    remedy: 'Start it with `chorus serve --config FILE`, or name its API with --api ADDRESS:PORT.',
    exit: exitCodes.unavailable,
  },
  API_REFUSED: {
    message: '{reason}',
    remedy: 'Correct the request; `chorus COMMAND --help` shows examples.',
    exit: exitCodes.failed,
  },
  WORKER_DIED: {
    message: 'worker {worker} stopped by an error: {reason}',
    remedy:
      'Chorus starts it again while it runs. This is a fault in Chorus: report the stack trace in the log.',
    exit: exitCodes.software,
  },
  ZONE_UNREADABLE: {
    message: 'cannot read the zone file {file}: {reason}',
    remedy: 'Check the path and that this user may read it.',
    exit: exitCodes.config,
  },
  ZONE_INVALID: {
    message: 'the zone file {file} is no zone: {reason}',
    remedy: 'Mend the file; src/lab/lab.internal.zone is one to compare with.',
    exit: exitCodes.config,
  },
  FARM_PORT_IN_USE: {
    message: 'cannot start the farm: {address} ({protocol}) is in use',
    remedy: 'Stop what uses it (`ss -lnptu` names it), or choose another with `chorus up {option}`.',
    exit: exitCodes.unavailable,
  },
  FARM_FAILED: {
    message: 'the farm stopped: {reason}',
    remedy: 'The lines above are the end of its log.',
    exit: exitCodes.failed,
  },
  BURST_REFUSED: {
    message: 'will not send a burst to {address}: it is not a loopback or private address',
    remedy: 'A burst can make a nameserver fail. If you run this one, add --yes-i-run-this-server.',
    exit: exitCodes.usage,
  },
  WORKER_SILENT: {
    message: 'worker {worker} did not answer `{request}` within {seconds} s',
    remedy:
      'A reload that met it has changed nothing. If it happens again, restart Chorus and report the log.',
    exit: exitCodes.software,
  },
  BACKENDS_FULL: {
    message:
      'too many backends: {count} wanted, room for {limit} over all pools (removed ones leave when their queries have ended)',
    remedy: 'Name fewer backends, or reload again in a few seconds when many were just removed.',
    exit: exitCodes.config,
  },
  BACKEND_UNKNOWN: {
    message: 'no backend has the name {name}',
    remedy: '`chorus backend list` shows the names; POOL/NAME names one of a pool.',
    exit: exitCodes.data,
  },
  BACKEND_AMBIGUOUS: {
    message: 'more than one backend has the name {name}: {matches}',
    remedy: 'Name one of them in full.',
    exit: exitCodes.data,
  },
  CACHE_OFF: {
    message: 'the cache is off',
    remedy: 'Set `cache: {memory: SIZE}` in the configuration and restart.',
    exit: exitCodes.failed,
  },
  NAME_INVALID: {
    message: '{name} is not a domain name: {reason}',
    remedy: 'Write it like www.example.net, with \\. for a dot within a label.',
    exit: exitCodes.data,
  },
  SHUTTING_DOWN: {
    message: 'Chorus is shutting down',
    remedy: 'Wait until it is started again.',
    exit: exitCodes.unavailable,
  },
  HTTP_NOT_FOUND: {
    message: 'nothing is at {path}',
    remedy: 'GET / lists what there is.',
    exit: exitCodes.failed,
  },
  HTTP_METHOD: {
    message: '{method} does nothing at {path}, which takes {allowed}',
    remedy: 'Use a method that the path takes.',
    exit: exitCodes.failed,
  },
  HTTP_FORBIDDEN: {
    message: 'request refused: {reason}',
    remedy:
      'Ask the API by its own address, and send changes with `Content-Type: application/json` and from no web page of another origin.',
    exit: exitCodes.permission,
  },
  HTTP_BODY: {
    message: 'the body of the request is not understood: {reason}',
    remedy: 'Send a JSON object as documented for the path, or no body.',
    exit: exitCodes.data,
  },
  HTTP_TOO_LARGE: {
    message: 'the body of the request is larger than {limit} bytes',
    remedy: 'Send a smaller request.',
    exit: exitCodes.data,
  },
  SERVER_SILENT: {
    message: 'no nameserver answers at {server}',
    remedy:
      'Check the address and port with `dig @ADDRESS -p PORT`, and that the server lets this machine ask.',
    exit: exitCodes.unavailable,
  },
  IMPORT_INVALID: {
    message: '{file} is not understood, {count} problem(s):\n{problems}',
    remedy: 'Mend the lines named above; `keepalived -t -f FILE` tells what keepalived itself makes of them.',
    exit: exitCodes.data,
  },
  IMPORT_NOTHING: {
    message: 'there is nothing to import in {file}: {reason}',
    remedy:
      'Name a virtual server as the file does: --only "192.0.2.1 53", --only "fwmark 3", --only "group dns".',
    exit: exitCodes.data,
  },
  IMPORT_SEVERAL: {
    message:
      '{file} has {count} farms, with different real servers or weights, and a Chorus serves one:\n{farms}',
    remedy: 'Import each with --only and run a Chorus for each.',
    exit: exitCodes.data,
  },
  ROUTE_DAEMON_UNREACHABLE: {
    message: '{daemon} does not answer at {where}: {reason}',
    remedy:
      'Start it, or name where it listens in the options of the driver. Chorus goes on trying, and announces when it answers.',
    exit: exitCodes.unavailable,
  },
  ROUTE_DAEMON_PERMISSION: {
    message: 'this user may not speak to {daemon} at {where}',
    remedy:
      'Make the user of Chorus a member of the group that owns the socket (`ls -l {where}`): frrvty for FRR, bird for BIRD.',
    exit: exitCodes.permission,
  },
  ROUTE_DAEMON_SILENT: {
    message: '{daemon} at {where} did not end its answer within {seconds} s',
    remedy: 'Look whether it hangs or has too much to do; a larger `timeout` gives it more time.',
    exit: exitCodes.unavailable,
  },
  ROUTE_DAEMON_REFUSED: {
    message: '{daemon} refused `{command}`: {said}',
    remedy: 'Mend what it complains of; it goes on with what it had before. Chorus tries again.',
    exit: exitCodes.failed,
  },
  ROUTE_DAEMON_UNKNOWN: {
    message: 'what {daemon} answered to `{command}` is not understood: {said}',
    remedy: 'Chorus knows FRR 8 to 10, BIRD 2 and 3, and ExaBGP 4.2. Report the version and this line.',
    exit: exitCodes.software,
  },
  ROUTE_PROGRAM: {
    message: 'cannot run {program} for {daemon}: {reason}',
    remedy: 'Install it, or name its path in the options of the driver.',
    exit: exitCodes.unavailable,
  },
  ROUTE_CHILD: {
    message: '{daemon} does not run: {reason}',
    remedy:
      'Mend what it complains of; `{daemon}` of another origin may not take the configuration. Chorus starts it again.',
    exit: exitCodes.unavailable,
  },
  ROUTE_SESSION: {
    message: '{daemon} has no session with {peer} (from {local})',
    remedy:
      'Look whether the neighbour listens, has our address and AS as a neighbour, and whether TCP port 179 is let through.',
    exit: exitCodes.unavailable,
  },
  ROUTE_AS: {
    message: '{daemon} has no `router bgp {as}`: {found}',
    remedy: 'Set `local-as` (and `vrf`) of the driver to those of the BGP instance in `show running-config`.',
    exit: exitCodes.config,
  },
  ROUTE_FOREIGN: {
    message: '{daemon} announces {prefix} already, and Chorus did not say so: {what}',
    remedy:
      'Take it out of the configuration of {daemon}. Until then Chorus leaves it alone and cannot withdraw it.',
    exit: exitCodes.config,
  },
  ROUTE_NOT_TAKEN: {
    message: '{daemon} was told of {prefix} and does not announce it: {reason}',
    remedy:
      'FRR: `no bgp network import-check`, or the leased address where `lease` is set. BIRD: see `show route {prefix} all`.',
    exit: exitCodes.failed,
  },
  ROUTE_UNGUARDED: {
    message: '{daemon} does not look whether {interface} has the address: {reason}',
    remedy:
      'Mend that, or take `lease` out of the options of the driver: it promises that nothing is announced without it.',
    exit: exitCodes.config,
  },
  ROUTE_STALE: {
    message: 'not announced through {daemon}: {reason}',
    remedy:
      'Switch graceful restart off (FRR: `bgp graceful-restart-disable`, BIRD: `graceful restart off`), or set `stale-routes: warn`.',
    exit: exitCodes.config,
  },
  ROUTE_FILE_UNREAD: {
    message: '{daemon} does not read {file}: it knows nothing of {name}',
    remedy:
      'Add `include "{file}*";` (with the star BIRD starts without the file too) to the configuration of {daemon}, after its tables.',
    exit: exitCodes.config,
  },
  ROUTE_FILE: {
    message: 'cannot read or write {file}: {reason}',
    remedy: 'Let the user of Chorus write to its folder, and the daemon read it.',
    exit: exitCodes.permission,
  },
  ROUTE_FILE_FOREIGN: {
    message: '{file} was not written by Chorus: it is left as it is',
    remedy: 'Name another file in the options of the driver, or remove this one.',
    exit: exitCodes.config,
  },
  FILE_EXISTS: {
    message: '{file} exists already',
    remedy: 'Name another place for it, or add --force to write it anew.',
    exit: exitCodes.usage,
  },
  FILE_UNWRITABLE: {
    message: 'cannot write {file}: {reason}',
    remedy: 'Check that its folder exists and that this user may write there.',
    exit: exitCodes.osError,
  },
  DRAIN_NOTHING: {
    message: 'there is nothing to drain: the configuration has no service addresses',
    remedy:
      'Name them under `service-addresses:`, or take this front out where its address is moved. `chorus backend drain NAME` drains one backend.',
    exit: exitCodes.config,
  },
  DRAIN_NOT_KEPT: {
    message: 'drained, but a restart would end the drain: {reason}',
    remedy: 'Let this user write to the folder `state:` of the configuration, then drain again.',
    exit: exitCodes.osError,
  },
  DRAIN_STILL_KEPT: {
    message: 'no longer drained, but {file} would bring the drain back at a restart: {reason}',
    remedy: 'Remove the file by hand.',
    exit: exitCodes.osError,
  },
  DRAIN_FILE_BROKEN: {
    message: 'cannot tell from {file} whether this front is drained, so it stays drained: {reason}',
    remedy: '`chorus undrain` ends the drain and removes the file.',
    exit: exitCodes.data,
  },
  STATE_UNWRITABLE: {
    message: 'cannot make the folder `state` {folder}, so a drain would not survive a restart: {reason}',
    remedy:
      'Make the folder and give it to the user of Chorus, name another one under `state:`, or use `StateDirectory=chorus` of systemd.',
    exit: exitCodes.osError,
  },
  DRAIN_LIFTED: {
    message: 'the drain has ended before it was safe: {reason}',
    remedy: '`chorus routes` shows what is announced; `chorus drain` begins again.',
    exit: exitCodes.failed,
  },
  DRAIN_UNFINISHED: {
    message: 'not safe to stop after {seconds} s: {reason}',
    remedy:
      '`chorus routes` shows what is still announced and why; the drain goes on, `chorus undrain` ends it.',
    exit: exitCodes.failed,
  },
  ADDRESS_CLAIMED: {
    message: 'nothing is announced: {holder} announces {address} on this machine',
    remedy:
      'Stop the other Chorus (`ss -xlp` names who holds chorus/service-address/ADDRESS), or take the address out of one of the two configurations. This one goes on trying and announces when the other has ended.',
    exit: exitCodes.unavailable,
  },
  ROUTES_UNWELL: {
    message: 'this process is not well, and lets what it announces by a lease run out: {reason}',
    remedy: 'The log says what became of the worker. If it stays so, restart Chorus and report the log.',
    exit: exitCodes.software,
  },
  ROUTES_NONE: {
    message: 'there are no routes: the configuration has no service addresses',
    remedy: 'Name them under `service-addresses:` and reload.',
    exit: exitCodes.config,
  },
  ETCD_UNREACHABLE: {
    message: 'etcd does not answer at {url}: {reason}',
    remedy:
      'Check `withdrawal-budget: etcd:` and that `curl {url}/health` answers from this machine. Until then the rule of `when-away` is in force.',
    exit: exitCodes.unavailable,
  },
  ETCD_REFUSED: {
    message: 'etcd at {url} refuses {what}: {reason}',
    remedy:
      'Check `user` and `password-file` of `withdrawal-budget`, that this user may read and write below /chorus/FARM/, and `etcdctl endpoint status`.',
    exit: exitCodes.unavailable,
  },
  ETCD_REPLY: {
    message: 'the reply of {url} to {what} is not understood: {reason}',
    remedy:
      'Name an etcd of version 3.4 or later with its JSON gateway on (`enable-grpc-gateway`), and no proxy that changes replies.',
    exit: exitCodes.unavailable,
  },
  ETCD_FILE: {
    message: 'cannot read {file}, which etcd needs: {reason}',
    remedy: 'Check the path in `withdrawal-budget`, what is in the file, and that this user may read it.',
    exit: exitCodes.config,
  },
  BUDGET_NAMESAKE: {
    message: 'another front of the farm {farm} has the name {member} too: neither may withdraw on evidence',
    remedy: 'Give each front a name of its own with `withdrawal-budget: member:`.',
    exit: exitCodes.config,
  },
  BUDGET_FOREIGN: {
    message: '{count} key(s) in etcd below {prefix} are not understood and not counted; one of them: {first}',
    remedy:
      'Bring all fronts to one version of Chorus, or remove what else writes there (`etcdctl get --prefix {prefix} --keys-only`).',
    exit: exitCodes.data,
  },
  LEASE_UNAVAILABLE: {
    message: 'route driver {driver}: addresses of the kernel cannot be changed here: {reason}',
    remedy: 'An address lease needs 64-bit Linux. Use the driver `bgp`, or run Chorus on Linux.',
    exit: exitCodes.unavailable,
  },
  LEASE_PERMISSION: {
    message: 'route driver {driver}: may not change addresses of {interface}: {reason}',
    remedy:
      'It needs the capability CAP_NET_ADMIN: `AmbientCapabilities=CAP_NET_ADMIN` and `CapabilityBoundingSet=` in the systemd unit, or start as root with `user:` (the capability is kept).',
    exit: exitCodes.permission,
  },
  LEASE_NO_INTERFACE: {
    message: 'route driver {driver}: there is no interface {interface}: {reason}',
    remedy:
      'Make it (`ip link add {interface} type bridge && ip link set {interface} up`), or let Chorus do it with `create: on`.',
    exit: exitCodes.unavailable,
  },
  LEASE_INTERFACE_DOWN: {
    message: 'route driver {driver}: the interface {interface} is down, so its addresses are not announced',
    remedy: 'Raise it: `ip link set {interface} up`. Chorus raises only bridges, with `create: on`.',
    exit: exitCodes.unavailable,
  },
  LEASE_FOREIGN_ADDRESS: {
    message:
      'route driver {driver}: {interface} has {address} from somebody else ({reason}), which would stay when Chorus dies; it is not touched',
    remedy:
      'Remove it (`ip address del {address} dev {interface}`) and whatever makes it at boot, or let Chorus take it over with `adopt: on`.',
    exit: exitCodes.failed,
  },
  LEASE_FAMILY_OFF: {
    message: 'route driver {driver}: {interface} takes no IPv6 address such as {address}: {reason}',
    remedy: 'Switch IPv6 on: `sysctl net.ipv6.conf.{interface}.disable_ipv6=0`.',
    exit: exitCodes.unavailable,
  },
  LEASE_REFUSED: {
    message: 'route driver {driver}: the kernel refuses: {reason}',
    remedy: 'Look at `ip address show dev {interface}`; Chorus goes on trying.',
    exit: exitCodes.osError,
  },
  BGP_UNREACHABLE: {
    message: 'cannot reach the BGP peer {peer}: {reason}',
    remedy:
      'Check the address and the way there (`ip route get ADDRESS`), a packet filter on TCP port 179, `password-file` and `ttl-security` on both sides. Chorus goes on trying.',
    exit: exitCodes.unavailable,
  },
  BGP_REFUSED: {
    message: 'the BGP peer {peer} refuses the connection: nothing listens there',
    remedy:
      'Start the routing daemon; let it listen at this address and port. Chorus goes on trying several times a second.',
    exit: exitCodes.unavailable,
  },
  BGP_WRONG_AS: {
    message: 'the BGP peer {peer} is another one: {reason}',
    remedy: 'Compare `peer-as` with the AS of the router, and its `remote-as` with our `local-as`.',
    exit: exitCodes.config,
  },
  BGP_ROUTER_ID: {
    message: 'the BGP peer {peer} has a router id that cannot be: {reason}',
    remedy:
      'Give each speaker a router id of its own: `router-id` here, `router id` or `bgp router-id` there.',
    exit: exitCodes.config,
  },
  BGP_HOLD_TIME: {
    message: 'the BGP peer {peer} asks for a hold time that is not accepted: {reason}',
    remedy: 'Set 3 s or more there; a session without timers needs `hold-time: off` here as well.',
    exit: exitCodes.config,
  },
  BGP_NO_FAMILY: {
    message: 'the BGP peer {peer} has no address family in common with us: {reason}',
    remedy:
      'Activate the family of the service addresses for this neighbour on the router, or name its own in `families`.',
    exit: exitCodes.config,
  },
  BGP_STALE_ROUTES: {
    message: 'no session with the BGP peer {peer}: {reason}',
    remedy:
      'Turn graceful restart off on the router (FRR: `bgp graceful-restart-disable`; BIRD: `graceful restart off`), or set `stale-routes: warn`.',
    exit: exitCodes.config,
  },
  BGP_TOLD: {
    message: 'the BGP peer {peer} ended the session: {reason}',
    remedy: 'The log of the routing daemon says more. Chorus goes on trying.',
    exit: exitCodes.unavailable,
  },
  BGP_ENDED: {
    message: 'the session with the BGP peer {peer} ended: {reason}',
    remedy:
      'Chorus goes on trying. If it happens again, compare both logs; a silent peer has lost packets or processor time.',
    exit: exitCodes.unavailable,
  },
  BGP_SOCKET: {
    message: 'cannot set up the connection to the BGP peer {peer}: {reason}',
    remedy:
      '`ttl-security` and `password-file` need 64-bit Linux, and a kernel with TCP MD5 signatures for the latter; `local-address` must be one of this machine.',
    exit: exitCodes.osError,
  },
  BGP_PASSWORD: {
    message: 'cannot use the password file {file}: {reason}',
    remedy: 'It holds one line of 1 to 80 octets and is readable for the user that Chorus runs as.',
    exit: exitCodes.config,
  },
  EVENTS_UNREADABLE: {
    message: 'cannot read the events {file}: {reason}',
    remedy: 'Check the path; `chorus routes --events > FILE` writes such a file.',
    exit: exitCodes.data,
  },
  EVENTS_INVALID: {
    message: 'the events of {file} are not understood, {count} problem(s):\n{problems}',
    remedy: 'Mend the lines named above; docs/announcing.md has all events and what they take.',
    exit: exitCodes.data,
  },
  LAYER4_NONE: {
    message: 'the kernel balances nothing: `layer4` is off',
    remedy:
      'Set `layer4: { services: […] }` in the configuration; `chorus layer4 --dry-run --config FILE` shows what it would do.',
    exit: exitCodes.config,
  },
  LAYER4_NO_PROGRAM: {
    message: 'cannot command the kernel: there is no program {program}',
    remedy: 'Install it (Debian: `apt-get install nftables` or `ipvsadm`).',
    exit: exitCodes.unavailable,
  },
  LAYER4_PERMISSION: {
    message: '{program} may not change the kernel’s tables: {reason}',
    remedy:
      'It needs the capability CAP_NET_ADMIN: start Chorus as root with `user:` (it is kept and lent), or give it with `AmbientCapabilities=` in the systemd unit.',
    exit: exitCodes.permission,
  },
  LAYER4_NO_MODULE: {
    message: 'the kernel has no IPVS: {reason}',
    remedy: '`modprobe ip_vs ip_vs_mh` loads it, where the kernel has it; or use `data-plane: nftables`.',
    exit: exitCodes.unavailable,
  },
  LAYER4_REFUSED: {
    message: 'the kernel’s tables are not as wanted: {what}: {reason}',
    remedy:
      'It is tried again each second; `chorus layer4 --dry-run --config FILE` prints what is written, for `nft -c -f -`.',
    exit: exitCodes.osError,
  },
  USAGE: {
    message: '{reason}',
    remedy: '`chorus --help` and `chorus COMMAND --help` show what is understood.',
    exit: exitCodes.usage,
  },
  INTERNAL: {
    message: 'internal error: {reason}',
    remedy: 'This is a fault in Chorus: please report it with the stack trace.',
    exit: exitCodes.software,
  },
} as const satisfies Record<string, Entry>;

/** A code of the table. */
export type ErrorCode = keyof typeof errorTable;

/** An error of the table, with the details that its message names. Only these reach an operator. */
export class ChorusError extends Error {
  override readonly name = 'ChorusError';
  readonly code: ErrorCode;
  readonly details: Readonly<Record<string, string | number>>;

  constructor(code: ErrorCode, details: Readonly<Record<string, string | number>> = {}) {
    super(
      errorTable[code].message.replace(/\{(\w+)\}/g, (whole, key: string) => String(details[key] ?? whole)),
    );
    this.code = code;
    this.details = details;
  }

  /** What the operator does next. */
  get remedy(): string {
    return errorTable[this.code].remedy.replace(/\{(\w+)\}/g, (whole, key: string) =>
      String(this.details[key] ?? whole),
    );
  }

  /** The exit code of a command that ends with this error. */
  get exit(): number {
    return errorTable[this.code].exit;
  }
}

/** The text of anything thrown. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
