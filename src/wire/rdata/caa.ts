import { record } from './codec.ts';
import { type Field, stringRest, u8 } from './field.ts';

/** Letters and digits, at least one (RFC 8659 section 4.1). */
const tagPattern = /^[0-9A-Za-z]{1,255}$/;

const tag: Field<string> = {
  read: from => {
    const at = from.at;
    const text = from.string();
    return tagPattern.test(text) ? text : from.fail('a CAA tag is not letters and digits', at);
  },
  write: (to, value) => {
    if (!tagPattern.test(value)) to.fail(`the CAA tag "${value}" is not letters and digits`);
    to.string(value);
  },
  format: value => value,
  parse: (from, what) => {
    const at = from.at;
    const text = from.word(what);
    return tagPattern.test(text) ? text : from.fail(`${what} "${text}" is not letters and digits`, at);
  },
};

/** Certification authority authorisation (RFC 8659 section 4). */
export const caa = record('CAA', { flags: u8, tag, value: stringRest });
