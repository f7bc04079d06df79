/** Ending one call among those that are inside of others, in a batch, or beside each other in one worker. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder } from '../support/lifetime.ts';
import { isAlive } from '../support/php-processes.ts';
import { toldOf } from '../support/pipelined.ts';
import { functionsProject } from '../support/project.ts';
import { residentPids, startConcurrent } from '../support/resident-pool.ts';
import { Held, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const LONG = 'timeoutMs: 600_000';
const CANCEL = `${LONG}, onDisconnect: 'cancel'`;

const idOf = (gateway: Gateway, name: string): string =>
  gateway.calls(100).find((call) => call.function === name)?.id ?? '';

eachEngine(({ startGateway }) => {
  test.each([
    ['cancel', false],
    ['finish', true],
  ])('the call that a cancelled one waits for is ended where its contract says so: %s', async (onDisconnect, lives) => {
    const functions = {
      outer: ["return $call->invoke('inner', $input);", LONG],
      inner: [WAIT, `${LONG}, onDisconnect: '${onDisconnect}'`],
    } as const;
    const project = functionsProject(functions);
    const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
    const held = new Held(openFolder(), 'a');
    const told = toldOf(gateway.invoke('outer', held.file));
    const pid = await held.started();
    expect(gateway.cancel(idOf(gateway, 'outer'))).toBe('running');
    expect(await told).toEqual({ code: 'cancelled', executed: 'unknown' });
    if (lives) {
      await until('only the inner one is under way', () => gateway.calls(10).length === 1);
      expect([idOf(gateway, 'inner') !== '', isAlive(pid)]).toEqual([true, true]);
      held.go();
    }
    await until('none is under way', () => gateway.calls(10).length === 0);
    if (!lives) await until('its worker is gone', () => !isAlive(pid));
  });

  test('a batch whose caller leaves ends those of its running items that need not finish', async () => {
    const functions = { ends: [WAIT, CANCEL], finishes: [WAIT, LONG] } as const;
    const project = functionsProject(functions);
    const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
    const folder = openFolder();
    const [ends, finishes] = [new Held(folder, 'ends'), new Held(folder, 'finishes')];
    const leaving = new AbortController();
    const items = [
      { function: 'ends', input: ends.file },
      { function: 'finishes', input: finishes.file },
    ];
    const request = new Request('http://localhost/batch', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(items),
      signal: leaving.signal,
    });
    const answering = Promise.resolve(gateway.fetch(request)).then(
      (response) => response.text(),
      () => 'left',
    );
    const [endsPid, finishesPid] = [await ends.started(), await finishes.started()];
    leaving.abort();
    await until('its worker is gone', () => !isAlive(endsPid));
    expect(isAlive(finishesPid)).toBe(true);
    finishes.go();
    await until('none is under way', () => gateway.calls(10).length === 0);
    await answering;
    expect(isAlive(finishesPid)).toBe(true);
  });

  test('an item that fails stops its batch, and running items go on to their end', async () => {
    const functions = { fails: ["throw new \\RuntimeException('on purpose');", LONG], runs: [WAIT, CANCEL] } as const;
    const project = functionsProject(functions);
    const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
    const held = new Held(openFolder(), 'a');
    const send = async (): Promise<string> => {
      const items = [{ function: 'runs', input: held.file }, { function: 'fails' }];
      const request = new Request('http://localhost/batch?stopOnError=true', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(items),
      });
      return await (await gateway.fetch(request)).text();
    };
    const answer = send();
    await held.started();
    await until('the other has failed', () => idOf(gateway, 'fails') === '' && gateway.calls(10).length === 1);
    held.go();
    expect(await answer).toContain('"status":"succeeded"');
  });
});

describe('of many calls in one worker', () => {
  const NOTES = `$call->onCancel(fn (string $why) => file_put_contents("$input.cleaned", $why));`;
  const WAITS = `${NOTES} file_put_contents($input, getmypid()); while (!is_file("$input.go")) { $call->sleep(2); clearstatcache(); } return 'done';`;

  const cleaned = ({ file }: Held): string =>
    existsSync(`${file}.cleaned`) ? readFileSync(`${file}.cleaned`, 'utf8') : '';

  test('the one that is cancelled, left or late cleans up and ends; the others and their worker go on', async () => {
    const gateway = await startConcurrent({ waits: [WAITS, CANCEL], late: [WAITS, 'timeoutMs: 2000'] });
    const folder = openFolder();
    const [stays, left, cancelled, late] = ['stays', 'left', 'cancelled', 'late'].map((name) => new Held(folder, name));
    if (stays === undefined || left === undefined || cancelled === undefined || late === undefined) return;
    const leaving = new AbortController();
    const good = gateway.invoke('waits', stays.file);
    const told = [
      toldOf(gateway.invoke('waits', left.file, { signal: leaving.signal })),
      toldOf(gateway.invoke('waits', cancelled.file)),
      toldOf(gateway.invoke('late', late.file)),
    ];
    for (const held of [stays, left, cancelled, late]) await until('it runs', () => held.pids.length > 0);
    leaving.abort();
    expect(gateway.cancel(gateway.calls(10)[2]?.id ?? '')).toBe('running');
    expect(await Promise.all(told)).toMatchObject([
      { code: 'client-closed', executed: 'unknown' },
      { code: 'cancelled', executed: 'unknown' },
      { code: 'function-timeout' },
    ]);
    await until('each has cleaned up', () => [left, cancelled, late].every((held) => cleaned(held) !== ''));
    expect([left, cancelled, late, stays].map(cleaned)).toEqual(['cancelled', 'cancelled', 'timeout', '']);
    stays.go();
    expect(await good).toBe('done');
    expect(residentPids(gateway)).toEqual(stays.pids);
  });
});
