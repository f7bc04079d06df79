/** What calls print that take turns in one process: each has its own, and its own output buffers. */
import { expect, test } from 'vitest';
import { interleave } from '../support/interleaved.ts';

test('what a call prints in each of its turns is its own', async () => {
  const { printed } = await interleave({
    handler: 'echo "a$n "; wait(); echo "b$n "; wait(); echo "c$n";',
    calls: 3,
  });
  expect(printed).toEqual({ 1: 'a1 b1 c1', 2: 'a2 b2 c2', 3: 'a3 b3 c3' });
});

test('a buffer that is open while its call waits holds what this call prints, and nothing else', async () => {
  const { leaks, outputs, printed } = await interleave({
    handler: `echo "before$n ";
      ob_start();
      echo "in$n "; wait(); echo "more$n "; wait(); echo "last$n";
      $page = ob_get_clean();
      echo "after$n";
      return $page;`,
    others: { loud: 'echo "loud$n "; wait(); echo "louder$n";' },
    calls: 2,
    atOnce: 4,
  });
  expect(outputs).toMatchObject({ 1: 'in1 more1 last1', 3: 'in3 more3 last3' });
  expect(printed).toEqual({
    1: 'before1 after1',
    2: 'loud2 louder2',
    3: 'before3 after3',
    4: 'loud4 louder4',
  });
  expect(leaks).toEqual([]);
});

test('buffers within buffers come back in their order, with their chunk size and what may be done with them', async () => {
  const { outputs } = await interleave({
    handler: `ob_start(null, 0, PHP_OUTPUT_HANDLER_REMOVABLE | PHP_OUTPUT_HANDLER_CLEANABLE); echo "outer$n ";
      ob_start(null, 4096); echo "inner$n";
      wait();
      $status = array_map(static fn (array $one): array => [$one['chunk_size'], $one['flags'] & PHP_OUTPUT_HANDLER_STDFLAGS], array_slice(ob_get_status(true), 1));
      return [ob_get_clean(), ob_get_clean(), ob_get_level(), $status];`,
    calls: 2,
  });
  const status = [
    [0, 0x10 | 0x40],
    [4096, 0x70],
  ];
  expect(outputs).toEqual({ 1: ['inner1', 'outer1 ', 1, status], 2: ['inner2', 'outer2 ', 1, status] });
});

test('one with a callback goes on without it, and is told', async () => {
  const { leaks, outputs } = await interleave({
    handler: `ob_start('strtoupper'); echo "a$n"; wait(); echo "b$n"; return ob_get_clean();`,
    calls: 2,
  });
  expect(outputs).toEqual({ 1: 'a1b1', 2: 'a2b2' });
  expect(leaks[0]).toMatchObject({ kind: 'output-buffer', name: 'strtoupper', restored: true });
  expect(leaks[0]?.detail).toContain('opened again without its callback');
});

test('a callback that throws when its buffer is closed harms nobody, and is told', async () => {
  const { leaks, outputs, printed } = await interleave({
    handler: `if ($n === 1) { ob_start(static function (): string { throw new \\Exception('no'); }); echo "a"; }
      wait(); echo "b$n";
      return $n === 1 ? ob_get_clean() : ob_get_level();`,
    calls: 2,
  });
  expect(outputs).toEqual({ 1: 'ab1', 2: 1 });
  expect(printed[2]).toBe('b2');
  expect(leaks[0]?.detail).toContain('and threw Exception: no');
});

test('a call that takes away the buffer of the runtime loses its own output at most', async () => {
  const { outputs, printed } = await interleave({
    handler:
      'if ($n === 1) { while (ob_get_level() > 0) { ob_end_clean(); } wait(); return ob_get_level(); } echo "b"; wait(); echo "c";',
    calls: 2,
  });
  expect(outputs[1]).toBe(1);
  expect(printed[2]).toBe('bc');
});
