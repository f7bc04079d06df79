/** PHP code that fails, ends, never ends, or needs too much. */
import assert from 'node:assert/strict';
import { SHORT_MS } from '../project.ts';
import type { World } from '../world.ts';
import { PLAIN, type Row } from './row.ts';

const TIMEOUT = { status: 504, code: 'function-timeout', executed: 'unknown', deadlineMs: SHORT_MS } as const;

const fails =
  (name: string, status: number, code: string) =>
  async (world: World): Promise<void> => {
    const answer = await world.call(name);
    await world.expect(answer, { status, code, executed: 'yes' });
    assert.ok(!answer.text.includes('SECRET'), 'nothing of what it printed or returned reaches the caller');
  };

export const phpRows: readonly Row[] = [
  {
    number: 12,
    fault: 'PHP fatal error',
    expected: '500 function-error, yes; its output is not shown',
    world: PLAIN,
    run: fails('fatal', 500, 'function-error'),
  },
  {
    number: 13,
    fault: 'PHP exit() without output',
    expected: '502 function-no-result, yes',
    world: PLAIN,
    run: fails('exits', 502, 'function-no-result'),
  },
  {
    number: 14,
    fault: 'PHP memory_limit',
    expected: '500 function-out-of-memory, yes',
    world: PLAIN,
    run: fails('hog', 500, 'function-out-of-memory'),
  },
  {
    number: 16,
    fault: 'Infinite loop',
    expected: '504 function-timeout at its deadline; the worker is ended',
    world: PLAIN,
    run: async (world) => await world.expect(await world.call('loop'), TIMEOUT),
  },
  {
    number: 17,
    fault: 'Infinite sleep',
    expected: '504 function-timeout at its deadline; the worker is ended',
    world: PLAIN,
    run: async (world) => await world.expect(await world.call('sleeper'), TIMEOUT),
  },
  {
    number: 18,
    fault: 'Stack recursion',
    expected: '500 function-out-of-memory, yes',
    world: PLAIN,
    run: fails('recursion', 500, 'function-out-of-memory'),
  },
  {
    number: 65,
    fault: 'PHP works on and prints behind fastcgi_finish_request(), leaves a child',
    expected: '200; the next call is clean',
    world: PLAIN,
    run: async (world) => {
      const answers = await Promise.all([world.call('behind'), world.call('behind'), world.call('behind')]);
      assert.deepEqual(
        answers.map(({ status, text }) => [status, text]),
        answers.map(() => [200, 'done']),
      );
      for (let n = 0; n < 6; n += 1) assert.deepEqual((await world.call('echo', { n })).body, { n });
    },
  },
];
