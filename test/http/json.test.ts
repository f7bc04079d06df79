/**
 * Which JSON is taken: a table of texts in the classes of JSONTestSuite (y: must be taken, n: must be refused,
 * i: either). What we take, PHP's json_decode takes too, with the same value; what PHP would misread, we refuse.
 */
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { parseIJson } from '../../gateway/ijson.ts';
import { post } from '../support/call.ts';
import { startGateway } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { Runs } from '../support/told-handlers.ts';

type Bytes = string | readonly number[];

/** Valid JSON that is also I-JSON: taken, and PHP sees the same value. */
// biome-ignore format: a table to skim, not a list to scroll
const taken: readonly Bytes[] = [
  '[[]   ]', '[""]', '[]', '["a"]', '[false]', '[null, 1, "1", {}]', '[null]', '[1\n]', ' [1]',
  '[1,null,null,null,2]', '[2] ', '[123e65]', '[0e+1]', '[0e1]', '[ 4]',
  '[-0.000000000000000000000000000000000000000000000000000000000000000000000000000001]', '[20e1]', '[-0]', '[-123]',
  '[-1]', '[-0]', '[1E22]', '[1E-2]', '[1E+2]', '[123e45]', '[123.456e78]', '[1e-2]', '[1e+2]', '[123]',
  '[123.456789]', '{"asd":"sdf", "dfg":"fgh"}', '{"asd":"sdf"}', '{}', '{"":0}', '{"foo\\u0000bar": 42}',
  '{ "min": -1.0e+28, "max": 1.0e+28 }',
  '{"x":[{"id": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"}], "id": "xxxxxxxx"}', '{"a":[]}',
  '{"title":"\\u041f\\u043e\\u043b\\u0442\\u043e\\u0440\\u0430" }', '{\n"a": "b"\n}', '["\\u0060\\u012a\\u12AB"]',
  '["\\uD801\\udc37"]', '["\\ud83d\\ude39\\ud83d\\udc8d"]', '["\\"\\\\\\/\\b\\f\\n\\r\\t"]', '["\\\\u0000"]',
  '["\\""]', '["a/*b*/c/*d//e"]', '["\\\\a"]', '["\\\\n"]', '["\\u0012"]', '["\\uFFFF"]', '["asd"]', '[ "asd"]',
  '["\\uDBFF\\uDFFF"]', '["new\\u00A0line"]', '["\u{10ffff}"]', '["\uffff"]', '["\\u0000"]', '["\\u002c"]', '["π"]',
  '["\u{1bfff}"]', '["asd "]', '" "', '["\\uD834\\uDd1e"]', '["\\u0821"]', '["\\u0123"]', '["\u2028"]', '["\u2029"]',
  '["\\u0061\\u30af\\u30EA\\u30b9"]', '["new\\u000Aline"]', '["\u007f"]', '["\\uA66D"]', '["\\u005C"]', '["⍂㈴⍂"]',
  '["\\u200B"]', '["\\u2064"]', '["\\uFDD0"]', '["\\uFFFE"]', '["\\u0022"]', '["€𝄞"]', '["aa"]', 'false', '42',
  '-0.1', 'null', '"asd"', 'true', '""', '["a"]\n', '[true]', ' [] ', '9007199254740991', '-9007199254740991',
  '[0.1]', '1.7976931348623157e308', '5e-324', '[1e-400]', '"\u00e9"', '"e\u0301"', '{"a":{"a":{"a":1}}}',
  '[{"a":1},{"a":2}]', '{"a":1,"A":2}', '{"\u00e9":1,"e\u0301":2}', '{"constructor":1,"toString":2}',
  '\t\r\n 1 \t\r\n', '"__proto__"', '["__proto__"]', '"<script>&\'"', '1.0', '100', '1e2', '[1.5e+9]',
  '{"a b":1," ":2}', '"\\/"', '{"$ref":"#"}',
];

/** No JSON at all: refused. */
// biome-ignore format: a table to skim, not a list to scroll
const refused: readonly Bytes[] = [
  '', ' ', '[1 true]', [0x5b, 0x61, 0xe5, 0x5d], '["": 1]', '[""],', '[,1]', '[1,,2]', '["x",,]', '["x"]]', '["",]',
  '["x"', '[x', '[3[4]]', [0x5b, 0xff, 0x5d], '[1:2]', '[,]', '[-]', '[   , ""]', '["a",\n4\n,1,', '[1,]', '[1,,]',
  '["\va"\\f]', '[*]', '[""', '[1,', '[1,\n1\n,1', '[{}', '[fals]', '[nul]', '[tru]', '123\0', '[++1234]', '[+1]',
  '[+Inf]', '[-01]', '[-1.0.]', '[-2.]', '[-NaN]', '[.-1]', '[.2e-3]', '[0.1.2]', '[0.3e+]', '[0.3e]', '[0.e1]',
  '[0E+]', '[0E]', '[0e+]', '[0e]', '[1.0e+]', '[1.0e-]', '[1.0e]', '[1 000.0]', '[1eE2]', '[2.e+3]', '[2.e-3]',
  '[2.e3]', '[9.e+]', '[Inf]', '[NaN]', '[\uff11]', '[1+2]', '[0x1]', '[0x42]', '[Infinity]', '[0e+-1]',
  '[-123.123foo]', [0x5b, 0x31, 0x32, 0x33, 0xe5, 0x5d], '[-Infinity]', '[-foo]', '[- 1]', '[-012]', '[-.123]',
  '[-1x]', '[1ea]', '[1.]', '[.123]', '[1.2a-3]', '[1.8011670033376514H-308]', '[012]', '["x", truth]', '{[: "x"}',
  '{"x", null}', '{"x"::"b"}', '{🇨🇭}', '{"a":"a" 123}', "{key: 'value'}", '{"a" b}', '{:"b"}', '{"a" "b"}', '{"a":',
  '{"a"', '{1:1}', '{9999E9999:1}', '{null:null,null:null}', '{"id":0,,,,,}', "{'a':0}", '{"id":0,}',
  '{"a":"b"}/**/', '{"a":"b"}/**//', '{"a":"b"}//', '{"a":"b"}/', '{"a":"b",,"c":"d"}', '{a: "b"}', '{"a":"a',
  '{ "foo" : "bar", "a" }', '{"a":"b"}#', '["\\uD800\\"]', '["\\uD800\\u"]', '["\\uD800\\u1"]', '["\\uD800\\u1x"]',
  '[é]', '["\\\0"]', '["\\\\\\"]', '["\\x00"]', '["\\\t"]', '["\\🌀"]', '["\\"]', '["\\u00A"]', '["\\uD834\\uDd"]',
  '["\\uD800\\uD800\\x"]', '["\\a"]', '["\\uqqqq"]', [0x5b, 0x22, 0x5c, 0xe5, 0x22, 0x5d], '[\\u0020"asd"]', '[\\n]',
  '"', "['single quote']", 'abc', '["\\', '["a\0a"]', '["new\nline"]', '["\t"]', '"\\UA66D"', '""x', '[\u2060]',
  [0xef, 0xbb, 0xbf], '<.>', '[<null>]', '[1]x', '[1]]', '["asd]', 'aå', '[True]', '1]', '{"x": true,', '[][]', ']',
  [0xef, 0xbb, 0x7b, 0x7d], 'å', '[', '{"":', '\0', '{}}', '{"a":/*comment*/"b"}', '{"a": true} "x"', "['", '[,',
  '{', '{[', '{"a', "{'a'", '["\\{["\\{["\\{["\\{', '*', '{"a":"b"}#{}', '[\\u000A""]', '[1', '[ false, nul',
  '[ true, fals', '[ false, tru', '{"asd":"asd"', '\u00a0[]', '\u2060', '\f[]', 'NaN', 'undefined', '01', '+1',
  '--1', '1 2', '"a""b"',
];

/** Valid to some parsers, read differently by others: refused, each with what is wrong. */
const ambiguous: readonly (readonly [what: string, bytes: Bytes, code: string, detail: RegExp])[] = [
  ['a number beyond doubles', '[1e400]', 'invalid-json', /out of range/],
  ['a negative number beyond doubles', '[-1e9999]', 'invalid-json', /out of range/],
  ['a very long number', `[${'9'.repeat(400)}]`, 'invalid-json', /out of range/],
  ['2^53', '9007199254740992', 'invalid-json', /beyond 2\^53/],
  ['2^53 + 1', '{"id":9007199254740993}', 'invalid-json', /beyond 2\^53/],
  ['2^53 + 1 with a fraction of zero', '9007199254740993.0', 'invalid-json', /beyond 2\^53/],
  ['-2^53', '[-9007199254740992]', 'invalid-json', /beyond 2\^53/],
  ['a 64-bit integer', '[18446744073709551615]', 'invalid-json', /beyond 2\^53/],
  ['a lone high surrogate', '["\\ud800"]', 'invalid-json', /surrogate/],
  ['a lone low surrogate', '["\\uDFAA"]', 'invalid-json', /surrogate/],
  ['surrogates the wrong way round', '["\\uDd1e\\uD834"]', 'invalid-json', /surrogate/],
  ['a surrogate in a member name', '{"\\uD800":1}', 'invalid-json', /surrogate/],
  ['a high surrogate and a letter', '["\\uD800abc"]', 'invalid-json', /surrogate/],
  ['a truncated sequence', [0x22, 0xe0, 0xff, 0x22], 'invalid-json', /UTF-8/],
  ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22], 'invalid-json', /UTF-8/],
  ['an overlong sequence of six bytes', [0x22, 0xfc, 0x83, 0xbf, 0xbf, 0xbf, 0xbf, 0x22], 'invalid-json', /UTF-8/],
  ['a surrogate written in UTF-8', [0x22, 0xed, 0xa0, 0x80, 0x22], 'invalid-json', /UTF-8/],
  ['a code point beyond Unicode', [0x22, 0xf4, 0xbf, 0xbf, 0xbf, 0x22], 'invalid-json', /UTF-8/],
  ['latin1', [0x22, 0xe9, 0x22], 'invalid-json', /UTF-8/],
  ['a lone continuation byte', [0x22, 0x81, 0x22], 'invalid-json', /UTF-8/],
  ['UTF-16, little end first, with a BOM', [0xff, 0xfe, 0x5b, 0x00, 0x5d, 0x00], 'invalid-json', /UTF-8/],
  ['UTF-16, little end first', [0x5b, 0x00, 0x22, 0x00, 0xe9, 0x00, 0x22, 0x00, 0x5d, 0x00], 'invalid-json', /./],
  ['UTF-16, big end first', [0x00, 0x5b, 0x00, 0x5d], 'invalid-json', /./],
  ['a BOM', [0xef, 0xbb, 0xbf, 0x7b, 0x7d], 'invalid-json', /./],
  ['the same member twice', '{"a":1,"a":1}', 'duplicate-key', /"a" appears twice/],
  ['the same member twice, once escaped', '{"a":1,"\\u0061":2}', 'duplicate-key', /"a" appears twice/],
  ['the same member twice, deep inside', '[{"x":{"b":1,"c":{},"b":2}}]', 'duplicate-key', /"b" appears twice/],
  ['the empty member twice', '{"":1,"":2}', 'duplicate-key', /"" appears twice/],
  ['the same member twice around an object', '{"a":{"a":1},"a":2}', 'duplicate-key', /"a" appears twice/],
  ['__proto__', '{"__proto__":{"admin":true}}', 'invalid-json', /__proto__/],
  ['__proto__, escaped', '{"\\u005f_proto__":1}', 'invalid-json', /__proto__/],
  ['__proto__, deep inside', '[[{"a":{"__proto__" : 1}}]]', 'invalid-json', /__proto__/],
  ['depth 65', '['.repeat(65) + ']'.repeat(65), 'json-too-deep', /64/],
  ['depth 65 of objects', `${'{"a":'.repeat(65)}1${'}'.repeat(65)}`, 'json-too-deep', /64/],
  ['an endless depth that never closes', '[{"a":'.repeat(40), 'json-too-deep', /64/],
  ['a depth bomb of 1 MB', '['.repeat(1_000_000), 'json-too-deep', /64/],
  ['a depth bomb of 1 MB that closes', '['.repeat(500_000) + ']'.repeat(500_000), 'json-too-deep', /64/],
];

const bytesOf = (bytes: Bytes): Buffer => (typeof bytes === 'string' ? Buffer.from(bytes) : Buffer.from([...bytes]));
const show = (bytes: Bytes): string => JSON.stringify(bytesOf(bytes).toString('latin1')).slice(0, 70);

const file = wholeFile();
const runs = new Runs(file);
let gateway: Gateway;

beforeAll(async () => {
  const functions = {
    // As an object, not as PHP's array, so that {} and {"0":1} come back as they were.
    echo: runs.marking("return json_decode(file_get_contents('php://input'));"),
    verdicts:
      'return array_map(static function (string $raw) { json_decode(base64_decode($raw)); return json_last_error() === 0; }, $input);',
  };
  const config = { pools: { default: { workers: 2 } }, limits: { bodyMaxBytes: 2_000_000 } };
  gateway = await startGateway(config, { project: functionsProject(functions, file) }, file);
});

const send = async (bytes: Uint8Array, name = 'echo'): Promise<Response> => await post(gateway, name, bytes);

test('the table has the size it needs', () => {
  expect(taken.length + refused.length + ambiguous.length).toBeGreaterThan(300);
});

describe('taken: PHP gets the value that was sent', () => {
  test.each(taken.map((bytes) => [show(bytes), bytes] as const))('%s', async (_text, bytes) => {
    const response = await send(bytesOf(bytes));
    const text = await response.text();
    expect([response.status, text]).toEqual([200, expect.any(String)]);
    // JSON has one 0; JavaScript's -0 is written as 0.
    expect(JSON.stringify(JSON.parse(text))).toBe(JSON.stringify(JSON.parse(bytesOf(bytes).toString())));
  });
});

describe('refused: no JSON', () => {
  test.each(refused.map((bytes) => [show(bytes), bytes] as const))('%s', async (_text, bytes) => {
    const before = runs.count;
    const response = await send(bytesOf(bytes));
    const problem = (await response.json()) as { code: string; executed: string; detail: string };
    expect([response.status, problem.code, problem.executed]).toEqual([400, 'invalid-json', 'no']);
    expect(problem.detail.length).toBeLessThan(400);
    expect(runs.count).toBe(before);
  });
});

describe('refused: read differently by different parsers', () => {
  test.each(ambiguous)('%s', async (_what, bytes, code, detail) => {
    const before = runs.count;
    const response = await send(bytesOf(bytes));
    const problem = (await response.json()) as { code: string; executed: string; detail: string };
    expect([response.status, problem.code, problem.executed]).toEqual([400, code, 'no']);
    expect(problem.detail).toMatch(detail);
    expect(runs.count).toBe(before);
  });
});

test('depth 64 is taken', async () => {
  for (const text of ['['.repeat(64) + ']'.repeat(64), `${'{"a":'.repeat(64)}1${'}'.repeat(64)}`])
    expect(await (await send(Buffer.from(text))).text()).toBe(text);
});

test("PHP's own parser agrees: it takes all that is taken here and refuses all that is no JSON", async () => {
  const verdicts = async (all: readonly Bytes[]): Promise<unknown> =>
    await (
      await send(Buffer.from(JSON.stringify(all.map((bytes) => bytesOf(bytes).toString('base64')))), 'verdicts')
    ).json();
  // A name that begins with NUL is no property name for PHP objects; functions get arrays.
  expect(await verdicts(taken)).toEqual(taken.map(() => true));
  expect(await verdicts(refused)).toEqual(refused.map(() => false));
});

test('the parser never throws anything but a GatewayError, whatever the bytes', () => {
  for (const bytes of [...taken, ...refused]) {
    const whole = bytesOf(bytes);
    for (let cut = 0; cut <= whole.length; cut += 1) {
      try {
        parseIJson(whole.subarray(0, cut), 64);
      } catch (error) {
        expect((error as Error).name).toBe('GatewayError');
      }
    }
  }
});
