/** What the client costs the compiler: a fixed price for each function, however many there are. Counts, not times. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { root } from '../support/doc-blocks.ts';
import { writeProject } from '../support/project.ts';

const run = promisify(execFile);

const numbers = (count: number): number[] => Array.from({ length: count }, (_, at) => at);

const flatEntry = (at: number): string => `
  'fn-${at}': {
    kind: 'json';
    input: { name: string; count?: number; lines: readonly { sku: string; price: number }[]; mode?: 'a${at}' | 'b' };
    output: { id: number; n${at}: number };
    errors: { 'no-lines': { number: string }; 'gone-${at}': { at: number } };
  };`;

const contract = (at: number): string => `
import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';
export default defineFunction({
  input: z.strictObject({
    name: z.string().max(40), count: z.int().default(1), mode: z.enum(['a${at}', 'b']).optional(),
    lines: z.array(z.strictObject({ sku: z.string().max(9), price: z.number() })).max(500),
  }),
  output: z.strictObject({ id: z.int(), n${at}: z.int() }),
  errors: { 'no-lines': z.strictObject({ number: z.string() }), 'gone-${at}': z.strictObject({ at: z.int() }) },
});`;

const use = (at: number): string => `
export const f${at} = async (): Promise<number> => {
  const { n${at} } = await client.call('fn-${at}', { name: 'x', lines: [{ sku: 'a', price: 1 }], mode: 'a${at}' });
  const { error } = await client.tryCall('fn-${at}', { name: 'x', lines: [] });
  return error?.code === 'gone-${at}' ? error.data.at : n${at};
};`;

const main = (functions: string, calls: number): string => `
import { createClient } from 'fpm-gateway/client';
${functions}
const client = createClient<Functions>({ url: 'http://localhost' });
${numbers(calls).map(use).join('')}`;

const flat = (count: number, calls: number): Record<string, string> => ({
  'functions.d.ts': `export interface Functions {${numbers(count).map(flatEntry).join('')}\n}\n`,
  'main.ts': main("import type { Functions } from './functions.d.ts';", calls),
});

const straight = (count: number, calls: number): Record<string, string> => {
  const members = numbers(count).map((at) => `  'fn-${at}': typeof import('./schemas/fn-${at}.ts').default;`);
  const contracts = numbers(count).map((at) => [`schemas/fn-${at}.ts`, contract(at)]);
  return {
    ...Object.fromEntries(contracts),
    'main.ts': main(`interface Functions {\n${members.join('\n')}\n}`, calls),
  };
};

/** One checker, so that nothing is counted twice. */
const OPTIONS = [
  ...['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--singleThreaded', '--extendedDiagnostics'],
  ...['--target', 'es2024', '--module', 'nodenext', '--types', 'node', '--allowImportingTsExtensions'],
  ...['--customConditions', 'fpm-gateway-source'],
];

/** Rejects with what the compiler says when it does not compile. */
const instantiations = async (files: Record<string, string>): Promise<number> => {
  const folder = writeProject(files);
  const { stdout } = await run(join(root, 'node_modules/.bin/tsc'), [...OPTIONS, join(folder, 'main.ts')]);
  return Number(/Instantiations: +(\d+)/.exec(stdout)?.[1]);
};

/** For each function more, from the first count to the second. */
const growth = async (of: (count: number) => Record<string, string>, from: number, to: number): Promise<number> =>
  ((await instantiations(of(to))) - (await instantiations(of(from)))) / (to - from);

describe('each function of a generated file costs', () => {
  test('next to nothing while it is not called', async () => {
    expect(await growth((count) => flat(count, 10), 100, 1_000)).toBeLessThan(10);
  });

  test('the same, among many as among few, where it is called', async () => {
    const few = await growth((count) => flat(count, count), 50, 250);
    const many = await growth((count) => flat(count, count), 500, 1_000);
    expect(few).toBeLessThan(200);
    expect(many).toBeLessThan(1.1 * few);
  });
});

test('a contract given straight costs little more than zod does', async () => {
  const few = await growth((count) => straight(count, 10), 20, 60);
  const many = await growth((count) => straight(count, 10), 100, 200);
  expect(few).toBeLessThan(300);
  expect(many).toBeLessThan(1.1 * few);
});
