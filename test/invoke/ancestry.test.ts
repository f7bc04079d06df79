import { expect, test } from 'vitest';
import { newCallId } from '../../gateway/ids.ts';
import { assertDepth, parseCaller, pathWith } from '../../gateway/invoke/ancestry.ts';

const id = newCallId();

test('a caller is the id of its call and the functions from the outermost on', () => {
  expect(parseCaller(`${id} checkout`, true)).toEqual({ callId: id, path: ['checkout'], awaited: true });
  expect(parseCaller(`${id} shop.v2,create-pdf,a_b`, false)).toEqual({
    callId: id,
    path: ['shop.v2', 'create-pdf', 'a_b'],
    awaited: false,
  });
});

test.each([
  '',
  id,
  `${id} `,
  ` ${id} checkout`,
  `${id}  checkout`,
  `${id} checkout,`,
  `${id} ,checkout`,
  `${id} checkout, create-pdf`,
  `${id} checkout create-pdf`,
  `${id} Checkout`,
  `${id} ../checkout`,
  `${id} ${'x'.repeat(129)}`,
  `${id} ${'x,'.repeat(32)}x`,
  `${id.toUpperCase()} checkout`,
  `${id.slice(1)} checkout`,
  'checkout',
])('%j is no caller', (text) => {
  expect(() => parseCaller(text, true)).toThrow(
    expect.objectContaining({
      code: 'bad-request',
      executed: 'no',
      message: expect.stringMatching(
        /^fpm-gateway-caller is ".*": it must be the id of the calling call, a space, and/,
      ),
    }),
  );
});

test('what is handed on is the path with the function’s own name', () => {
  expect(pathWith([], 'a')).toBe('a');
  expect(pathWith(['a', 'b'], 'c')).toBe('a,b,c');
});

test('as deep as the limit is allowed, one more is not', () => {
  assertDepth(['a', 'b'], 'c', 3);
  assertDepth([], 'a', 1);
  expect(() => assertDepth(['a', 'b', 'c'], 'd', 3)).toThrow(
    expect.objectContaining({
      code: 'call-depth-exceeded',
      status: 508,
      executed: 'no',
      retryable: false,
      message: 'a → b → c → d is 4 functions deep; limits.callDepthMax is 3. No function repeats.',
    }),
  );
});

test.each([
  [['a', 'b', 'a'], 'b', 'a → b → a'],
  [['a', 'b', 'c'], 'c', 'c → c'],
  [['x', 'a', 'b', 'c'], 'a', 'a → b → c → a'],
])('the cycle is named, the shortest: %j calls %s', (outer, name, cycle) => {
  expect(() => assertDepth(outer, name, 3)).toThrow(new RegExp(`The cycle: ${cycle}\\.$`));
});
