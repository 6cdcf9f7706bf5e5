/** The third pass: from statements to virtual servers. */
import { nearest } from '#kit/suggest.ts';
import { parseAddress } from '#net/address.ts';
import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '#wire/address.ts';
import type { Statement, Word } from './blocks.ts';
import {
  type Check,
  type CheckKind,
  checkKinds,
  type Group,
  type GroupMember,
  type Model,
  type RealServer,
  type Scheduler,
  type Setting,
  schedulers,
  type Target,
  type Timers,
  targetText,
  type VirtualServer,
} from './model.ts';
import { type Problems, quoted } from './problems.ts';
import { type Remark, Remarks } from './remarks.ts';

/** Addresses that one range of a group may have. */
const largestRange = 256;
/** Longest timer, in s: as in keepalived, what fits into 32 bits of µs. */
const longestTimer = 4294;

type Fate = Pick<Remark, 'verdict' | 'why'> & { readonly todo?: string };
type Handler = (statement: Statement) => void;

const scripts: Fate = {
  verdict: 'dropped',
  why: 'Chorus runs no scripts on a change of state',
  todo: 'raise alarms from the metrics chorus_backend_state and chorus_backend_serving, or from the log',
};
const mail: Fate = {
  verdict: 'dropped',
  why: 'Chorus sends no mail',
  todo: 'raise alarms from the metric chorus_backend_state',
};
const hashFlags: Fate = {
  verdict: 'dropped',
  why: 'flags of the scheduler of the kernel; Chorus hashes the client’s address without the port, and goes on to another backend when one is down',
};
const logging: Fate = {
  verdict: 'kept',
  why: 'Chorus shows each failed probe in `chorus status` and the metrics',
};
const elsewhere = (where: string): Fate => ({
  verdict: 'kept',
  why: `keepalived goes on with it: it is no matter of ${where}`,
  todo: 'leave it in the file of keepalived, and take the virtual servers that Chorus takes over out of it',
});

/** What is not translated, with the reason, by keyword: in virtual servers, … */
const virtualServerFates: Readonly<Record<string, Fate>> = {
  ops: { verdict: 'kept', why: 'Chorus balances each query by itself' },
  'sh-port': hashFlags,
  'sh-fallback': hashFlags,
  'mh-port': hashFlags,
  'mh-fallback': hashFlags,
  'flag-1': hashFlags,
  'flag-2': hashFlags,
  'flag-3': hashFlags,
  ha_suspend: {
    verdict: 'dropped',
    why: 'probes go on while this machine does not have the address',
    todo: 'nothing, unless the probes of a standby machine are too many: lengthen `interval`',
  },
  smtp_alert: mail,
  virtualhost: { verdict: 'dropped', why: 'it is for checks over HTTP' },
  snmp_name: {
    verdict: 'dropped',
    why: 'Chorus speaks no SNMP',
    todo: 'read the metrics of Chorus over HTTP',
  },
  omega: scripts,
  quorum_up: scripts,
  quorum_down: scripts,
  hysteresis: {
    verdict: 'dropped',
    why: 'it belongs to the quorum; against flapping Chorus holds a backend down longer each time',
  },
  ip_family: { verdict: 'kept', why: 'the addresses tell it' },
  persistence_engine: { verdict: 'dropped', why: 'DNS has no sessions (SIP has)' },
  sorry_server_inhibit: { verdict: 'dropped', why: 'it belongs to the sorry server' },
  sorry_server_lvs_method: { verdict: 'dropped', why: 'it belongs to the sorry server' },
  inhibit_on_failure: {
    verdict: 'kept',
    why: 'a backend that is down keeps its place, and what it has been asked may still be answered',
  },
  warmup: { verdict: 'kept', why: 'the first probes are spread at random over up to a second' },
};

/** … in real servers, … */
const realServerFates: Readonly<Record<string, Fate>> = {
  notify_up: scripts,
  notify_down: scripts,
  smtp_alert: mail,
  virtualhost: virtualServerFates.virtualhost!,
  lthreshold: { verdict: 'dropped', why: 'it belongs to uthreshold' },
  inhibit_on_failure: virtualServerFates.inhibit_on_failure!,
  warmup: virtualServerFates.warmup!,
};

/** … in checks, … */
const checkFates: Readonly<Record<string, Fate>> = {
  warmup: virtualServerFates.warmup!,
  log_all_failures: logging,
  bind_if: { verdict: 'dropped', why: 'probes leave by the interface that the routes say' },
  bind_port: { verdict: 'dropped', why: 'probes leave from a new random port each time, as queries do' },
  fwmark: { verdict: 'dropped', why: 'Chorus marks no packets', todo: 'route by the source address instead' },
};

/** … and beside the virtual servers. */
const topFates: Readonly<Record<string, Fate>> = {
  vrrp_instance: elsewhere('balancing'),
  vrrp_sync_group: elsewhere('balancing'),
  vrrp_script: elsewhere('balancing'),
  vrrp_track_process: elsewhere('balancing'),
  vrrp_track_file: elsewhere('balancing'),
  track_file: elsewhere('balancing'),
  track_process: elsewhere('balancing'),
  bfd_instance: elsewhere('balancing'),
  static_ipaddress: elsewhere('balancing'),
  static_routes: elsewhere('balancing'),
  static_rules: elsewhere('balancing'),
  static_track_group: elsewhere('balancing'),
  garp_group: elsewhere('balancing'),
  interface_up_down_delays: elsewhere('balancing'),
  linkbeat_interfaces: elsewhere('balancing'),
  linkbeat_use_polling: elsewhere('balancing'),
  net_namespace: elsewhere('balancing'),
  net_namespace_ipvs: elsewhere('balancing'),
  namespace_with_ipsets: elsewhere('balancing'),
  instance: elsewhere('balancing'),
  use_pid_dir: elsewhere('balancing'),
  child_wait_time: elsewhere('balancing'),
  include_check: elsewhere('balancing'),
  SSL: { verdict: 'dropped', why: 'it is for checks over HTTPS' },
};

/** Keywords that have a block, among those that are read. */
const blockWords: ReadonlySet<string> = new Set([
  'virtual_server',
  'virtual_server_group',
  'real_server',
  'vrrp_instance',
  'global_defs',
  ...checkKinds,
]);

/** The model of a file. Problems are told to `problems`. @throws Enough */
export function readModel(statements: readonly Statement[], problems: Problems): Model {
  return new Reading(problems).model(statements);
}

class Reading {
  readonly #problems: Problems;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  model(statements: readonly Statement[]): Model {
    const virtualServers: VirtualServer[] = [];
    const groups: Group[] = [];
    const vrrpAddresses: string[] = [];
    const remarks = new Remarks();
    this.#each(
      statements,
      {
        virtual_server: statement => {
          const found = this.#virtualServer(statement);
          if (found) virtualServers.push(found);
        },
        virtual_server_group: statement => {
          const found = this.#group(statement);
          if (found) groups.push(found);
        },
        vrrp_instance: statement => {
          this.#fate(statement, remarks, topFates.vrrp_instance!);
          for (const inner of statement.block ?? []) {
            if (!inner.key.text.startsWith('virtual_ipaddress')) continue;
            for (const { key } of inner.block ?? []) {
              const address = parseAddress(key.text.split('/')[0] ?? '');
              if (address !== undefined) vrrpAddresses.push(address);
            }
          }
        },
        global_defs: statement => this.#globals(statement, remarks),
      },
      topFates,
      remarks,
      'a file',
    );
    return { virtualServers, groups, vrrpAddresses, remarks };
  }

  #globals(statement: Statement, remarks: Remarks): void {
    for (const inner of statement.block ?? []) {
      const fate = /^(notification_email|smtp_|no_email)/.test(inner.key.text)
        ? mail
        : inner.key.text === 'checker_log_all_failures'
          ? logging
          : inner.key.text.startsWith('enable_snmp')
            ? virtualServerFates.snmp_name!
            : elsewhere('balancing');
      this.#fate(inner, remarks, fate);
    }
  }

  #virtualServer(statement: Statement): VirtualServer | undefined {
    const target = this.#target(statement);
    const remarks = new Remarks();
    const read: { -readonly [Key in keyof VirtualServer]?: VirtualServer[Key] } = {};
    const timers: { -readonly [Key in keyof Timers]: Timers[Key] } = {};
    const realServers: RealServer[] = [];
    const scheduler: Handler = each => {
      take(this.#choice<Scheduler>(each, schedulers), value => {
        read.scheduler = value;
      });
    };
    const method: Handler = each => {
      take(this.#choice(each, ['NAT', 'DR', 'TUN']), value => {
        read.method = value;
      });
    };
    this.#needBlock(statement);
    this.#each(
      statement.block ?? [],
      {
        ...this.#timerHandlers(timers),
        lvs_sched: scheduler,
        lb_algo: scheduler,
        lvs_method: method,
        lb_kind: method,
        protocol: each => {
          take(this.#choice(each, ['UDP', 'TCP', 'SCTP'] as const, true), value => {
            read.protocol = value;
          });
        },
        persistence_timeout: each => {
          const value =
            each.words.length === 0 ? { value: 360_000, place: each.key.place } : this.#timer(each);
          take(value, found => {
            read.persistence = found;
          });
        },
        persistence_granularity: each => {
          take(this.#word(each), value => {
            read.granularity = value;
          });
        },
        quorum: each => {
          take(this.#whole(each, 1, 0x7fffffff), value => {
            read.quorum = value;
          });
        },
        sorry_server: each => {
          const found = this.#host(each);
          if (found) read.sorry = { value: found, place: each.key.place };
        },
        weight: each => {
          take(this.#whole(each, 0, 0x7fffffff), value => {
            read.weight = value;
          });
        },
        alpha: each => {
          take(this.#flag(each), value => {
            read.alpha = value;
          });
        },
        real_server: each => {
          const found = this.#realServer(each, remarks);
          if (found) realServers.push(found);
        },
      },
      virtualServerFates,
      remarks,
      'a virtual server',
    );
    if (!target) return undefined;
    const { place } = statement.key;
    return { ...read, place, target, timers, realServers, remarks };
  }

  #realServer(statement: Statement, remarks: Remarks): RealServer | undefined {
    const host = this.#host(statement);
    const read: { -readonly [Key in keyof RealServer]?: RealServer[Key] } = {};
    const timers: { -readonly [Key in keyof Timers]: Timers[Key] } = {};
    const checks: Check[] = [];
    const alpha: Handler = each => {
      const value = this.#flag(each);
      if (value?.value === true) alphaRemark(remarks, value);
    };
    const method: Handler = each => {
      const value = this.#choice(each, ['NAT', 'DR', 'TUN']);
      if (value) methodRemark(remarks, `${each.key.text} ${value.value}`, value);
    };
    this.#each(
      statement.block ?? [],
      {
        ...this.#timerHandlers(timers),
        weight: each => {
          take(this.#whole(each, 0, 0x7fffffff), value => {
            read.weight = value;
          });
        },
        uthreshold: each => {
          take(this.#whole(each, 0, 0x7fffffff), value => {
            read.uthreshold = value;
          });
        },
        snmp_name: each => {
          take(this.#word(each), value => {
            read.snmpName = value;
          });
        },
        alpha,
        lvs_method: method,
        lb_kind: method,
        ...Object.fromEntries(
          checkKinds.map(kind => [kind, (each: Statement) => checks.push(this.#check(each, kind, remarks))]),
        ),
      },
      realServerFates,
      remarks,
      'a real server',
    );
    if (!host) return undefined;
    return { ...read, ...host, place: statement.key.place, timers, checks };
  }

  #check(statement: Statement, kind: CheckKind, remarks: Remarks): Check {
    const read: { -readonly [Key in keyof Check]?: Check[Key] } = {};
    const timers: { -readonly [Key in keyof Timers]: Timers[Key] } = {};
    const own: Record<string, Handler> = {};
    if (kind === 'DNS_CHECK') {
      own.type = each => {
        take(this.#word(each), value => {
          read.type = value;
        });
      };
      own.name = each => {
        take(this.#word(each), value => {
          read.name = value;
        });
      };
    } else if (kind === 'MISC_CHECK') {
      own.misc_path = each => {
        take(this.#word(each), value => {
          read.path = value;
        });
      };
      own.misc_timeout = each => {
        take(this.#timer(each), value => {
          read.timeout = value;
        });
      };
      own.misc_dynamic = each => {
        take(this.#flag(each), value => {
          read.dynamic = value;
        });
      };
      own.user = each => {
        const text = each.words.map(word => word.text).join(' ');
        if (this.#word(each)) read.user = { value: text, place: each.key.place };
      };
    }
    const handlers: Record<string, Handler> = {
      ...this.#timerHandlers(timers),
      alpha: each => {
        const value = this.#flag(each);
        if (value?.value === true) alphaRemark(remarks, value);
      },
      connect_ip: each => {
        take(this.#address(each), value => {
          read.connectIp = value;
        });
      },
      connect_port: each => {
        take(this.#whole(each, 1, 65_535), value => {
          read.connectPort = value;
        });
      },
      bindto: each => {
        take(this.#address(each), value => {
          read.bindTo = value;
        });
      },
      ...own,
    };
    // The words of checks that are not translated are of no interest one by one.
    const known = ['TCP_CHECK', 'DNS_CHECK', 'MISC_CHECK'].includes(kind);
    const statements = statement.block ?? [];
    if (known) this.#each(statements, handlers, checkFates, remarks, `a ${kind}`);
    else
      for (const each of statements)
        if (Object.hasOwn(handlers, each.key.text)) handlers[each.key.text]?.(each);
    if (kind === 'MISC_CHECK' && read.path === undefined) {
      this.#problems.add(statement.key.place, 'MISC_CHECK has no misc_path', {
        expected: 'misc_path with the program to run',
      });
    }
    return { ...read, kind, place: statement.key.place, timers };
  }

  #group(statement: Statement): Group | undefined {
    const [name] = statement.words;
    if (!name) {
      this.#missing(statement, 'a name');
      return undefined;
    }
    this.#needBlock(statement);
    const members: GroupMember[] = [];
    for (const each of statement.block ?? []) {
      const { place, text } = each.key;
      if (text === 'fwmark') {
        const mark = this.#whole(each, 1, 0xffffffff);
        if (mark) members.push({ kind: 'fwmark', place, mark: mark.value });
        continue;
      }
      const addresses = rangeOf(text);
      if (addresses === undefined) {
        this.#problems.add(place, `${quoted(text)} is no address and no range`, {
          expected: `an address, 192.0.2.1-9 or 192.0.2.0/28 (at most ${largestRange} addresses), or fwmark N`,
        });
        continue;
      }
      const port = this.#port(each.words[0]);
      members.push({ kind: 'addresses', place, addresses, ...(port !== undefined && { port }) });
    }
    return { name: name.text, place: statement.key.place, members };
  }

  #target(statement: Statement): Target | undefined {
    const [first, second] = statement.words;
    if (first?.text === 'group') {
      if (second) return { kind: 'group', name: second.text };
      this.#missing(statement, 'the name of a group');
      return undefined;
    }
    if (first?.text === 'fwmark') {
      const mark = this.#number(second, 1, 0xffffffff);
      if (second === undefined) this.#missing(statement, 'a mark');
      return mark === undefined ? undefined : { kind: 'fwmark', mark };
    }
    const host = this.#host(statement);
    return host && { kind: 'address', ...host };
  }

  /** Address and port at the beginning of a statement's words. */
  #host(statement: Statement): { address: string; port?: number } | undefined {
    const [first, second] = statement.words;
    if (!first) {
      this.#missing(statement, 'an IP address, and a port');
      return undefined;
    }
    const address = parseAddress(first.text);
    if (address === undefined) {
      this.#problems.add(first.place, `${statement.key.text}: ${quoted(first.text)} is no IP address`, {
        expected:
          statement.key.text === 'virtual_server' ? 'an IP address, fwmark N or group NAME' : 'an IP address',
      });
      return undefined;
    }
    const port = this.#port(second);
    return { address, ...(port !== undefined && { port }) };
  }

  /** A port; 0 stands for all, as if there were none. */
  #port(word: Word | undefined): number | undefined {
    const port = this.#number(word, 0, 65_535, 'a port from 1 to 65535');
    return port === 0 ? undefined : port;
  }

  #timerHandlers(timers: { -readonly [Key in keyof Timers]: Timers[Key] }): Record<string, Handler> {
    return {
      delay_loop: each => {
        take(this.#timer(each, true), value => {
          timers.delayLoop = value;
        });
      },
      connect_timeout: each => {
        take(this.#timer(each, true), value => {
          timers.connectTimeout = value;
        });
      },
      delay_before_retry: each => {
        take(this.#timer(each), value => {
          timers.delayBeforeRetry = value;
        });
      },
      retry: each => {
        take(this.#whole(each, 0, 0x7fffffff), value => {
          timers.retry = value;
        });
      },
      // The name that they had in HTTP_GET.
      nb_get_retry: each => {
        take(this.#whole(each, 0, 0x7fffffff), value => {
          timers.retry = value;
        });
      },
    };
  }

  /** Hands each statement to its handler, or tells its fate. */
  #each(
    statements: readonly Statement[],
    handlers: Readonly<Record<string, Handler>>,
    fates: Readonly<Record<string, Fate>>,
    remarks: Remarks,
    where: string,
  ): void {
    for (const statement of statements) {
      const name = statement.key.text;
      if (Object.hasOwn(handlers, name)) {
        if (statement.block !== undefined && !blockWords.has(name)) {
          this.#problems.add(statement.key.place, `${name} has a block`, { expected: 'no "{" after it' });
        }
        handlers[name]?.(statement);
      } else if (Object.hasOwn(fates, name)) this.#fate(statement, remarks, fates[name]!);
      else {
        const meant = nearest(name, [...Object.keys(handlers), ...Object.keys(fates)]);
        const hint = meant === undefined ? '' : `; did you mean ${meant}?`;
        remarks.add(
          'dropped',
          quoted(name),
          statement.key.place,
          `no keyword of ${where}${hint}`,
          'see what `keepalived -t` says of it',
        );
      }
    }
  }

  #fate(statement: Statement, remarks: Remarks, { verdict, why, todo }: Fate): void {
    remarks.add(verdict, statement.key.text, statement.key.place, why, todo);
  }

  #needBlock(statement: Statement): void {
    if (statement.block !== undefined) return;
    this.#problems.add(statement.key.place, `${statement.key.text} has no block`, {
      expected: '"{" and "}"',
    });
  }

  #missing(statement: Statement, expected: string): void {
    this.#problems.add(statement.key.place, `${statement.key.text} says nothing`, { expected });
  }

  /** The first word of a statement. */
  #word(statement: Statement): Setting<string> | undefined {
    const [word] = statement.words;
    if (word) return { value: word.text, place: statement.key.place };
    this.#missing(statement, 'a word after it');
    return undefined;
  }

  #address(statement: Statement): Setting<string> | undefined {
    const host = this.#host(statement);
    return host && { value: host.address, place: statement.key.place };
  }

  #whole(statement: Statement, least: number, largest: number): Setting<number> | undefined {
    const [word] = statement.words;
    if (!word) {
      this.#missing(statement, 'a whole number');
      return undefined;
    }
    const value = this.#number(word, least, largest);
    return value === undefined ? undefined : { value, place: statement.key.place };
  }

  #number(word: Word | undefined, least: number, largest: number, expected?: string): number | undefined {
    if (!word) return undefined;
    const value = /^\d{1,10}$/.test(word.text) ? Number(word.text) : Number.NaN;
    if (value >= least && value <= largest) return value;
    this.#problems.add(word.place, `${quoted(word.text)} is not right`, {
      expected: expected ?? `a whole number from ${least} to ${largest}`,
    });
    return undefined;
  }

  /** Seconds, with a fraction, as ms (rounded up to whole ones). */
  #timer(statement: Statement, positive = false): Setting<number> | undefined {
    const [word] = statement.words;
    if (!word) {
      this.#missing(statement, 'a time in seconds');
      return undefined;
    }
    const seconds = /^(\d{1,7}(\.\d*)?|\.\d+)$/.test(word.text) ? Number(word.text) : Number.NaN;
    if (seconds <= longestTimer && (seconds > 0 || !positive)) {
      // Rounded before: 2.7 * 1000 is a little more than 2700.
      return { value: Math.ceil(Math.round(seconds * 1e6) / 1e3), place: statement.key.place };
    }
    this.#problems.add(word.place, `${statement.key.text}: ${quoted(word.text)} is not right`, {
      expected: `seconds, such as 6 or 0.5, ${positive ? 'above 0' : 'from 0'} to ${longestTimer}`,
      suggestion: /^\d+s$/.test(word.text) ? word.text.slice(0, -1) : undefined,
    });
    return undefined;
  }

  /** A switch: alone it is on. */
  #flag(statement: Statement): Setting<boolean> | undefined {
    const { place } = statement.key;
    const [word] = statement.words;
    if (!word) return { value: true, place };
    if (['on', 'true', 'yes'].includes(word.text)) return { value: true, place };
    if (['off', 'false', 'no'].includes(word.text)) return { value: false, place };
    this.#problems.add(word.place, `${statement.key.text}: ${quoted(word.text)} is not right`, {
      expected: 'on, off, true, false, yes or no',
    });
    return undefined;
  }

  /** One of some names; `upper`: in any letter case. */
  #choice<Name extends string>(
    statement: Statement,
    names: readonly Name[],
    upper = false,
  ): Setting<Name> | undefined {
    const [word] = statement.words;
    if (!word) {
      this.#missing(statement, `one of ${names.join(', ')}`);
      return undefined;
    }
    const text = upper ? word.text.toUpperCase() : word.text;
    const found = names.find(name => name === text);
    if (found !== undefined) return { value: found, place: statement.key.place };
    this.#problems.add(word.place, `${statement.key.text}: ${quoted(word.text)} is not right`, {
      expected: `one of ${names.join(', ')}`,
      suggestion: nearest(word.text, names),
    });
    return undefined;
  }
}

/** What `alpha` means for Chorus. */
export function alphaRemark(remarks: Remarks, { place }: Setting<unknown>): void {
  remarks.add(
    'approximated',
    'alpha',
    place,
    'Chorus trusts a new backend until evidence speaks against it, which takes a few probes at most; a failed query is asked elsewhere meanwhile',
  );
}

/** What a way of forwarding means for Chorus. */
export function methodRemark(remarks: Remarks, what: string, { value, place }: Setting<string>): void {
  const todo =
    value === 'NAT'
      ? 'let the nameservers answer the address of this machine (`allow-query`, `access-control`)'
      : 'let the nameservers listen on their own addresses, not on the virtual one alone, and answer the address of this machine (`allow-query`, `access-control`)';
  remarks.add(
    'approximated',
    what,
    place,
    'Chorus asks the nameservers itself, from its own address, and gives the answers to the clients: the nameservers no longer see who asked',
    todo,
  );
}

/** The words by which a group or address is found again. */
export function sameTarget(target: Target, text: string): boolean {
  const wanted = text.trim().replace(/\s+/g, ' ');
  if (targetText(target) === wanted) return true;
  return target.kind === 'address' && target.address === (parseAddress(wanted) ?? '');
}

function take<T>(value: T | undefined, put: (value: T) => void): void {
  if (value !== undefined) put(value);
}

/** Addresses of `192.0.2.1`, `192.0.2.1-9`, `192.0.2.1-192.0.2.9` or `192.0.2.0/28`; undefined for anything else. */
function rangeOf(text: string): string[] | undefined {
  const [, from = '', to, bits] = /^([0-9a-fA-F.:]+)(?:-([0-9a-fA-F.:]+)|\/(\d{1,3}))?$/.exec(text) ?? [];
  const first = parseIpv4(from) ?? parseIpv6(from);
  if (!first) return undefined;
  let last = first;
  if (to !== undefined) {
    const whole = parseIpv4(to) ?? parseIpv6(to);
    last = whole ?? Uint8Array.from(first);
    if (!whole) {
      const four = first.length === 4;
      const value = (four ? /^\d{1,3}$/ : /^[0-9a-fA-F]{1,4}$/).test(to)
        ? Number.parseInt(to, four ? 10 : 16)
        : -1;
      if (value < 0 || (four && value > 255)) return undefined;
      last[last.length - 1] = value & 0xff;
      if (!four) last[last.length - 2] = value >> 8;
    }
  } else if (bits !== undefined) {
    const host = first.length * 8 - Number(bits);
    if (host < 0 || host > 16) return undefined;
    last = Uint8Array.from(first, (octet, i) => {
      const low = Math.min(8, Math.max(0, host - 8 * (first.length - 1 - i)));
      return octet | ((1 << low) - 1);
    });
  }
  if (last.length !== first.length) return undefined;
  const addresses: string[] = [];
  const at = Uint8Array.from(first);
  for (;;) {
    addresses.push(at.length === 4 ? formatIpv4(at) : formatIpv6(at));
    if (at.every((octet, i) => octet === last[i])) return addresses;
    if (addresses.length >= largestRange) return undefined;
    for (let i = at.length - 1; i >= 0 && ++at[i]! === 256; i--);
  }
}
