/** The messages of BGP-4 (RFC 4271 section 4), read and written. */
import {
  type Fault,
  type PathAttributes,
  type Reach,
  readAttributes,
  type Unreach,
  type UpdateContext,
  writeAttributes,
} from './attributes.ts';
import { type Capability, encodeCapability, readCapabilities } from './capability.ts';
import { BgpError, ceaseReason, errorCode, headerError, openError, updateError } from './error.ts';
import {
  addressOctets,
  type Family,
  formatAddress,
  type Prefix,
  readPrefixes,
  writePrefix,
} from './family.ts';
import { Gather, hexOf, Octets, octetsOf, Short } from './octets.ts';

/** Octets of marker, length and type. */
export const headerLength = 19;
/** Most octets of a message; that of RFC 8654 is not offered. */
export const maxMessage = 4096;

export const messageType = { open: 1, update: 2, notification: 3, keepalive: 4, routeRefresh: 5 } as const;

export type OpenMessage = {
  readonly kind: 'open';
  readonly version: number;
  /** The two-octet field: AS_TRANS for who has a greater number. */
  readonly as: number;
  /** s. */
  readonly holdTime: number;
  readonly routerId: string;
  readonly capabilities: readonly Capability[];
};

export type UpdateMessage = {
  readonly kind: 'update';
  readonly withdrawn: readonly Prefix[];
  readonly announced: readonly Prefix[];
  readonly attributes: PathAttributes;
  readonly reach: Reach | null;
  readonly unreach: Unreach | null;
  /** What is wrong with it and does not end the session. */
  readonly faults: readonly Fault[];
  /** How many prefixes of the families spoken here it announces and withdraws; MP NLRI of other families. */
  readonly counts: { readonly announced: number; readonly withdrawn: number; readonly foreign: number };
};

export type NotificationMessage = {
  readonly kind: 'notification';
  readonly code: number;
  readonly subcode: number;
  /** In hexadecimal. */
  readonly data: string;
};

export type RouteRefreshMessage = {
  readonly kind: 'route-refresh';
  readonly afi: number;
  readonly safi: number;
  /** 0: asked for. 1, 2: begin and end of one (RFC 7313 section 3.2). */
  readonly subtype: number;
};

export type Message =
  | OpenMessage
  | UpdateMessage
  | NotificationMessage
  | { readonly kind: 'keepalive' }
  | RouteRefreshMessage;

/** The least length of each type (RFC 4271 section 6.1, RFC 2918 section 3). */
const leastLength: Readonly<Record<number, number>> = { 1: 29, 2: 23, 3: 21, 4: 19, 5: 23 };

/**
 * Checks the header that begins at `at`; gives the length of the message with it, in octets.
 * @throws BgpError with the field that is wrong as its data.
 */
export function checkHeader(bytes: Uint8Array, at: number): number {
  for (let i = at; i < at + 16; i++) {
    if (bytes[i] !== 0xff) {
      throw new BgpError(errorCode.header, headerError.notSynchronized, 'the marker is not all ones');
    }
  }
  const length = (bytes[at + 16]! << 8) | bytes[at + 17]!;
  const type = bytes[at + 18]!;
  const least = leastLength[type];
  const wrongLength = length < (least ?? headerLength) || length > maxMessage;
  if (wrongLength || (type === messageType.keepalive && length !== headerLength)) {
    const data = new Uint8Array(bytes.subarray(at + 16, at + 18));
    const detail = `a message of type ${type} and ${length} octets`;
    throw new BgpError(errorCode.header, headerError.badLength, detail, data);
  }
  if (least === undefined) {
    const detail = `a message of type ${type}`;
    throw new BgpError(errorCode.header, headerError.badType, detail, Uint8Array.of(type));
  }
  return length;
}

/**
 * Reads one whole message, its header included.
 * @throws BgpError, which is what the peer is told before the session ends. Nothing else.
 */
export function decodeMessage(bytes: Uint8Array, context: UpdateContext): Message {
  if (bytes.length < headerLength || checkHeader(bytes, 0) !== bytes.length) {
    throw new BgpError(errorCode.header, headerError.badLength, `${bytes.length} octets are no message`);
  }
  const from = new Octets(bytes, headerLength);
  switch (bytes[18]) {
    case messageType.open:
      return decodeOpen(from);
    case messageType.update:
      return decodeUpdate(from, context);
    case messageType.notification:
      return {
        kind: 'notification',
        code: from.u8(),
        subcode: from.u8(),
        data: hexOf(from.take()),
      };
    case messageType.routeRefresh:
      return decodeRouteRefresh(from);
    default:
      return { kind: 'keepalive' };
  }
}

function decodeOpen(from: Octets): OpenMessage {
  try {
    const version = from.u8();
    if (version !== 4) {
      // The data is the version that is spoken (RFC 4271 section 6.2).
      const data = Uint8Array.of(0, 4);
      throw new BgpError(errorCode.open, openError.unsupportedVersion, `version ${version}`, data);
    }
    const as = from.u16();
    const holdTime = from.u16();
    const routerId = formatAddress(from.take(4));
    return { kind: 'open', version, as, holdTime, routerId, capabilities: readParameters(from) };
  } catch (thrown) {
    if (!(thrown instanceof Short)) throw thrown;
    throw new BgpError(errorCode.open, openError.unspecific, `malformed: ${thrown.message}`);
  }
}

/** Optional parameters, in the form of RFC 4271 section 4.2 or that of RFC 9072 section 2. */
function readParameters(from: Octets): Capability[] {
  let length = from.u8();
  const long = length === 255 && from.left >= 3 && from.bytes[from.at] === 255;
  if (long) {
    from.u8();
    length = from.u16();
  }
  const parameters = from.part(length);
  if (from.left > 0) throw new Short(`${from.left} octets after the optional parameters`);
  const found: Capability[] = [];
  while (parameters.left > 0) {
    const type = parameters.u8();
    const value = parameters.part(long ? parameters.u16() : parameters.u8());
    if (type !== 2) {
      const detail = `optional parameter ${type}`;
      throw new BgpError(errorCode.open, openError.unsupportedParameter, detail);
    }
    found.push(...readCapabilities(value));
  }
  return found;
}

function decodeUpdate(from: Octets, context: UpdateContext): UpdateMessage {
  const withdrawn: Prefix[] = [];
  const announced: Prefix[] = [];
  const parts = listsOf(from);
  const prefixes = (part: Octets, into: Prefix[]): number => {
    try {
      return readPrefixes(part, 'ipv4', context.keepPrefixes ? into : null);
    } catch (thrown) {
      if (!(thrown instanceof Short)) throw thrown;
      throw new BgpError(errorCode.update, updateError.invalidNetwork, thrown.message);
    }
  };
  const withdrawnCount = prefixes(parts.withdrawn, withdrawn);
  const { attributes, reach, unreach, faults, reached, unreached, foreign } = readAttributes(
    parts.attributes,
    context,
  );
  const announcedCount = prefixes(from, announced);
  const missing: Fault[] = [];
  const need = (there: unknown, type: number, detail: string): void => {
    if (there === null) missing.push({ action: 'withdraw', type, detail });
  };
  // What is there but faulty is reported already (RFC 7606 section 3 d).
  const faulty = (type: number): boolean => faults.some(fault => fault.type === type || fault.type === 0);
  if (announcedCount > 0 || reach !== null) {
    if (!faulty(1)) need(attributes.origin, 1, 'no ORIGIN');
    if (!faulty(2)) need(attributes.asPath, 2, 'no AS_PATH');
    if (announcedCount > 0 && !faulty(3)) need(attributes.nextHop, 3, 'no NEXT_HOP');
  }
  return {
    kind: 'update',
    withdrawn,
    announced,
    attributes,
    reach,
    unreach,
    faults: [...faults, ...missing],
    counts: { announced: announcedCount + reached, withdrawn: withdrawnCount + unreached, foreign },
  };
}

/** @throws BgpError when the lengths of the lists and of the message do not agree. */
function listsOf(from: Octets): { withdrawn: Octets; attributes: Octets } {
  try {
    return { withdrawn: from.part(from.u16()), attributes: from.part(from.u16()) };
  } catch (thrown) {
    if (!(thrown instanceof Short)) throw thrown;
    throw new BgpError(errorCode.update, updateError.malformedList, thrown.message);
  }
}

function decodeRouteRefresh(from: Octets): RouteRefreshMessage {
  // What follows in a longer one is a filter (RFC 5291), which is not offered here.
  const afi = from.u16();
  const subtype = from.u8();
  return { kind: 'route-refresh', afi, safi: from.u8(), subtype };
}

/** The family of an End-of-RIB marker (RFC 4724 section 2); null for any other update. */
export function endOfRib(update: UpdateMessage): Family | null {
  const { announced, withdrawn, foreign } = update.counts;
  if (announced + withdrawn + foreign > 0 || update.faults.length > 0 || update.reach) return null;
  if (update.unreach) return update.unreach.family;
  const { attributes } = update;
  const empty = attributes.origin === null && attributes.asPath === null && attributes.nextHop === null;
  return empty && attributes.others.length === 0 ? 'ipv4' : null;
}

/** One message with its header. @throws RangeError for values that do not fit in it. */
export function encodeMessage(
  message: Exclude<Message, UpdateMessage> | Omit<UpdateMessage, 'faults' | 'counts'>,
  context: Pick<UpdateContext, 'fourOctetAs'> = { fourOctetAs: true },
): Uint8Array {
  switch (message.kind) {
    case 'open':
      return framed(messageType.open, openBody(message));
    case 'update': {
      const withdrawn = new Gather();
      for (const prefix of message.withdrawn) writePrefix(withdrawn, prefix);
      const attributes = writeAttributes(message, context);
      const body = new Gather().u16(withdrawn.length).put(withdrawn.done());
      body.u16(attributes.length).put(attributes);
      for (const prefix of message.announced) writePrefix(body, prefix);
      return framed(messageType.update, body.done());
    }
    case 'notification': {
      const body = new Gather().u8(message.code).u8(message.subcode).put(octetsOf(message.data));
      return framed(messageType.notification, body.done());
    }
    case 'keepalive':
      return framed(messageType.keepalive, new Uint8Array(0));
    case 'route-refresh': {
      const body = new Gather().u16(message.afi).u8(message.subtype).u8(message.safi);
      return framed(messageType.routeRefresh, body.done());
    }
  }
}

function openBody({ version, as, holdTime, routerId, capabilities }: OpenMessage): Uint8Array {
  const out = new Gather().u8(version).u16(as).u16(holdTime).put(addressOctets(routerId));
  const values = capabilities.map(encodeCapability);
  const total = values.reduce((sum, value) => sum + value.length, 0);
  if (total === 0) return out.u8(0).done();
  // One parameter with all of them (RFC 5492 section 4); the long form only where it is needed (RFC 9072 section 2).
  if (total <= 253)
    out
      .u8(total + 2)
      .u8(2)
      .u8(total);
  else
    out
      .u8(255)
      .u8(255)
      .u16(total + 3)
      .u8(2)
      .u16(total);
  for (const value of values) out.put(value);
  return out.done();
}

function framed(type: number, body: Uint8Array): Uint8Array {
  const length = headerLength + body.length;
  if (length > maxMessage) throw new RangeError(`a message of ${length} octets`);
  const bytes = new Uint8Array(length).fill(0xff, 0, 16);
  bytes[16] = length >> 8;
  bytes[17] = length & 0xff;
  bytes[18] = type;
  bytes.set(body, headerLength);
  return bytes;
}

/** The NOTIFICATION that tells a peer of an error. Data that does not fit is cut. */
export function notificationOf({ code, subcode, data }: BgpError): NotificationMessage {
  const fitting = data.subarray(0, maxMessage - headerLength - 2);
  return { kind: 'notification', code, subcode, data: hexOf(fitting) };
}

/** Most octets of a shutdown communication (RFC 9003 section 2). */
const maxReason = 255;

/** A Cease with the operator's words (RFC 9003), cut to 255 octets of UTF-8 between characters. */
export function ceaseWithReason(
  subcode: typeof ceaseReason.administrativeShutdown | typeof ceaseReason.administrativeReset,
  reason: string,
): BgpError {
  let text = '';
  let length = 0;
  for (const character of reason.toWellFormed()) {
    const octets = utf8.encode(character).length;
    if (length + octets > maxReason) break;
    text += character;
    length += octets;
  }
  const octets = utf8.encode(text);
  const data = new Gather().u8(octets.length).put(octets).done();
  return new BgpError(errorCode.cease, subcode, text === '' ? 'without a word' : text, data);
}
const utf8 = new TextEncoder();

/** What a NOTIFICATION says. */
export type Told = {
  readonly code: number;
  readonly subcode: number;
  /** The peer forgets all routes in any case (RFC 8538 section 3); `code` and `subcode` are those inside. */
  readonly hard: boolean;
  /** The words of the peer's operator, without control characters; null when there are none (RFC 9003). */
  readonly words: string | null;
  /** Data without words, in hexadecimal. */
  readonly data: string;
};

/** Looks into a NOTIFICATION: hard reset and shutdown communication. */
export function readNotification({ code, subcode, data }: NotificationMessage): Told {
  const bytes = octetsOf(data);
  if (code === errorCode.cease && subcode === ceaseReason.hardReset && bytes.length >= 2) {
    const rest = data.slice(4);
    // A hard reset within a hard reset has no meaning: what is inside is taken as it is.
    const inner = { kind: 'notification', code: bytes[0]!, subcode: bytes[1]!, data: rest } as const;
    if (inner.code === errorCode.cease && inner.subcode === ceaseReason.hardReset) {
      return { code: inner.code, subcode: inner.subcode, hard: true, words: null, data: rest };
    }
    return { ...readNotification(inner), hard: true };
  }
  const spoken =
    code === errorCode.cease &&
    (subcode === ceaseReason.administrativeShutdown || subcode === ceaseReason.administrativeReset);
  const words = spoken ? wordsOf(bytes) : null;
  return { code, subcode, hard: false, words, data: words === null ? data : '' };
}

/** Null where the length lies or there is nothing; what is no UTF-8 is replaced, what is no text is left out. */
function wordsOf(bytes: Uint8Array): string | null {
  const length = bytes[0] ?? 0;
  if (length === 0 || length > bytes.length - 1) return null;
  const text = new TextDecoder().decode(bytes.subarray(1, 1 + length));
  // Control characters and those that change the direction of writing could forge a log.
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]+/gu, ' ').trim() || null;
}
