/** A small round of `npm run chaos -- fuzz`, and every conversation that ever went wrong, again. */
import { describe, expect, test } from 'vitest';
import { thisTest } from '../../support/lifetime.ts';
import { makeCase } from './case.ts';
import { fuzzCore } from './core.ts';
import { runFuzz } from './main.ts';
import { judge, sentTo } from './oracle.ts';
import seeds from './seeds.json' with { type: 'json' };
import { FuzzPeer } from './wire.ts';

test("ten thousand fuzzed answers: none is uncaught, hangs or is another request's", async () => {
  const result = await runFuzz({ seed: 20_261_122, core: 9500, wire: 500, lifetime: thisTest, onProgress: () => {} });
  expect(result).toMatchObject({ failures: [], uncaught: 0 });
  expect(Math.min(result.accepted, result.refused)).toBeGreaterThan(1000);
});

describe('what went wrong once', () => {
  test.each(seeds)('seed $seed, $path: $why', async ({ seed, path }) => {
    const verdict = path === 'core' ? await fuzzCore(seed) : await (await FuzzPeer.open(thisTest)).fuzz(seed);
    expect(verdict.wrong).toBeUndefined();
  });
});

describe('the judge', () => {
  const whole = ((): ReturnType<typeof makeCase> => {
    for (let seed = 0; ; seed += 1) {
      const found = makeCase(seed);
      if (found.isValid && found.requests === 2) return found;
    }
  })();
  const bodies = (): string[] =>
    sentTo(whole).map((output = '') => output.slice(output.search(/\n\r?\n|^\r?\n/)).trimStart());

  test('accepts what was sent', () => {
    expect(judge(whole, bodies())).toBeUndefined();
  });

  test('sees answers that were mixed up, cut or made up', () => {
    const [one = '', two = ''] = bodies();
    expect(judge(whole, [two, one])).toContain('what was not sent to it');
    expect(judge(whole, [one.slice(0, -1), two])).toContain('what was not sent to it');
    expect(judge(whole, [one, undefined])).toContain('though its answer was whole');
    expect(judge({ ...whole, input: whole.input.subarray(0, 20) }, [one, two])).toContain('was not');
  });
});
