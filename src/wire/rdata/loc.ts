import { type Codec, type DataOf, record } from './codec.ts';
import { type Field, u8 } from './field.ts';

/** A distance in centimetres: one digit and a power of ten in an octet, 0 to 9e9 (RFC 1876 section 2). */
const precision: Field<number> = {
  read: from => {
    const at = from.at;
    const octet = from.u8();
    const digit = octet >> 4;
    const power = octet & 15;
    if (digit > 9 || power > 9) from.fail('a distance is not a digit and a power of ten', at);
    return digit * 10 ** power;
  },
  write: (to, value) => {
    let power = 0;
    let digit = value;
    for (; digit > 9 && digit % 10 === 0; power++) digit /= 10;
    if (!Number.isInteger(digit) || digit < 0 || digit > 9 || power > 9)
      to.fail(`${value} cm is not a digit and a power of ten`);
    to.u8((digit << 4) | power);
  },
  format: value => `${metres(value)}m`,
  parse: (from, what) => {
    const at = from.at;
    const value = centimetres(from.word(what)) ?? from.fail(`${what} is not a distance in metres`, at);
    if (value < 0 || value > 9e9) from.fail(`${what} is not in 0…90,000,000 m`, at);
    // Only the first digit has room.
    const unit = 10 ** (String(value).length - 1);
    return value < 10 ? value : Math.floor(value / unit) * unit;
  },
};

const metres = (value: number): string => (value < 100 ? (value / 100).toFixed(2) : String(value / 100));

function centimetres(text: string): number | undefined {
  const parts = /^(-?)(\d{1,8})(?:\.(\d{1,3}))?m?$/i.exec(text);
  if (!parts) return undefined;
  const value = Number(parts[2]) * 100 + Math.floor(Number((parts[3] ?? '').padEnd(3, '0')) / 10);
  return parts[1] ? 0 - value : value;
}

/** Thousandths of a second of arc from the equator or the prime meridian, north and east positive. */
function angle(limit: number, positive: string, negative: string): Field<number> {
  const most = limit * 3_600_000;
  return {
    read: from => {
      const at = from.at;
      const value = from.u32() - 0x80000000;
      return Math.abs(value) <= most ? value : from.fail(`an angle is beyond ${limit} degrees`, at);
    },
    write: (to, value) => {
      if (Math.abs(value) > most) to.fail(`an angle is beyond ${limit} degrees`);
      to.u32(value + 0x80000000);
    },
    format: value => {
      const size = Math.abs(value);
      const seconds = ((size % 60_000) / 1000).toFixed(3);
      const side = value < 0 ? negative : positive;
      return `${Math.floor(size / 3_600_000)} ${Math.floor(size / 60_000) % 60} ${seconds} ${side}`;
    },
    parse: (from, what) => {
      const at = from.at;
      let value = 0;
      for (const [unit, most] of [
        [3_600_000, limit],
        [60_000, 59],
        [1000, 59.999],
      ] as const) {
        if (!/^\d{1,3}(\.\d{1,3})?$/.test(from.peek()?.text ?? '')) break;
        const part = Number(from.word(what));
        if (part > most || (unit > 1000 && !Number.isInteger(part))) from.fail(`${what} is out of range`, at);
        value += Math.round(part * unit);
      }
      const side = from.word(what).toUpperCase();
      if (side !== positive && side !== negative)
        from.fail(`${what} does not end in ${positive} or ${negative}`, at);
      if (value > most) from.fail(`${what} is beyond ${limit} degrees`, at);
      return side === negative ? 0 - value : value;
    },
  };
}

/** Centimetres above the reference spheroid; the wire counts from 100,000 m below it. */
const altitude: Field<number> = {
  read: from => from.u32() - 10_000_000,
  write: (to, value) => to.u32(value + 10_000_000),
  format: value => `${(value / 100).toFixed(2)}m`,
  parse: (from, what) => {
    const at = from.at;
    const value = centimetres(from.word(what)) ?? from.fail(`${what} is not in metres`, at);
    return value >= -10_000_000 && value + 10_000_000 <= 0xffffffff
      ? value
      : from.fail(`${what} is out of range`, at);
  },
};

/** Only version 0 has a meaning. */
const version: Field<number> = {
  ...u8,
  read: from => {
    const at = from.at;
    return from.u8() === 0 ? 0 : from.unknown('the version of a LOC record is not 0', at);
  },
  write: (to, value) => (value === 0 ? to.u8(0) : to.fail('the version of a LOC record is not 0')),
};

const fields = {
  version,
  size: precision,
  horizontal: precision,
  vertical: precision,
  latitude: angle(90, 'N', 'S'),
  longitude: angle(180, 'E', 'W'),
  altitude,
};

/** Location (RFC 1876 section 2). The text has another order than the wire and may end early (section 3). */
export const loc: Codec<DataOf<'LOC', typeof fields>> = {
  ...record('LOC', fields),
  format: data =>
    [
      fields.latitude.format(data.latitude),
      fields.longitude.format(data.longitude),
      altitude.format(data.altitude),
      precision.format(data.size),
      precision.format(data.horizontal),
      precision.format(data.vertical),
    ].join(' '),
  parse: from => {
    const or = (field: Field<number>, what: string, value: number) =>
      from.left > 0 ? field.parse(from, what) : value;
    return {
      kind: 'LOC',
      version: 0,
      latitude: fields.latitude.parse(from, 'the latitude'),
      longitude: fields.longitude.parse(from, 'the longitude'),
      altitude: altitude.parse(from, 'the altitude'),
      size: or(precision, 'the size', 100),
      horizontal: or(precision, 'the horizontal precision', 1_000_000),
      vertical: or(precision, 'the vertical precision', 1000),
    };
  },
};
