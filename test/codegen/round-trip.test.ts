/** What generated PHP classes make of JSON, they write again: for every feature of the contracts in golden/features. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import fc from 'fast-check';
import { beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type FunctionTypes, functionTypes, steadyFunction } from '../../gateway/codegen/function-types.ts';
import type { Node } from '../../gateway/codegen/node.ts';
import type { GatewayFunction } from '../../gateway/invoke/function.ts';
import { moduleImporter } from '../../gateway/modules.ts';
import { loadProject } from '../../gateway/project.ts';
import { arbitraryOf } from '../support/arbitrary-node.ts';

const FEATURES = join(import.meta.dirname, 'golden', 'features');
const RUNS = 300;

interface Task {
  readonly class?: string;
  readonly method?: string;
  /** PHP source of a method's argument; `data` is what the client answers. */
  readonly input?: string;
  readonly data: unknown;
}

interface Answer {
  readonly json?: string;
  readonly sent?: string;
  readonly error?: string;
}

const inPhp = (tasks: readonly Task[]): Answer[] => {
  const args = [join(import.meta.dirname, 'round-trip.php'), join(FEATURES, 'generated', 'php'), 'App\\Functions'];
  const input = tasks.map((task) => `${JSON.stringify(task)}\n`).join('');
  const { stdout, stderr } = spawnSync('php', args, { input, encoding: 'utf8', maxBuffer: 1e9 });
  const lines = stdout.split('\n').filter((line) => line !== '');
  if (lines.length !== tasks.length) throw new Error(`${stderr}\n${stdout.slice(0, 2000)}`);
  return lines.map((line) => JSON.parse(line) as Answer);
};

let functions: ReadonlyMap<string, FunctionTypes>;

beforeAll(async () => {
  const { registry } = await loadProject({ folder: FEATURES, env: {}, importModule: moduleImporter(0) });
  expect(registry.problems).toEqual([]);
  const types = [...registry.functions.values()].map((fn: GatewayFunction) => functionTypes(steadyFunction(fn)));
  functions = new Map(types.map((each) => [each.fn.name, each]));
});

/** Of an object each member is made up until its schema takes it: all at once would seldom fit. */
const candidates = (node: Node, schema: z.ZodType): fc.Arbitrary<unknown> => {
  if (node.kind !== 'object' || !(schema instanceof z.ZodObject)) return arbitraryOf(node, 0);
  const members = node.properties.map(({ name, node: member, required }): [string, fc.Arbitrary<unknown>] => {
    const valid = arbitraryOf(member, 1).filter((value) => schema.shape[name].safeParse(value).success);
    return [name, required ? valid : fc.option(valid, { nil: undefined })];
  });
  return fc.tuple(...members.map(([, value]) => value)).map((values) => {
    const entries = members.map(([name], at) => [name, values[at]]).filter(([, value]) => value !== undefined);
    return Object.fromEntries(entries);
  });
};

/** Values the schema takes, as handlers get them: parsed. */
const validValues = (node: Node, schema: z.ZodType): unknown[] => {
  const all = fc.sample(candidates(node, schema), { numRuns: RUNS, seed: 5 }).map((value) => schema.safeParse(value));
  const valid = all.flatMap((result) => (result.success ? [result.data] : []));
  // Made-up values that the schema refuses would prove nothing.
  expect(valid.length).toBeGreaterThan(RUNS / 3);
  return valid.map((value) => JSON.parse(JSON.stringify(value)) as unknown);
};

/** Spelled as JavaScript spells numbers, members in their order. */
const respelled = (json: string | undefined): string => JSON.stringify(JSON.parse(json ?? 'null'));

const assertRoundTrip = (tasks: readonly Task[], answers: readonly Answer[]): void => {
  for (const [at, { data, ...what }] of tasks.entries()) {
    const { error, json } = answers[at] ?? {};
    if (error !== undefined) throw new Error(`${JSON.stringify(what)}: ${error} for ${JSON.stringify(data)}`);
    const back = respelled(json);
    // As values first: the difference is told member by member.
    if (back !== JSON.stringify(data)) expect(JSON.parse(back)).toEqual(data);
    expect(back).toBe(JSON.stringify(data));
  }
};

const OBJECTS = [
  'scalars',
  'choices',
  'presence',
  'dates',
  'collections',
  'unions',
  'recursive',
  'order',
  'names',
  'numbered',
] as const;

test.each([...OBJECTS, 'keywords'])('input of %s', (name) => {
  const { fn, parsed, prefix } = functions.get(name) as FunctionTypes;
  const tasks = validValues(parsed, fn.input).map((data) => ({ class: `${prefix}Input`, data }));
  assertRoundTrip(tasks, inPhp(tasks));
});

test.each(OBJECTS)('output of %s', (name) => {
  const { fn, output, prefix } = functions.get(name) as FunctionTypes;
  if (output === undefined || fn.output.kind !== 'json') throw new Error('It has no output.');
  const tasks = validValues(output, fn.output.schema).map((data) => ({ class: `${prefix}Output`, data }));
  assertRoundTrip(tasks, inPhp(tasks));
});

/** The limits that docs/code-generation.md tells of. */
test.each([
  [{ listOrMap: {} }, { listOrMap: [] }],
  [{ listOrMap: { 0: 1 } }, { listOrMap: [1] }],
  [{ listOrMap: { a: 1 } }, { listOrMap: { a: 1 } }],
  [{ listOrMap: { 1: 1 } }, { listOrMap: { 1: 1 } }],
  [{ listOrMap: [] }, { listOrMap: [] }],
  [{ fullListOrMap: {} }, { fullListOrMap: {} }],
  [{ fullListOrMap: { 0: 1 } }, { fullListOrMap: [1] }],
  [{ tree: {} }, { tree: [] }],
  [{ tree: { a: { 0: 'x' }, b: [[], 'x'] } }, { tree: { a: ['x'], b: [[], 'x'] } }],
])('PHP has one array for lists and maps: %j', (data, back) => {
  expect(inPhp([{ class: 'AmbiguousInput', data }])).toEqual([{ json: JSON.stringify(back) }]);
});

/** Input and output apart: `plain` takes a list of days and gives a map. */
test('methods of the client take and give what is no object', () => {
  const sends = inPhp([{ method: 'plain', input: "[new DateTimeImmutable('2024-02-29')]", data: { 0: 1, 1: 2 } }]);
  expect(sends).toEqual([{ sent: '["2024-02-29"]', json: '[1,2]' }]);
  const empty = inPhp([{ method: 'plain', input: '[]', data: {} }]);
  expect(empty).toEqual([{ sent: '[]', json: '[]' }]);
  const b = { kind: 'b', s: 'x' };
  const input = 'new App\\Functions\\EitherInputA(n: 5)';
  expect(inPhp([{ method: 'either', input, data: b }])).toEqual([
    { sent: '{"kind":"a","n":5}', json: JSON.stringify(b) },
  ]);
  expect(inPhp([{ method: 'either', input, data: null }])).toEqual([{ sent: '{"kind":"a","n":5}', json: 'null' }]);
});

test('shared types are one class, and a default stands in for what is left out', () => {
  const input = 'new App\\Functions\\Money(cents: 5)';
  const data = [{ cents: 7, currency: 'USD' }];
  expect(inPhp([{ method: 'price', input, data }])).toEqual([
    { sent: '{"cents":5,"currency":"EUR"}', json: JSON.stringify(data) },
  ]);
});

test('what a contract changes on its way has a class of its own for handlers', () => {
  const given = 'new App\\Functions\\ChangedInput(flag: "yes", trimmed: " a ")';
  const data = { length: 3, on: true };
  expect(inPhp([{ method: 'changed', input: given, data }])).toEqual([
    { sent: '{"flag":"yes","page":1,"trimmed":" a "}', json: JSON.stringify(data) },
  ]);
  const parsed = { flag: true, page: 1, trimmed: 'a', key: 'k' };
  expect(inPhp([{ class: 'ChangedParsed', data: parsed }])).toEqual([{ json: JSON.stringify(parsed) }]);
  const result = { length: 'abc', on: 'yes' };
  expect(inPhp([{ class: 'ChangedResult', data: result }])).toEqual([{ json: JSON.stringify(result) }]);
});

test('members that a contract does not name are kept apart and written behind the others', () => {
  const data = { a: 'x', z: 1, '0': 2 };
  expect(inPhp([{ class: 'CollectionsInputLoose', data }])).toEqual([{ json: '{"a":"x","0":2,"z":1}' }]);
});
