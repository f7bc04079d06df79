import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Heap } from '../../gateway/invoke/heap.ts';

test('the first is the least, whatever came and went before', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(100)), { maxLength: 200 }), (steps) => {
      const heap = new Heap<{ value: number; heapAt: number }>((one, other) => one.value < other.value);
      const inside: { value: number; heapAt: number }[] = [];
      for (const [isPush, value] of steps) {
        if (isPush || inside.length === 0) {
          const item = { value, heapAt: -1 };
          inside.push(item);
          heap.push(item);
        } else {
          const [gone] = inside.splice(value % inside.length, 1);
          if (gone !== undefined) heap.delete(gone);
          expect(gone?.heapAt).toBe(-1);
        }
        expect(heap.first?.value).toBe(inside.length === 0 ? undefined : Math.min(...inside.map((item) => item.value)));
        expect(heap.items).toHaveLength(inside.length);
      }
    }),
  );
});
