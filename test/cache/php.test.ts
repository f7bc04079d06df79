/** `$call->cache` against a real gateway: what workers share, what they are told, and what survives whom. */
import { expect, test } from 'vitest';
import { startGateway } from '../support/gateway.ts';
import { functionsProject } from '../support/project.ts';

test('a value is there for the next call, whichever worker it meets', async () => {
  const project = functionsProject({
    put: "return $call->cache->set('greeting', $input);",
    look: "return [$call->cache->get('greeting', 'nothing'), getmypid()];",
  });
  const gateway = await startGateway({ pools: { default: { workers: 3 } } }, { project });
  expect(await gateway.invoke('look', null)).toEqual(['nothing', expect.any(Number)]);
  expect(await gateway.invoke('put', 'hello')).toBe(true);
  const seen = (await Promise.all(Array.from({ length: 12 }, () => gateway.invoke('look', null)))) as [
    string,
    number,
  ][];
  expect(seen.map(([value]) => value)).toEqual(Array(12).fill('hello'));
});
