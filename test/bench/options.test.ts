import { describe, expect, test } from 'vitest';
import { readOptions, SECTIONS } from './options.ts';

test('without options everything is measured in five rounds', () => {
  expect(readOptions([])).toMatchObject({ quick: false, sections: SECTIONS, rounds: 5, workers: 4, json: undefined });
});

test('--quick has fewer rounds unless told otherwise', () => {
  expect(readOptions(['--quick']).rounds).toBe(1);
  expect(readOptions(['--rounds=7', '--quick']).rounds).toBe(7);
});

test('sections are measured in their own order, whatever order they were given in', () => {
  expect(readOptions(['--only', 'pool, http']).sections).toEqual(['http', 'pool']);
});

test('files and numbers are taken with a space or an equals sign', () => {
  const options = readOptions(['--json', 'a=b.json', '--svg=c.svg', '--workers', '16']);
  expect(options).toMatchObject({ json: 'a=b.json', svg: 'c.svg', workers: 16 });
});

describe('a mistake names the option, the value and what is allowed', () => {
  test.each([
    [['--rounds', '0'], '--rounds is "0": it takes a whole number from 1 to 50.'],
    [['--rounds', 'many'], '--rounds is "many"'],
    [['--workers', '1'], '--workers is "1": it takes a whole number from 2 to 64.'],
    [['--only', 'http,speed'], '--only has "speed": its values are http, megabyte, latency'],
    [['--only', '--quick'], '--only has no value'],
    [['--json'], '--json has no value: write --json FILE.'],
    [['--quick=yes'], '--quick is "yes": it takes no value.'],
    [['--quick', '--quick'], '--quick is there twice'],
    [['--fast'], '"--fast" is not an option. They are --quick, --list'],
    [['http'], '"http" is not an option.'],
    [['--from', 'a.json', '--rounds', '3'], '--from shows an earlier run'],
  ])('%j', (words, message) => {
    expect(() => readOptions(words)).toThrow(message);
  });
});
