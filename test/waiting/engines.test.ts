/** What `$call` offers to wait with is the same under php-fpm and in a resident worker that serves one call at a time. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { GatewayConfig } from '../../gateway/config.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { casesOf } from './handlers.ts';
import { startPeer } from './peer.ts';

const file = wholeFile();
const CONFIG: GatewayConfig = { pools: { default: { workers: 1 } } };
const peer = await startPeer(file);
const cases = casesOf(peer.address);
const matches = (output: unknown): unknown =>
  typeof output === 'object' && output !== null && 'pattern' in output
    ? expect.stringMatching(String(output.pattern))
    : output;

eachEngine(({ startGateway, name }) => {
  test('each way of waiting does what it promises', async () => {
    const functions = Object.fromEntries(cases.map(({ body }, at) => [`case${at}`, body]));
    const gateway = await startGateway(CONFIG, { project: functionsProject(functions) });
    for (const [at, { what, output }] of cases.entries())
      expect([what, await gateway.invoke(`case${at}`, {})]).toEqual([what, matches(output)]);
  });

  test('a transaction that was left open on a pooled connection is rolled back', async () => {
    const make = `$call->pool('shop', static fn () => new PDO('sqlite:${join(openFolder(), 'shop.sqlite')}'))`;
    const project = functionsProject({
      opens: `$pdo = ${make}; $pdo->exec('CREATE TABLE IF NOT EXISTS t (x)'); $pdo->beginTransaction();
        $pdo->exec('INSERT INTO t VALUES (1)'); return getmypid();`,
      counts: `return [getmypid(), ${make}->query('SELECT count(*) FROM t')->fetchColumn(), ${make}->inTransaction()];`,
    });
    const gateway = await startGateway(CONFIG, { project });
    const pid = await gateway.invoke('opens', {});
    expect(await gateway.invoke('counts', {})).toEqual([pid, 0, false]);
  });

  test('more than one connection of a pool at once is one call’s own doing, and refused at once', async () => {
    const body = `$fiber = new Fiber(static function () use ($call) { $call->pool('a', static fn () => new stdClass(), 1); });
      $fiber->start(); $other = FpmGateway\\Call::fake(); return [
        $call->pool('a', static fn () => throw new LogicException(), 1) instanceof stdClass,
        $other->pool('a', static fn () => new ArrayObject(), 1) instanceof ArrayObject];`;
    const gateway = await startGateway(CONFIG, { project: functionsProject({ one: body }) });
    expect(await gateway.invoke('one', {})).toEqual([true, true]);
  });

  test.runIf(name === 'resident')(
    'a connection is kept for the next call, unless something else holds it',
    async () => {
      const project = functionsProject({
        idle: `$one = $call->pool('kept', static fn () => new stdClass()); return spl_object_id($one);`,
        keeps: `static $kept = null; $kept = $call->pool('kept', static fn () => new stdClass()); return 1;`,
        fresh: `return ($call->pool('kept', static fn () => new ArrayObject()))::class;`,
      });
      const gateway = await startGateway(CONFIG, { project });
      const id = await gateway.invoke('idle', {});
      expect(await gateway.invoke('idle', {})).toBe(id);
      await gateway.invoke('keeps', {});
      expect(await gateway.invoke('fresh', {})).toBe('ArrayObject');
    },
  );
});
