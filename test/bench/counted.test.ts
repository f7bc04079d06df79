import { describe, expect, test } from 'vitest';
import { type Counted, parseCounted } from './counted.ts';

describe('what a client counted', () => {
  test('is taken when all of it was right', () => {
    const said = { calls: 3, failed: 0, elapsedMs: 12.5 };
    expect(parseCounted<Counted>(`${JSON.stringify(said)}\n`)).toEqual(said);
  });

  test.each([
    [{ failed: 2, failure: 'it was refused' }, '2 answers were wrong or missing: it was refused'],
    [{ failed: 1 }, '1 answers were wrong or missing'],
  ])('does not count when anything failed: %j', (said, message) => {
    expect(() => parseCounted(JSON.stringify(said))).toThrow(new Error(message));
  });
});
