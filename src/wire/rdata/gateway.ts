import { formatIpv4, formatIpv6, parseIpv4, parseIpv6 } from '../address.ts';
import { formatBase64, parseBase64 } from '../octets.ts';
import type { Reader } from '../reader.ts';
import type { Tokens } from '../tokens.ts';
import type { Writer } from '../writer.ts';
import { record } from './codec.ts';
import type { Field } from './field.ts';

/** Kinds of gateway: none, an IPv4 address, an IPv6 address, a name that is never compressed. */
type Kind = 0 | 1 | 2 | 3;

function kindOf(value: number, fail: (detail: string) => never): Kind {
  return value === 0 || value === 1 || value === 2 || value === 3
    ? value
    : fail(`the gateway kind ${value} is not known`);
}

function readGateway(from: Reader, kind: Kind): string {
  if (kind === 0) return '.';
  if (kind === 3) return from.name(false);
  return kind === 1 ? formatIpv4(from.take(4)) : formatIpv6(from.take(16));
}

function writeGateway(to: Writer, kind: Kind, gateway: string): void {
  if (kind === 3) to.name(gateway, false);
  else if (kind !== 0) {
    to.put(
      (kind === 1 ? parseIpv4(gateway) : parseIpv6(gateway)) ?? to.fail(`"${gateway}" is not a gateway`),
    );
  } else if (gateway !== '.') to.fail(`"${gateway}" is given where there is no gateway`);
}

function parseGateway(from: Tokens, kind: Kind): string {
  if (kind === 3) return from.name('the gateway');
  const at = from.at;
  const word = from.word('the gateway');
  if (kind === 0) return word === '.' ? word : from.fail('no gateway is written as "."', at);
  const bytes = kind === 1 ? parseIpv4(word) : parseIpv6(word);
  if (!bytes) return from.fail(`"${word}" is not an address`, at);
  return kind === 1 ? formatIpv4(bytes) : formatIpv6(bytes);
}

type Ipsec = {
  readonly precedence: number;
  readonly gatewayType: Kind;
  readonly algorithm: number;
  readonly gateway: string;
  readonly key: Uint8Array;
};

const ipsec: Field<Ipsec> = {
  read: from => {
    const precedence = from.u8();
    const gatewayType = kindOf(from.u8(), detail => from.unknown(detail));
    const algorithm = from.u8();
    return { precedence, gatewayType, algorithm, gateway: readGateway(from, gatewayType), key: from.take() };
  },
  write: (to, { precedence, gatewayType, algorithm, gateway, key }) => {
    to.u8(precedence);
    to.u8(gatewayType);
    to.u8(algorithm);
    writeGateway(to, gatewayType, gateway);
    to.put(key);
  },
  format: ({ precedence, gatewayType, algorithm, gateway, key }) =>
    `${precedence} ${gatewayType} ${algorithm} ${gateway} ${formatBase64(key)}`.trimEnd(),
  parse: from => {
    const precedence = from.number('the precedence', 0xff);
    const gatewayType = kindOf(from.number('the gateway kind', 3), detail => from.fail(detail));
    const algorithm = from.number('the algorithm', 0xff);
    const gateway = parseGateway(from, gatewayType);
    const at = from.at;
    return { precedence, gatewayType, algorithm, gateway, key: parseBase64(from.joined(), at) };
  },
};

/** IPsec key (RFC 4025 section 2). */
export const ipseckey = record('IPSECKEY', { ipsec });

type Relay = {
  readonly precedence: number;
  readonly discoveryOptional: boolean;
  readonly relayType: Kind;
  readonly relay: string;
};

const relay: Field<Relay> = {
  read: from => {
    const precedence = from.u8();
    const octet = from.u8();
    const relayType = kindOf(octet & 0x7f, detail => from.unknown(detail));
    return { precedence, discoveryOptional: octet >= 0x80, relayType, relay: readGateway(from, relayType) };
  },
  write: (to, { precedence, discoveryOptional, relayType, relay }) => {
    to.u8(precedence);
    to.u8((discoveryOptional ? 0x80 : 0) | relayType);
    writeGateway(to, relayType, relay);
  },
  format: ({ precedence, discoveryOptional, relayType, relay }) =>
    `${precedence} ${discoveryOptional ? 1 : 0} ${relayType} ${relay}`,
  parse: from => {
    const precedence = from.number('the precedence', 0xff);
    const discoveryOptional = from.number('the discovery bit', 1) === 1;
    const relayType = kindOf(from.number('the relay kind', 3), detail => from.fail(detail));
    return { precedence, discoveryOptional, relayType, relay: parseGateway(from, relayType) };
  },
};

/** Multicast relay (RFC 8777 section 4). */
export const amtrelay = record('AMTRELAY', { relay });
