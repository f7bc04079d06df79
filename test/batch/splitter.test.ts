/** Items are found in the bytes of a batch however these arrive. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ArraySplitter, LineSplitter, type Sent, type Splitter } from '../../gateway/http/batch-splitter.ts';

const MAX_BYTES = 1000;

/** What was found in these pieces, too large ones as `null`, and what ended it. */
const split = (
  splitter: Splitter,
  pieces: readonly (string | Buffer)[],
): { items: (string | null)[]; error?: string } => {
  const items: (string | null)[] = [];
  const give = (sent: Sent): void => {
    items.push(sent.kind === 'item' ? sent.bytes.toString().trim() : null);
  };
  try {
    for (const piece of pieces) splitter.push(Buffer.from(piece), give);
    splitter.end(give);
    return { items };
  } catch (error) {
    return { items, error: (error as Error).message };
  }
};

const lines = (...pieces: (string | Buffer)[]) => split(new LineSplitter(MAX_BYTES), pieces);
const array = (...pieces: (string | Buffer)[]) => split(new ArraySplitter(MAX_BYTES), pieces);

/** Cut at these places, in any order and number. */
const cut = (bytes: Buffer, places: readonly number[]): Buffer[] => {
  const at = [...new Set(places.map((place) => place % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...at].map((start, index) => bytes.subarray(start, at[index] ?? bytes.length));
};

describe('lines', () => {
  test('each is an item, with or without an end behind the last, CR LF or LF', () => {
    expect(lines('{"a":1}\n{"b":2}\r\n[3]').items).toEqual(['{"a":1}', '{"b":2}', '[3]']);
    expect(lines('1\n').items).toEqual(['1']);
  });

  test('empty ones are none', () => {
    expect(lines('\n\r\n  \n1\n\n')).toEqual({ items: ['1'] });
    expect(lines('')).toEqual({ items: [] });
  });

  test('one that is too large is passed over, and nothing of it kept', () => {
    expect(lines('1\n', 'x'.repeat(600), 'x'.repeat(600), '\n2\n').items).toEqual(['1', null, '2']);
    expect(lines('x'.repeat(1000), '\n').items).toEqual(['x'.repeat(1000)]);
  });

  test('one without an end is an item at the end of the body', () => {
    expect(lines('x'.repeat(5000)).items).toEqual([null]);
  });
});

describe('an array', () => {
  test('its elements are items', () => {
    expect(array(' [ {"a":[1,2],"b":"],["} , 2,"x\\",\\"",[],{}]\n')).toEqual({
      items: ['{"a":[1,2],"b":"],["}', '2', '"x\\",\\""', '[]', '{}'],
    });
    expect(array('[]')).toEqual({ items: [] });
    expect(array('[ ]')).toEqual({ items: [] });
  });

  test('an element that is no JSON is one item, and the others are found', () => {
    expect(array('[{"a":1}, oops, {"b":]}, 2]').items).toEqual(['{"a":1}', 'oops', '{"b":]}', '2']);
  });

  test('one that is too large is passed over', () => {
    expect(array(`[1,"${'x'.repeat(2000)}",2]`).items).toEqual(['1', null, '2']);
  });

  test.each([
    ['nothing', '', 'is empty'],
    ['blanks', ' \n', 'is empty'],
    ['an object', '{"a":1}', 'application/x-ndjson'],
    ['no end', '[1,2', '] is missing'],
    ['an end in a string', '[1,"2]', '] is missing'],
    ['something behind', '[1] 2', 'Something follows'],
    ['a comma at the end', '[1,]', 'lacks an item'],
    ['a comma alone', '[,]', 'lacks an item'],
    ['two commas', '[1,,2]', 'lacks an item'],
  ])('is refused: %s', (_what, text, why) => {
    expect(array(text).error).toContain(why);
  });

  test('what came before it broke was found', () => {
    expect(array('[1,2,{"a":').items).toEqual(['1', '2']);
  });
});

const values = fc.array(fc.jsonValue({ maxDepth: 3 }).filter((value) => JSON.stringify(value).length <= MAX_BYTES));
const places = fc.array(fc.nat(), { maxLength: 20 });

describe('whatever the items, wherever the pieces are cut', () => {
  test('lines', () => {
    fc.assert(
      fc.property(values, places, (items, at) => {
        const texts = items.map((item) => JSON.stringify(item));
        expect(lines(...cut(Buffer.from(texts.map((text) => `${text}\n`).join('')), at))).toEqual({ items: texts });
      }),
    );
  });

  test('an array', () => {
    fc.assert(
      fc.property(values, places, fc.boolean(), (items, at, pretty) => {
        const bytes = Buffer.from(JSON.stringify(items, null, pretty ? 2 : 0));
        const found = array(...cut(bytes, at));
        expect(found.error).toBeUndefined();
        // -0 is 0 in JSON.
        expect(found.items.map((item) => JSON.parse(item ?? ''))).toEqual(JSON.parse(JSON.stringify(items)));
      }),
    );
  });

  test('any bytes end in items or in an error, never in an exception of another kind', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), places, (bytes, at) => {
        for (const splitter of [new LineSplitter(50), new ArraySplitter(50)])
          split(splitter, cut(Buffer.from(bytes), at));
      }),
    );
  });
});
