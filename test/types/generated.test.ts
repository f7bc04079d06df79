/** The generated `.d.ts` says what the contracts say; `npm run check` compiles it. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, expectTypeOf, test } from 'vitest';
import type { z } from 'zod';
import { generator } from '../../gateway/codegen/generate.ts';
import type { GatewayFunction } from '../../gateway/invoke/function.ts';
import { moduleImporter } from '../../gateway/modules.ts';
import { loadProject } from '../../gateway/project.ts';
import type createPdf from '../../schemas/create-pdf.ts';
import type exportCsv from '../../schemas/export-csv.ts';
import type legacyForm from '../../schemas/legacy-form.ts';
import type resizeImage from '../../schemas/resize-image.ts';
import type tailLog from '../../schemas/tail-log.ts';
import type uploadAvatar from '../../schemas/upload-avatar.ts';
import type wordCount from '../../schemas/word-count.ts';
import type { Functions as Examples } from '../codegen/golden/examples/generated/functions.d.ts';
import type { Functions as Features } from '../codegen/golden/features/generated/functions.d.ts';
import type choices from '../codegen/golden/features/schemas/choices.ts';
import type collections from '../codegen/golden/features/schemas/collections.ts';
import type dates from '../codegen/golden/features/schemas/dates.ts';
import type names from '../codegen/golden/features/schemas/names.ts';
import type order from '../codegen/golden/features/schemas/order.ts';
import type plain from '../codegen/golden/features/schemas/plain.ts';
import type presence from '../codegen/golden/features/schemas/presence.ts';
import type recursive from '../codegen/golden/features/schemas/recursive.ts';
import type scalars from '../codegen/golden/features/schemas/scalars.ts';
import type unions from '../codegen/golden/features/schemas/unions.ts';
import type watch from '../codegen/golden/features/schemas/watch.ts';
import { root } from '../support/doc-blocks.ts';
import { writeProject } from '../support/project.ts';

const TSC = join(root, 'node_modules', '.bin', 'tsc');

/** Without what differs on purpose: lists that callers give may be read-only, and undefined is no JSON. */
type Normal<T> = T extends Blob
  ? T
  : T extends object
    ? { readonly [K in keyof T]: Normal<Exclude<T[K], undefined>> }
    : T;

/** Each can stand in for the other. */
type Same<A, B> = [Normal<A>] extends [Normal<B>] ? ([Normal<B>] extends [Normal<A>] ? true : false) : false;

type Input<C extends { input: z.ZodType }> = z.input<C['input']>;
type Output<C extends { output: unknown }> = C['output'] extends z.ZodType ? z.output<C['output']> : never;

const same = <T extends true>(..._: T[]): void => {};

describe('inputs are as callers write them, outputs as they get them', () => {
  test('of the examples', () => {
    same<Same<Input<typeof createPdf>, Examples['create-pdf']['input']>>();
    same<Same<Input<typeof exportCsv>, Examples['export-csv']['input']>>();
    same<Same<Input<typeof legacyForm>, Examples['legacy-form']['input']>>();
    same<Same<Input<typeof resizeImage>, Examples['resize-image']['input']>>();
    same<Same<Input<typeof tailLog>, Examples['tail-log']['input']>>();
    same<Same<z.output<(typeof tailLog)['output']['item']>, Examples['tail-log']['output']>>();
    same<Same<Input<typeof wordCount>, Examples['word-count']['input']>>();
    same<Same<Output<typeof wordCount>, Examples['word-count']['output']>>();
    same<Same<Output<typeof uploadAvatar>, Omit<Examples['upload-avatar']['output'], 'type'> & { type: string }>>();
  });

  test('of every feature', () => {
    same<Same<Input<typeof scalars>, Features['scalars']['input']>>();
    same<Same<Output<typeof scalars>, Features['scalars']['output']>>();
    same<Same<Input<typeof choices>, Features['choices']['input']>>();
    same<Same<Output<typeof choices>, Features['choices']['output']>>();
    same<Same<Input<typeof presence>, Features['presence']['input']>>();
    same<Same<Output<typeof presence>, Features['presence']['output']>>();
    same<Same<Input<typeof dates>, Features['dates']['input']>>();
    same<Same<Output<typeof dates>, Features['dates']['output']>>();
    same<Same<Input<typeof unions>, Features['unions']['input']>>();
    same<Same<Output<typeof unions>, Features['unions']['output']>>();
    same<Same<Input<typeof recursive>, Features['recursive']['input']>>();
    same<Same<Output<typeof recursive>, Features['recursive']['output']>>();
    same<Same<Input<typeof order>, Features['order']['input']>>();
    same<Same<Output<typeof order>, Features['order']['output']>>();
    same<Same<Input<typeof names>, Features['names']['input']>>();
    same<Same<Input<typeof plain>, Features['plain']['input']>>();
    same<Same<Output<typeof plain>, Features['plain']['output']>>();
    same<Same<z.output<(typeof watch)['output']['item']>, Features['watch']['output']>>();
    // An index signature says of all members what zod says of the others alone: of these, one way.
    type Further = 'caught' | 'caughtItems' | 'empty';
    same<Same<Omit<Input<typeof collections>, Further>, Omit<Features['collections']['input'], Further>>>();
    same<Same<Omit<Output<typeof collections>, Further>, Omit<Features['collections']['output'], Further>>>();
    expectTypeOf<Normal<Output<typeof collections>>>().toExtend<Normal<Features['collections']['output']>>();
  });
});

test('kinds, bytes, files and declared errors', () => {
  expectTypeOf<Examples['create-pdf']>().toEqualTypeOf<{
    kind: 'binary';
    input: Examples['create-pdf']['input'];
    output: Blob;
    errors: { 'no-lines': Examples['create-pdf']['errors']['no-lines'] };
  }>();
  expectTypeOf<Examples['create-pdf']['errors']['no-lines']>().toEqualTypeOf<{ number: string }>();
  expectTypeOf<Examples['export-csv']['kind']>().toEqualTypeOf<'bytes'>();
  expectTypeOf<Examples['export-csv']['output']>().toEqualTypeOf<Uint8Array>();
  expectTypeOf<Examples['upload-avatar']['input']['avatar']>().toEqualTypeOf<Blob>();
  expectTypeOf<Features['store']['input']>().toEqualTypeOf<Blob>();
  expectTypeOf<Features['upload']['input']['more']>().toEqualTypeOf<readonly Blob[]>();
  expectTypeOf<Features['order']['errors']['too-many']>().toEqualTypeOf<number>();
  expectTypeOf<Features['shop/admin/orders.php']['input']>().toEqualTypeOf<{ year?: number }>();
});

/** Counts, not times: what the compiler makes of a program that uses two functions. */
test('1,000 functions cost the compiler what 10 cost', async () => {
  const { registry } = await loadProject({ folder: root, env: {}, importModule: moduleImporter(0) });
  const echo = registry.functions.get('echo') as GatewayFunction;
  const costs = [10, 1000].map((count) => {
    const functions = Array.from({ length: count }, (_, at) => ({ ...echo, name: `echo-${at}` }));
    const [file] = generator(functions).typeScript();
    const folder = writeProject({
      'functions.d.ts': file?.text ?? '',
      'main.ts': `
        import type { Functions } from './functions.d.ts';
        export const first: Functions['echo-0']['input']['name'] = 'Ada';
        export const last: Functions['echo-${count - 1}']['output']['hello'] = 'Ada';`,
    });
    const options = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig', '--allowImportingTsExtensions'];
    const modules = ['--target', 'es2024', '--module', 'nodenext', '--moduleResolution', 'nodenext'];
    const args = [
      ...options,
      ...modules,
      '--lib',
      'es2024,dom',
      '--types',
      '',
      '--extendedDiagnostics',
      join(folder, 'main.ts'),
    ];
    const { stdout } = spawnSync(TSC, args, { encoding: 'utf8' });
    return /^Types:\s+(\d+)$/m.exec(stdout)?.[1] ?? stdout;
  });
  expect(costs[0]).toMatch(/^\d+$/);
  expect(costs[1]).toBe(costs[0]);
});

test.each(['features', 'examples'])('the file of %s compiles alone, as strictly as can be', (name) => {
  const file = join(root, 'test', 'codegen', 'golden', name, 'generated', 'functions.d.ts');
  const options = ['--noEmit', '--strict', '--exactOptionalPropertyTypes', '--skipLibCheck', 'false', '--ignoreConfig'];
  const args = [...options, '--lib', 'es2024,dom', '--types', '', file];
  const { status, stdout } = spawnSync(TSC, args, { encoding: 'utf8' });
  expect([status, stdout]).toEqual([0, '']);
});
