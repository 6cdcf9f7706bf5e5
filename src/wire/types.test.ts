import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  classCode,
  classes,
  className,
  extendedErrors,
  opcodeCode,
  opcodeName,
  opcodes,
  optionCode,
  optionName,
  options,
  rcodeCode,
  rcodeName,
  rcodes,
  typeCode,
  typeName,
  types,
} from './types.ts';

const tables = [
  { table: types, code: typeCode, name: typeName },
  { table: classes, code: classCode, name: className },
  { table: opcodes, code: opcodeCode, name: opcodeName },
  { table: rcodes, code: rcodeCode, name: rcodeName },
  { table: options, code: optionCode, name: optionName },
];

test('names and codes are each other’s inverse, in any case', () => {
  for (const { table, code, name } of tables) {
    for (const [text, number] of Object.entries(table)) {
      assert.equal(code(text), number);
      assert.equal(code(text.toLowerCase()), number);
      assert.equal(name(number), text);
    }
  }
});

test('codes without a name have the forms of RFC 3597', () => {
  assert.equal(typeName(65280), 'TYPE65280');
  assert.equal(typeCode('type65280'), 65280);
  assert.equal(typeCode('TYPE1'), types.A);
  assert.equal(className(32), 'CLASS32');
  assert.equal(classCode('CLASS1'), classes.IN);
  assert.equal(rcodeName(3000), 'RCODE3000');
  assert.equal(opcodeName(15), 'OPCODE15');
  assert.equal(optionName(65001), 'OPT65001');
});

test('what is no name is none', () => {
  for (const text of ['', 'TYPE', 'TYPE65536', 'TYPE-1', 'TYPEx', 'constructor', 'TYPE1.5', '1']) {
    assert.equal(typeCode(text), undefined, text);
  }
  assert.equal(rcodeCode('RCODE4096'), undefined);
  assert.equal(opcodeCode('OPCODE16'), undefined);
});

test('extended errors are those of RFC 8914', () => {
  assert.equal(extendedErrors.get(22), 'No Reachable Authority');
  assert.equal(extendedErrors.get(23), 'Network Error');
});
