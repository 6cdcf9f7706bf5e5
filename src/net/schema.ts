/** The network's part of the configuration: where clients ask, and the sockets. */
import {
  autoOr,
  choice,
  duration,
  flag,
  list,
  option,
  optional,
  parsed,
  section,
  size,
  Wrong,
  whole,
} from '#kit/option.ts';
import { type Endpoint, formatEndpoint, isIpv6, parseAddress, parseEndpoint } from './address.ts';

/** Kinds of engine. `auto`: batch where it can run, else loop. */
export const engineNames = ['batch', 'loop'] as const;

/** An address with a port; the port may be left out. */
export function endpoint(port: number) {
  const example = `192.0.2.1:${port} or "[2001:db8::1]:${port}"`;
  return parsed<Endpoint>(
    `an IP address and port, such as ${example}`,
    { type: 'string' },
    value => {
      const found = typeof value === 'string' ? parseEndpoint(value.trim(), port) : undefined;
      if (!found) return new Wrong({ suggestion: suggestEndpoint(value, port) });
      if (found.address.startsWith('::ffff:'))
        return new Wrong({ suggestion: `${found.address.slice(7)}:${found.port}` });
      return found;
    },
    formatEndpoint,
  );
}

/** An address without a port. */
export function address() {
  return parsed<string>('an IP address, such as 192.0.2.1 or 2001:db8::1', { type: 'string' }, value => {
    const found = typeof value === 'string' ? parseAddress(value) : undefined;
    return found ?? new Wrong();
  });
}

function suggestEndpoint(value: unknown, port: number): string | undefined {
  if (typeof value !== 'string') return undefined;
  const [, name, digits] = /^(localhost|\*|):?(\d{1,5})?$/.exec(value.trim().toLowerCase()) ?? [];
  if (name !== undefined) {
    const meant = parseEndpoint(`${name === 'localhost' ? '127.0.0.1' : '0.0.0.0'}:${digits ?? port}`, port);
    return meant && `${meant.address}:${meant.port}`;
  }
  // 2001:db8::1.53, 192.0.2.1#53, 192.0.2.1@53 and addresses with a port but no brackets.
  const [, host = '', end] = /^(.*?)[.#@](\d{1,5})$/.exec(value) ?? [];
  const meant = end === undefined ? undefined : parseAddress(host);
  if (meant === undefined) return undefined;
  return isIpv6(meant) ? `[${meant}]:${end}` : `${meant}:${end}`;
}

/** Top-level options of this folder. */
export const netOptions = {
  listen: optional(list('a list of addresses with ports', endpoint(53), 0), {
    docs: 'Where clients ask, over UDP and TCP. An address without a port gets 53. `0.0.0.0` and `"[::]"` stand for all addresses of the machine; replies leave from the address that was asked. It may be empty or left out only where there are `service-addresses`: then Chorus answers no query itself, and moves the addresses of the nameserver of this machine.',
    optional: 'none',
    example: ['127.0.0.1:5300', '[::1]:5300'],
  }),
  engine: option(autoOr(choice(engineNames)), {
    docs: 'What moves UDP packets. `batch`: threads that take and send many packets with one system call (64-bit Linux). `loop`: Node’s own event loop, anywhere. `auto`: batch where it can run.',
    default: 'auto',
    applies: 'restart',
  }),
  'receive-buffer': option(size('64KiB', '1GiB'), {
    docs: 'Receive buffer asked of the kernel for each UDP listener; it holds a burst until it is read. The kernel grants at most `net.core.rmem_max` unless Chorus starts with CAP_NET_ADMIN; `chorus status` shows what was granted.',
    default: '16MiB',
    applies: 'restart',
  }),
  'ports-per-backend': option(whole(1, 32), {
    docs: 'Sockets, and so source ports, from each worker to each backend. A query leaves from one of them at random: more ports make forged answers harder.',
    default: 16,
    applies: 'restart',
  }),
  coalesce: option(flag(), {
    docs: 'Under load, from 30,000 packets/s for each worker, UDP packets may gather for up to 0.3 ms, so that each system call moves more of them: less processor time for a little latency. `off`: none ever waits. For the batch engine.',
    default: 'on',
  }),
  realtime: option(flag(), {
    docs: 'Packet workers run in real time (SCHED_RR, priority 1; sched(7)), so before everything else on their processors: answers do not wait for a few ms where the kernel or another program holds a processor. It takes CAP_SYS_NICE at the start or an RLIMIT_RTPRIO of 1 (what `user:` gives up is gone at a reload); without, a warning says so. Leave a processor for everything else: fewer `workers` than processors. For the batch engine.',
    default: 'off',
  }),
  tcp: option(
    section('a mapping of limits for TCP', {
      idle: option(duration('100ms', '1h'), {
        docs: 'A client’s connection on which nothing happens for so long is closed (RFC 7766, section 6.2.3).',
        default: '10s',
      }),
      connections: option(whole(1, 1_000_000), {
        docs: 'Connections from clients at once, over all. When all are taken, a newcomer gets the place of an idle connection of the client that has most, if it has fewer itself.',
        default: 4096,
      }),
      'connections-per-client': option(whole(1, 1_000_000), {
        docs: 'Connections at once from one client: an IPv4 address or an IPv6 /64.',
        default: 64,
      }),
      pipeline: option(whole(1, 65_535), {
        docs: 'Queries of one connection that may wait for answers; further ones are read later.',
        default: 128,
      }),
      'send-buffer': option(size('64KiB', '1GiB'), {
        docs: 'Answers that may wait for a slow reader; a connection that needs more is closed. At least one answer (64KiB) fits.',
        default: '512KiB',
      }),
    }),
    { docs: 'Bounds for clients over TCP.', default: {} },
  ),
};
