import { formatBare, parseOctets } from '../octets.ts';
import type { Tokens } from '../tokens.ts';
import { record } from './codec.ts';
import { type Field, plainName, u16 } from './field.ts';
import { keyCode, keyName, valueForms } from './svcparam.ts';

/** A service parameter. `value` is as on the wire; `svcparam.ts` reads and writes the known ones. */
export type SvcParam = { readonly key: number; readonly value: Uint8Array };

const bytesOf = (octets: string) => Uint8Array.from(octets, char => char.charCodeAt(0));
const octetsOf = (bytes: Uint8Array) => Array.from(bytes, octet => String.fromCharCode(octet)).join('');

/** Parameters by ascending key, each once (RFC 9460 section 2.2). Known ones must have a value of their form. */
const params: Field<readonly SvcParam[]> = {
  read: from => {
    const list: SvcParam[] = [];
    while (from.left > 0) {
      const at = from.at;
      const key = from.u16();
      const value = from.take(from.u16());
      if (key <= (list.at(-1)?.key ?? -1)) from.fail('service parameters do not ascend', at);
      if (valueForms.get(key)?.format(value) === undefined && valueForms.has(key)) {
        from.fail(`the value of the service parameter ${keyName(key)} has not its form`, at);
      }
      list.push({ key, value });
    }
    const fault = mandatoryFault(list);
    return fault ? from.fail(fault) : list;
  },
  write: (to, list) => {
    let last = -1;
    for (const { key, value } of list) {
      if (key <= last) to.fail('service parameters do not ascend');
      last = key;
      to.u16(key);
      to.u16(value.length);
      to.put(value);
    }
  },
  format: list => list.map(formatParam).join(' '),
  parse: from => {
    const list: SvcParam[] = [];
    const at = from.at;
    while (from.left > 0) list.push(parseParam(from));
    list.sort((a, b) => a.key - b.key);
    if (list.some((param, i) => param.key === list[i + 1]?.key))
      from.fail('a service parameter stands twice', at);
    const fault = mandatoryFault(list);
    return fault ? from.fail(fault, at) : list;
  },
};

/** What is wrong with `mandatory` (RFC 9460 section 8): it names itself, a key twice, out of order or not there. */
function mandatoryFault(list: readonly SvcParam[]): string | undefined {
  const value = list[0]?.key === 0 ? list[0].value : undefined;
  if (!value) return undefined;
  let last = 0;
  for (let i = 0; i + 1 < value.length; i += 2) {
    const key = (value[i]! << 8) | value[i + 1]!;
    if (key <= last) return 'the keys of the service parameter mandatory do not ascend';
    if (!list.some(param => param.key === key))
      return `the mandatory service parameter ${keyName(key)} is not there`;
    last = key;
  }
  return undefined;
}

function formatParam({ key, value }: SvcParam): string {
  const form = valueForms.get(key);
  const text = form?.format(value);
  if (text !== undefined) return text === '' ? keyName(key) : `${keyName(key)}=${text}`;
  // RFC 9460 section 2.1: the generic form of any key.
  const name = form ? `key${key}` : keyName(key);
  return value.length === 0 ? name : `${name}="${formatBare(octetsOf(value))}"`;
}

function parseParam(from: Tokens): SvcParam {
  const { text, at } = from.token('a service parameter');
  const equals = text.indexOf('=');
  const name = equals < 0 ? text : text.slice(0, equals);
  let raw = equals < 0 ? '' : text.slice(equals + 1);
  if (raw.startsWith('"') && raw.endsWith('"') && raw.length > 1) raw = raw.slice(1, -1);
  const key = keyCode(name) ?? from.fail(`"${name}" is not a service parameter`, at);
  const octets = parseOctets(raw, at);
  const form = name.toLowerCase() === keyName(key) ? valueForms.get(key) : undefined;
  const value = form ? form.parse(octets) : bytesOf(octets);
  if (!value || (valueForms.has(key) && valueForms.get(key)?.format(value) === undefined)) {
    return from.fail(`"${raw}" is not a value of the service parameter ${name}`, at);
  }
  if (value.length > 0xffff) from.fail('a service parameter is too long', at);
  return { key, value };
}

const fields = { priority: u16, target: plainName, params };

/** Service binding (RFC 9460 section 2). Priority 0 is an alias. */
export const svcb = record('SVCB', fields, { internet: true });

/** Service binding for HTTPS (RFC 9460 section 9). */
export const https = record('HTTPS', fields, { internet: true });
