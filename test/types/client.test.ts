/** What must and must not compile for those who use the client; `npm run check` compiles it. */
import { expectTypeOf, test } from 'vitest';
import type { BatchResults, CallError, Client, ItemResult } from '../../gateway/client/index.ts';
import type { ErrorsOf, FunctionShape, InputOf, KindOf, OutputOf } from '../../gateway/client/types.ts';
import type { Functions as Generated } from '../codegen/golden/examples/generated/functions.d.ts';
import type { TestFunctions } from '../support/client.ts';

interface Contracts {
  'create-pdf': typeof import('../../schemas/create-pdf.ts').default;
  echo: typeof import('../../schemas/echo.ts').default;
  'word-count': typeof import('../../schemas/word-count.ts').default;
  'upload-avatar': typeof import('../../schemas/upload-avatar.ts').default;
  'tail-log': typeof import('../../schemas/tail-log.ts').default;
  'export-csv': typeof import('../../schemas/export-csv.ts').default;
}

/** Compiled, never run. */
const compiled = (_: (clients: { flat: Client<TestFunctions>; own: Client<Contracts> }) => unknown): void => undefined;

test('contracts give the kinds of their functions', () => {
  expectTypeOf<{ [N in keyof Contracts]: KindOf<Contracts[N]> }>().toEqualTypeOf<{
    'create-pdf': 'binary';
    echo: 'json';
    'word-count': 'json';
    'upload-avatar': 'json';
    'tail-log': 'stream';
    'export-csv': 'bytes';
  }>();
});

test('inputs are what callers give: defaults may be left out, files are Blobs', () => {
  expectTypeOf<InputOf<Contracts['word-count']>>().toEqualTypeOf<{ text: string; top?: number | undefined }>();
  expectTypeOf<InputOf<Contracts['upload-avatar']>>().toEqualTypeOf<{ nickname: string; avatar: Blob }>();
});

test('outputs are what callers get', () => {
  expectTypeOf<OutputOf<Contracts['echo']>>().toEqualTypeOf<{ hello: string }>();
  expectTypeOf<OutputOf<Contracts['create-pdf']>>().toEqualTypeOf<Blob>();
  expectTypeOf<OutputOf<Contracts['tail-log']>>().toEqualTypeOf<{ line: string; at: string }>();
  expectTypeOf<OutputOf<Contracts['export-csv']>>().toEqualTypeOf<Uint8Array>();
});

test('a generated file gives the types of its contracts', () => {
  expectTypeOf<{ [N in keyof Contracts]: KindOf<Generated[N]> }>().toEqualTypeOf<{
    [N in keyof Contracts]: KindOf<Contracts[N]>;
  }>();
  expectTypeOf<InputOf<Generated['echo']>>().toEqualTypeOf<InputOf<Contracts['echo']>>();
  expectTypeOf<InputOf<Generated['upload-avatar']>>().toEqualTypeOf<InputOf<Contracts['upload-avatar']>>();
  expectTypeOf<{ [N in keyof Contracts]: OutputOf<Generated[N]> }>().toExtend<{
    [N in keyof Contracts]: OutputOf<Contracts[N]>;
  }>();
  expectTypeOf<{ [N in keyof Contracts]: ErrorsOf<Generated[N]> }>().toExtend<{
    [N in keyof Contracts]: ErrorsOf<Contracts[N]>;
  }>();
});

test('a generated file has the shape the client reads', () => {
  expectTypeOf<Generated[keyof Generated]>().toExtend<FunctionShape>();
  expectTypeOf<TestFunctions[keyof TestFunctions]>().toExtend<FunctionShape>();
});

test('calls', () => {
  compiled(async ({ flat, own }) => {
    expectTypeOf(await own.call('echo', { name: 'Ada' })).toEqualTypeOf<{ hello: string }>();
    expectTypeOf(await flat.call('nothing')).toEqualTypeOf<number>();
    await flat.call('nothing', {}, { timeoutMs: 5 });
    // @ts-expect-error the input is needed
    await own.call('echo');
    // @ts-expect-error a number where a text is due
    await own.call('echo', { name: 5 });
    // @ts-expect-error a member the contract does not have
    await own.call('echo', { name: 'Ada', nick: 'a' });
    // @ts-expect-error no such function
    await own.call('ecko', { name: 'Ada' });
    // @ts-expect-error this function streams: use client.stream()
    await own.call('tail-log', { name: 'demo.txt' });
    // @ts-expect-error units are in the name: timeoutMs
    await own.call('echo', { name: 'Ada' }, { timeout: 5 });
  });
});

test('one function at a time: a name that may be several has no one input', () => {
  compiled(async ({ own }) => {
    const name = 'echo' as 'echo' | 'word-count';
    // @ts-expect-error name one function
    await own.call(name, { name: 'x' });
    // @ts-expect-error name one function
    await own.tryCall(name, { name: 'x' });
    // @ts-expect-error name one function
    own.stream('tail-log' as 'tail-log' | 'export-csv', { name: 'x' });
    // @ts-expect-error the input is not that of both
    await own.batch([{ function: name, input: { name: 'x' } }]);
    const items = ['a', 'b'].map((text) =>
      text === 'a'
        ? { function: 'echo' as const, input: { name: text } }
        : { function: 'word-count' as const, input: { text } },
    );
    const { results } = await own.batch(items);
    const [first] = results;
    if (first?.ok)
      expectTypeOf(first.output).toEqualTypeOf<OutputOf<Contracts['echo']> | OutputOf<Contracts['word-count']>>();
    const wrong = ['a', 'b'].map((text) =>
      text === 'a'
        ? { function: 'echo' as const, input: { text } }
        : { function: 'word-count' as const, input: { name: text } },
    );
    // @ts-expect-error each has the other's input
    await own.batch(wrong);
  });
});

test('functions that need files have no place in a batch', () => {
  compiled(async ({ flat, own }) => {
    // @ts-expect-error files cannot go in a batch: use client.call()
    await own.batch([{ function: 'upload-avatar', input: { nickname: 'a', avatar: new Blob([]) } }]);
    // @ts-expect-error files cannot go in a batch: use client.call()
    await flat.batch([{ function: 'archive', input: new Blob([]) }]);
    await flat.batch([{ function: 'greet', input: { name: 'a' } }]);
  });
});

test('streams', () => {
  compiled(async ({ own }) => {
    for await (const item of own.stream('tail-log', { name: 'demo.txt' })) {
      expectTypeOf(item).toEqualTypeOf<{ line: string; at: string }>();
    }
    for await (const piece of own.stream('export-csv', { from: 'a', to: 'b' })) {
      expectTypeOf(piece).toEqualTypeOf<Uint8Array>();
    }
    // @ts-expect-error this function does not stream: use client.call()
    own.stream('echo', { name: 'Ada' });
  });
});

test('errors are told apart by their code, each with its data', () => {
  compiled(async ({ own, flat }) => {
    const result = await own.tryCall('upload-avatar', { nickname: 'a', avatar: new Blob([]) });
    if (result.ok) {
      expectTypeOf(result.output.width).toEqualTypeOf<number>();
      return;
    }
    switch (result.error.code) {
      case 'picture-too-small':
        expectTypeOf(result.error.data).toEqualTypeOf<{ width: number; height: number; minSide: number }>();
        break;
      case 'broken-picture':
        expectTypeOf(result.error.data).toEqualTypeOf<{ reason: string }>();
        break;
      case 'overloaded':
      case 'network-failed':
        expectTypeOf(result.error.data).toEqualTypeOf<undefined>();
        break;
      // @ts-expect-error a code of another function
      case 'no-words':
    }
    const status = await flat.tryCall('greet', { name: 'Ada' });
    if (status.error?.code === 'nobody-there') expectTypeOf(status.error.data).toEqualTypeOf<{ tried: string }>();
    // A contract without errors has the gateway's alone.
    const { error } = await own.tryCall('echo', { name: 'Ada' });
    // @ts-expect-error it declares none
    if (error?.code === 'nobody-there') return;
  });
});

test('in a catch', () => {
  compiled(async ({ own }) => {
    try {
      await own.call('word-count', { text: 'x' });
    } catch (error) {
      if (!own.isErrorOf('word-count', error)) throw error;
      if (error.code === 'no-words') expectTypeOf(error.data).toEqualTypeOf<{ characters: number }>();
      expectTypeOf(error).toExtend<CallError>();
    }
  });
});

test('batches keep the type of each item', () => {
  compiled(async ({ own }) => {
    const batch = own.batch([
      { function: 'echo', input: { name: 'Ada' } },
      { function: 'word-count', input: { text: 'x' }, id: 'a', timeoutMs: 5 },
    ]);
    const whole = await batch;
    const [echo, count] = whole.results;
    if (echo.ok) expectTypeOf(echo.output).toEqualTypeOf<{ hello: string }>();
    if (!count.ok && count.error.code === 'no-words') expectTypeOf(count.error.data.characters).toEqualTypeOf<number>();
    expectTypeOf(whole.outputs()[0]).toEqualTypeOf<{ hello: string }>();
    expectTypeOf(await whole.retryFailed({ mayHaveRun: true })).toEqualTypeOf(whole);
    for await (const result of batch) {
      if (result.function === 'echo' && result.ok) expectTypeOf(result.output).toEqualTypeOf<{ hello: string }>();
    }
    const many = ['a', 'b'].map((name) => ({ function: 'echo' as const, input: { name } }));
    expectTypeOf(await own.batch(many)).toEqualTypeOf<BatchResults<Contracts, 'echo'[]>>();
    expectTypeOf((await own.batch(many)).results[0]).toEqualTypeOf<ItemResult<Contracts, 'echo'> | undefined>();
    // @ts-expect-error there are two items
    whole.results[2];
    // @ts-expect-error a member the contract does not have
    await own.batch([{ function: 'echo', input: { nick: 'Ada' } }]);
    // @ts-expect-error no such function
    await own.batch([{ function: 'ecko', input: { name: 'Ada' } }]);
    // @ts-expect-error this function streams: use client.stream()
    await own.batch([{ function: 'tail-log', input: { name: 'demo.txt' } }]);
  });
});
