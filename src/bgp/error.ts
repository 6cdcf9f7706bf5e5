/** What goes wrong in a BGP session, as its NOTIFICATION says it (RFC 4271 section 6). */

/** Error codes of a NOTIFICATION (RFC 4271 section 4.5, RFC 7313 section 5, RFC 9687 section 5). */
export const errorCode = {
  header: 1,
  open: 2,
  update: 3,
  holdTimer: 4,
  machine: 5,
  cease: 6,
  routeRefresh: 7,
  sendHoldTimer: 8,
} as const;

/** Subcodes of a Message Header Error (RFC 4271 section 6.1). */
export const headerError = { notSynchronized: 1, badLength: 2, badType: 3 } as const;

/** Subcodes of an OPEN Message Error (RFC 4271 section 6.2, RFC 5492 section 5). */
export const openError = {
  unspecific: 0,
  unsupportedVersion: 1,
  badPeerAs: 2,
  badIdentifier: 3,
  unsupportedParameter: 4,
  unacceptableHoldTime: 6,
  unsupportedCapability: 7,
} as const;

/** Subcodes of an UPDATE Message Error (RFC 4271 section 6.3) that still end a session (RFC 7606). */
export const updateError = {
  malformedList: 1,
  unrecognizedWellKnown: 2,
  optionalAttribute: 9,
  invalidNetwork: 10,
} as const;

/** Subcodes of a Cease (RFC 4486 section 3, RFC 8538 section 3.1). */
export const ceaseReason = {
  maximumPrefixes: 1,
  administrativeShutdown: 2,
  peerDeconfigured: 3,
  administrativeReset: 4,
  connectionRejected: 5,
  otherChange: 6,
  collision: 7,
  outOfResources: 8,
  hardReset: 9,
} as const;

const codeNames: readonly string[] = [
  'error code 0',
  'Message Header Error',
  'OPEN Message Error',
  'UPDATE Message Error',
  'Hold Timer Expired',
  'Finite State Machine Error',
  'Cease',
  'ROUTE-REFRESH Message Error',
  'Send Hold Timer Expired',
];

/** By code, from subcode 0 on. Null: nothing is said for it. */
const subcodeNames: Readonly<Record<number, readonly (string | null)[]>> = {
  1: [null, 'Connection Not Synchronized', 'Bad Message Length', 'Bad Message Type'],
  2: [
    null,
    'Unsupported Version Number',
    'Bad Peer AS',
    'Bad BGP Identifier',
    'Unsupported Optional Parameter',
    'Authentication Failure',
    'Unacceptable Hold Time',
    'Unsupported Capability',
    null,
    null,
    null,
    'Role Mismatch',
  ],
  3: [
    null,
    'Malformed Attribute List',
    'Unrecognized Well-known Attribute',
    'Missing Well-known Attribute',
    'Attribute Flags Error',
    'Attribute Length Error',
    'Invalid ORIGIN Attribute',
    'AS Routing Loop',
    'Invalid NEXT_HOP Attribute',
    'Optional Attribute Error',
    'Invalid Network Field',
    'Malformed AS_PATH',
  ],
  5: [
    null,
    'Unexpected Message in OpenSent State',
    'Unexpected Message in OpenConfirm State',
    'Unexpected Message in Established State',
  ],
  6: [
    null,
    'Maximum Number of Prefixes Reached',
    'Administrative Shutdown',
    'Peer De-configured',
    'Administrative Reset',
    'Connection Rejected',
    'Other Configuration Change',
    'Connection Collision Resolution',
    'Out of Resources',
    'Hard Reset',
    'BFD Down',
  ],
  7: [null, 'Invalid Message Length'],
};

/** "OPEN Message Error: Bad Peer AS"; numbers where nothing is registered. */
export function nameOfError(code: number, subcode: number): string {
  const name = codeNames[code] ?? `error code ${code}`;
  const detail = subcodeNames[code]?.[subcode];
  if (typeof detail === 'string') return `${name}: ${detail}`;
  return subcode === 0 ? name : `${name}: subcode ${subcode}`;
}

/** What ends a session. The one error of this folder's decoders: code, subcode and data are those of the NOTIFICATION. */
export class BgpError extends Error {
  override readonly name = 'BgpError';
  readonly code: number;
  readonly subcode: number;
  readonly data: Uint8Array;
  /** What is wrong, for an operator. */
  readonly detail: string;

  constructor(code: number, subcode: number, detail: string, data: Uint8Array = new Uint8Array(0)) {
    super(`${nameOfError(code, subcode)}: ${detail}`);
    this.code = code;
    this.subcode = subcode;
    this.data = data;
    this.detail = detail;
  }
}
