/** A caller that has left before its call was written to a worker: PHP never begins. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { temporaryFolder, thisTest } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';

test.each([
  ['a worker is free', true],
  ['a worker has to be connected', false],
])('a call whose caller has left is not written where %s', async (_name, isWarm) => {
  const trace = join(temporaryFolder(thisTest), 'begun');
  const project = functionsProject({
    leaves: `file_put_contents(${JSON.stringify(trace)}, 'begun'); return true;`,
    warms: 'return true;',
  });
  const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
  if (isWarm) await gateway.invoke('warms', {});
  await expect(gateway.invoke('leaves', {}, { signal: AbortSignal.abort() })).rejects.toMatchObject({
    code: 'client-closed',
    executed: 'no',
  });
  // Calls of a pool begin in order: whatever was written before has begun by then.
  await Promise.all([gateway.invoke('warms', {}), gateway.invoke('warms', {})]);
  expect(existsSync(trace)).toBe(false);
  expect(gateway.pools().flatMap(({ functions }) => functions.map(({ running }) => running))).toEqual([0, 0]);
});
