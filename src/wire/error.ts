/** What went wrong: a small set, so that a caller can choose FORMERR or silence by code. */
export type WireErrorCode =
  /** The bytes end before the thing they promise: counts or lengths that lie. */
  | 'TRUNCATED'
  /** A label kind that does not exist, an empty label, a name over 255 or a label over 63 octets. */
  | 'NAME'
  /** A compression pointer that does not point backwards into the message. */
  | 'POINTER'
  /** A compression pointer where RFC 3597 section 4 allows none. */
  | 'COMPRESSED'
  /** Record data that its type does not allow, or of another length than RDLENGTH. */
  | 'RDATA'
  /** OPT twice, in the wrong section, or with data that is not its own. */
  | 'OPT'
  /** A value that the format has no room for (encoding). */
  | 'RANGE'
  /** More than 65,535 octets (encoding). */
  | 'TOO_LARGE'
  /** Presentation format that cannot be understood; the offset counts characters. */
  | 'TEXT';

/** The one error of this folder. `offset` is the byte (in text: the character) where the trouble was seen. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly code: WireErrorCode;
  readonly offset: number;
  /** The message without the offset. */
  readonly detail: string;

  constructor(code: WireErrorCode, offset: number, detail: string) {
    super(`${detail} (${code === 'TEXT' ? 'character' : 'byte'} ${offset})`);
    this.code = code;
    this.offset = offset;
    this.detail = detail;
  }
}
