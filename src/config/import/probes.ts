/** From checks to probes. */

import { isIpv6 } from '#net/address.ts';
import { typeCode, typeName, types } from '#wire/types.ts';
import { type Asked, askedBy, commandLine, domain } from './dig.ts';
import type { Check, RealServer, Timers } from './model.ts';
import { type Problems, quoted } from './problems.ts';
import { Remarks } from './remarks.ts';
import { oldRemoval, type Resolved, resolveTimers, type Worst } from './removal.ts';

/** What a probe asks or runs: its options but for its timers. Two checks with the same make one probe. */
export type Asks =
  | {
      readonly kind: 'dns-udp' | 'dns-tcp';
      readonly name: string;
      readonly type: string;
      readonly expect?: readonly string[];
    }
  | { readonly kind: 'exec'; readonly command: readonly string[]; readonly dynamic: boolean };

/** A check as a probe, for one backend. */
export type Wanted = {
  readonly check: Check;
  readonly asks: Asks;
  readonly timers: Resolved;
  /** The address that it leaves from. */
  readonly source?: string;
  readonly old: Worst;
  /** For one try, in ms; what a probe should wait at most. */
  readonly patience: number;
  /** What is to be said where the pool gets this probe. */
  readonly remarks: Remarks;
  /** The check asks no question, so any will do that shows that the server works. */
  readonly anyQuestion?: boolean;
};

/** The probes, where those that may ask any question ask the one that another check asks, if there is one. */
export function withQuestions(wanted: readonly Wanted[]): (each: Wanted) => Wanted {
  const asked = wanted.find(({ asks, anyQuestion = false }) => asks.kind !== 'exec' && !anyQuestion)?.asks;
  if (asked === undefined || asked.kind === 'exec') return each => each;
  return each =>
    each.anyQuestion && each.asks.kind !== 'exec'
      ? { ...each, asks: { ...asked, kind: each.asks.kind } }
      : each;
}

/** What stands for the backend's own address in a command. */
const addressHolder = '{address}';
/** Where keepalived asks for no name. */
const rootQuestion = { name: '.', type: 'SOA' } as const;
/** A question for probes that stand for checks that ask none: an authoritative server refuses it, and so shows that it works. */
const plainQuestion = { name: '.', type: 'NS', expect: ['NOERROR', 'NXDOMAIN', 'REFUSED'] } as const;

/** What a pool without any check is probed with. */
export const plainProbe: { readonly asks: Asks; readonly timers: ProbeTimers } = {
  asks: { kind: 'dns-udp', ...plainQuestion },
  timers: { interval: 1000, timeout: 500, window: { failures: 3, of: 5 } },
};

const hints: Partial<Record<Check['kind'], string>> = {
  HTTP_GET: 'ask by `kind: exec` and curl, if it tells of the nameserver',
  SSL_GET: 'ask by `kind: exec` and curl, if it tells of the nameserver',
  SMTP_CHECK: 'nothing: it says nothing of DNS',
  BFD_CHECK: 'nothing: live traffic and probes tell sooner that a server is gone',
  FILE_CHECK: 'take a backend out with `chorus backend drain NAME`',
};

/** The probe for a check; undefined where there is none. Tells what becomes of the check. */
export function probeFor(
  check: Check,
  server: RealServer,
  port: number,
  outer: Timers,
  remarks: Remarks,
  problems: Problems,
): Wanted | undefined {
  const timers = resolveTimers(check, outer, server.timers);
  const { kind, place } = check;
  if (
    kind === 'HTTP_GET' ||
    kind === 'SSL_GET' ||
    kind === 'SMTP_CHECK' ||
    kind === 'BFD_CHECK' ||
    kind === 'FILE_CHECK'
  ) {
    remarks.add('dropped', kind, place, 'it is no check of a nameserver', hints[kind]);
    return undefined;
  }
  if (kind === 'MISC_CHECK') return program(check, server, port, timers, remarks);
  const own = new Remarks();
  elsewhere(check, server, port, own);
  const bind = check.bindTo;
  const source = bind && sourceOf(bind.value, server.address);
  if (bind && source !== undefined) {
    const why = 'it becomes `source` of the backend, so queries leave from that address too';
    remarks.add('approximated', 'bindto', bind.place, why);
  }
  const wanted = {
    check,
    timers,
    ...(source !== undefined && { source }),
    old: oldRemoval(kind, timers),
    patience: timers.timeout,
    remarks: own,
  };
  if (kind === 'DNS_CHECK') {
    const question = dnsQuestion(check, problems);
    own.add('kept', 'DNS_CHECK', place, 'a probe asks the same question; as before, NOERROR alone is good');
    return { ...wanted, asks: { kind: 'dns-udp', ...question, expect: ['NOERROR'] } };
  }
  if (kind === 'TCP_CHECK') {
    const why = 'a connection says little of a nameserver: the probe asks a question over TCP';
    own.add('approximated', 'TCP_CHECK', place, why);
    return { ...wanted, asks: { kind: 'dns-tcp', ...plainQuestion }, anyQuestion: true };
  }
  own.add('approximated', kind, place, 'the probe asks a question over UDP, which says more');
  return { ...wanted, asks: { kind: 'dns-udp', ...plainQuestion }, anyQuestion: true };
}

function dnsQuestion(check: Check, problems: Problems): { name: string; type: string } {
  const { name = rootQuestion.name, type = rootQuestion.type } = {
    name: check.name?.value,
    type: check.type?.value,
  };
  const asked = domain(name);
  if (asked === undefined && check.name) {
    problems.add(check.name.place, `name: ${quoted(name)} is no domain name`, {
      expected: 'one such as example.net',
    });
  }
  if (!isAskable(type) && check.type) {
    problems.add(check.type.place, `type: ${quoted(type)} is no record type that can be asked for`, {
      expected: 'A, NS, CNAME, SOA, MX, TXT or AAAA',
    });
  }
  return { name: asked ?? '.', type: plainType(type) };
}

/** Whether a probe may ask for the type (RFC 6895 section 3.1: some only carry data of the message, or mean a transfer). */
export function isAskable(type: string): boolean {
  const code = typeCode(type);
  if (code === undefined || code === types.OPT) return false;
  return (code > 0 && code < 128) || (code >= 255 && code <= 65_534);
}

/** A record type by its one name. */
function plainType(type: string): string {
  const code = typeCode(type);
  return code === undefined ? type : typeName(code);
}

/** Tells of a check that looks at another place than the server itself. */
function elsewhere(check: Check, server: RealServer, port: number, remarks: Remarks): void {
  const { connectIp, connectPort } = check;
  const other =
    (connectIp !== undefined && connectIp.value !== server.address) ||
    (connectPort !== undefined && connectPort.value !== port);
  if (!other) return;
  const why = 'a probe asks the backend at the address and port where its queries go';
  remarks.add(
    'approximated',
    connectIp ? 'connect_ip' : 'connect_port',
    (connectIp ?? connectPort)!.place,
    why,
  );
}

function program(
  check: Check,
  server: RealServer,
  port: number,
  timers: Resolved,
  remarks: Remarks,
): Wanted | undefined {
  const path = check.path;
  if (!path || path.value.trim() === '') return undefined;
  const line = commandLine(path.value);
  const asked = askedBy(line);
  const native = asked && nativeOf(asked, server, port);
  const what = `MISC_CHECK ${baseName(line.words[0] ?? '')}`;
  const own = new Remarks();
  if (asked && native) {
    const { place } = check;
    if (asked.by === 'wrapper') {
      const why = `a probe asks the same question without a process for each; besides ${asked.failing?.join(' and ')}, every other code than ${(native.expect ?? ['NOERROR', 'NXDOMAIN']).join(' and ')} fails too`;
      own.add(
        'kept',
        what,
        place,
        why,
        'try it once by hand with `chorus check`, which takes the same arguments',
      );
    } else {
      const why =
        'a probe asks the same question; dig is content with any answer, the probe only with NOERROR or NXDOMAIN, so SERVFAIL takes a backend out';
      own.add('approximated', what, place, why, 'try it once by hand with `chorus check`');
    }
    if (asked.source !== undefined && sourceOf(asked.source, server.address) !== undefined) {
      const why = 'it becomes `source` of the backend, so queries leave from that address too';
      remarks.add('approximated', `${what}: the address that it asks from`, place, why);
    }
    if (check.dynamic?.value) {
      const why =
        'the exit codes of dig and its wrapper are no weights: it took some failures for good answers';
      own.add('dropped', 'misc_dynamic', check.dynamic.place, why);
    }
    const source = asked.source === undefined ? undefined : sourceOf(asked.source, server.address);
    return {
      check,
      asks: native,
      timers,
      ...(source !== undefined && { source }),
      old: oldRemoval('MISC_CHECK', timers, asked),
      patience: Math.min(asked.timeout, timers.timeout),
      remarks: own,
    };
  }
  const command = (line.shell ? ['/bin/sh', '-c', path.value] : line.words).map(word =>
    held(word, server.address),
  );
  if (
    command[0] === undefined ||
    command[0] === '' ||
    command.some(word => word.length > 4096 || word.includes('\0'))
  ) {
    remarks.add('dropped', what, check.place, 'no program could be run by it');
    return undefined;
  }
  const shell = line.shell ? ', by /bin/sh because it needs a shell' : '';
  own.add(
    'kept',
    what,
    check.place,
    `a probe of the kind \`exec\` runs the program${shell}`,
    asked === undefined ? 'if it asks a question of the nameserver, a native probe costs far less' : '',
  );
  if (check.dynamic?.value) dynamicRemark(own, check);
  if (check.user) {
    const why = 'the program runs as the user that Chorus runs as';
    own.add(
      'dropped',
      `user ${check.user.value}`,
      check.user.place,
      why,
      'set `user:` of Chorus, or use sudo in the program',
    );
  }
  return {
    check,
    asks: { kind: 'exec', command, dynamic: check.dynamic?.value ?? false },
    timers,
    old: oldRemoval('MISC_CHECK', timers),
    patience: timers.timeout,
    remarks: own,
  };
}

function dynamicRemark(remarks: Remarks, { dynamic }: Check): void {
  if (!dynamic) return;
  const why =
    'an exit code N from 2 on is good and gives the backend the weight N − 2, as before, but never more than its `weight`';
  remarks.add(
    'approximated',
    'misc_dynamic',
    dynamic.place,
    why,
    'set `weight` to the highest that the program gives',
  );
}

/** The native probe for a question; undefined where a probe cannot ask it. */
function nativeOf(
  asked: Asked,
  server: RealServer,
  port: number,
): (Asks & { kind: 'dns-udp' | 'dns-tcp' }) | undefined {
  if (asked.server !== server.address || asked.port !== port || !isAskable(asked.type)) return undefined;
  const failing = asked.failing ?? [];
  const good = ['NOERROR', 'NXDOMAIN'].filter(code => !failing.includes(code));
  if (good.length === 0) return undefined;
  return {
    kind: asked.transport === 'tcp' ? 'dns-tcp' : 'dns-udp',
    name: asked.name,
    type: plainType(asked.type),
    ...(good.length < 2 && { expect: good }),
  };
}

/** An address to ask `server` from; undefined where it cannot be. */
function sourceOf(source: string, server: string): string | undefined {
  if (isIpv6(source) !== isIpv6(server) || source === '0.0.0.0' || source === '::') return undefined;
  return source;
}

/** The word with a placeholder where the address of the server stands in it, but not as a part of a longer one. */
function held(word: string, address: string): string {
  let text = '';
  let from = 0;
  for (let at = word.indexOf(address); at >= 0; at = word.indexOf(address, from)) {
    const before = word[at - 1] ?? '';
    const after = word[at + address.length] ?? '';
    const whole = !/[\w.:]/.test(before) && !/[\w.]/.test(after);
    text += word.slice(from, at) + (whole ? addressHolder : address);
    from = at + address.length;
  }
  return text + word.slice(from);
}

function baseName(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1).slice(0, 40);
}

/** Shortest and longest timers that the configuration takes, in ms. */
const bounds = { interval: [100, 3_600_000], timeout: [10, 30_000] } as const;
/** Between two native probes, unless keepalived asked more often; one over TCP costs a connection. */
const nativeInterval = { 'dns-udp': 1000, 'dns-tcp': 2000 } as const;
/** Failures that take a backend out, of so many probes. */
const nativeWindow = { failures: 3, of: 5 };

/** The timers of a probe: in ms, and a window. */
export type ProbeTimers = {
  readonly interval: number;
  readonly timeout: number;
  readonly window: { readonly failures: number; readonly of: number };
};

/**
 * Timers for the probe that a check becomes. A native probe is cheap and comes each second or two. A program comes so often that
 * what fails is out as soon as before, retries and all; with `keep`, so does a native probe.
 */
export function timersFor({ asks, timers, patience }: Wanted, keep: boolean): ProbeTimers {
  const within = (value: number, [least, most]: readonly [number, number]) =>
    Math.min(most, Math.max(least, Math.round(value)));
  const { delayLoop, retry, delayBeforeRetry } = timers;
  const old = keep || asks.kind === 'exec';
  const failures = Math.min(64, retry + 1);
  const wanted = old
    ? (delayLoop + retry * delayBeforeRetry) / (retry + 1)
    : Math.min(delayLoop, nativeInterval[asks.kind]);
  const interval = within(wanted, bounds.interval);
  const timeout = within(Math.min(patience, interval), bounds.timeout);
  return { interval, timeout, window: old ? { failures, of: failures } : nativeWindow };
}
