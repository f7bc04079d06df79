/** What becomes of calls inside of calls when their caller dies, time runs out, the gateway stops or loads anew. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder } from '../support/lifetime.ts';
import { nestedProject } from '../support/nested.ts';
import { openRaw, rawPost, rawRequest } from '../support/raw-http.ts';
import { until } from '../support/until.ts';

/** Waits until this file is there. */
const untilFile = (path: string): string => `while (!file_exists(${path})) { usleep(1000); clearstatcache(); }`;

const functionOf = (gateway: Gateway, name: string) =>
  gateway
    .pools()
    .flatMap(({ functions }) => functions)
    .find((fn) => fn.name === name);

eachEngine(({ startGateway, startTestServer }) => {
  test('a call whose caller dies while it waits never runs', async () => {
    const folder = openFolder();
    const project = nestedProject({
      outer: 'file_put_contents("$input/pid", getmypid()); return ask($call, "inner", $input);',
      inner: ['touch("$input/ran"); return 1;', "pool: 'inner'"],
      hold: [`${untilFile('"$input/go"')} return 1;`, "pool: 'inner'"],
    });
    const gateway = await startGateway({ pools: { default: { workers: 1 }, inner: { workers: 1 } } }, { project });
    const held = gateway.invoke('hold', folder);
    await until('the worker is taken', () => functionOf(gateway, 'hold')?.running === 1);
    const outer = gateway.invoke('outer', folder);
    const failed = expect(outer).rejects.toMatchObject({ code: 'worker-crashed' });
    await until('the inner call waits', () => functionOf(gateway, 'inner')?.waiting === 1);
    process.kill(Number(readFileSync(join(folder, 'pid'), 'utf8')), 'SIGKILL');
    await failed;
    await until('it waits no more', () => functionOf(gateway, 'inner')?.waiting === 0);
    writeFileSync(join(folder, 'go'), '');
    await held;
    expect([functionOf(gateway, 'inner')?.calls, existsSync(join(folder, 'ran'))]).toEqual([0, false]);
  });

  test('what is left of the outer call is all that the inner one gets', async () => {
    const project = nestedProject({
      outer: ['usleep(100_000); return ask($call, "inner", null)[1];', 'timeoutMs: 5000'],
      inner: 'return $call->remainingMs();',
    });
    const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
    const leftMs = Number(await gateway.invoke('outer', null));
    expect(leftMs).toBeGreaterThan(0);
    expect(leftMs).toBeLessThanOrEqual(4900);
  });

  test('a function’s own cap holds for calls inside of calls', async () => {
    const project = nestedProject({
      outer:
        "$one = open($call, 'capped', 1); $two = open($call, 'capped', 2); return [finish($one)[0], finish($two)[0]];",
      capped: ['usleep(300_000); return 1;', 'inFlightMax: 1'],
    });
    const gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project });
    expect(((await gateway.invoke('outer', null)) as number[]).sort()).toEqual([200, 429]);
  });

  test('a gateway that stops serves what its running calls call, of any pool, and nobody else', async () => {
    const folder = openFolder();
    const project = nestedProject({
      outer: `touch("$input/began"); ${untilFile('"$input/go"')} return [ask($call, "mid", null), ask($call, "mid", null)];`,
      mid: ['return ask($call, "leaf", null);', "pool: 'other'"],
      leaf: 'return getenv("FPMG_GATEWAY");',
    });
    const gateway = await startGateway({ pools: { default: { workers: 1 }, other: { workers: 1 } } }, { project });
    const outer = gateway.invoke('outer', folder);
    await until('it runs', () => existsSync(join(folder, 'began')));
    const closed = gateway.close();
    await expect(gateway.invoke('leaf', null)).rejects.toMatchObject({ code: 'shutting-down' });
    writeFileSync(join(folder, 'go'), '');
    const answer = [200, [200, expect.stringContaining('unix:/')]];
    expect(await outer).toEqual([answer, answer]);
    await closed;
  });

  test('who comes over the internal socket without a running call behind is refused by a gateway that stops', async () => {
    const folder = openFolder();
    const project = nestedProject({
      outer: `file_put_contents("$input/address", getenv("FPMG_GATEWAY")); ${untilFile('"$input/go"')} return 1;`,
      leaf: 'return 1;',
    });
    const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
    const outer = gateway.invoke('outer', folder);
    await until('it runs', () => existsSync(join(folder, 'address')));
    const closed = gateway.close();
    const url = readFileSync(join(folder, 'address'), 'utf8');
    const answer = await rawRequest(url, rawPost('/functions/leaf', 'null'));
    expect([answer.status, JSON.parse(answer.body).code]).toEqual([503, 'shutting-down']);
    writeFileSync(join(folder, 'go'), '');
    expect(await outer).toBe(1);
    await closed;
  });

  test('a call that began before a reload calls the functions of its own release', async () => {
    const folder = openFolder();
    const project = nestedProject({
      outer: `touch("$input/began"); ${untilFile('"$input/go"')} return ask($call, "leaf", null)[1];`,
      leaf: "return 'old';",
    });
    const server = await startTestServer(project);
    const connection = await openRaw(server.url);
    connection.send(rawPost('/functions/outer', JSON.stringify(folder)));
    await until('it runs', () => existsSync(join(folder, 'began')));
    const leaf = join(project, 'functions', 'leaf.php');
    writeFileSync(leaf, readFileSync(leaf, 'utf8').replace('old', 'new'));
    await server.reload();
    expect(await server.gateway.invoke('leaf', null)).toBe('new');
    writeFileSync(join(folder, 'go'), '');
    expect(JSON.parse((await connection.answer()).body)).toBe('old');
  });

  test('a call that nobody waits for takes no worker in reserve: it runs when its caller has ended', async () => {
    const folder = openFolder();
    const project = nestedProject({
      outer: "fclose(open($call, 'note', $input, ['on-disconnect' => 'finish'])); touch(\"$input/outer\"); return 1;",
      note: 'touch("$input/" . (file_exists("$input/outer") ? "after" : "before")); return 1;',
    });
    const gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project });
    await gateway.invoke('outer', folder);
    await until('it ran', () => functionOf(gateway, 'note')?.calls === 1);
    expect([existsSync(join(folder, 'after')), existsSync(join(folder, 'before'))]).toEqual([true, false]);
    expect(gateway.pools()[0]?.reserve).toMatchObject({ taken: 0, idleConnections: 0 });
  });

  test('GET /admin/pools shows the workers in reserve and who has them', async () => {
    const folder = openFolder();
    const project = nestedProject({
      outer: "return ask($call, 'inner', $input)[1];",
      inner: `touch("$input/began"); ${untilFile('"$input/go"')} return 1;`,
    });
    const env = { FPMG_POOLS__DEFAULT__WORKERS: '1', FPMG_LIMITS__CALL_DEPTH_MAX: '4' };
    const server = await startTestServer(project, { env });
    const outer = server.gateway.invoke('outer', folder);
    await until('the inner call runs', () => existsSync(join(folder, 'began')));
    const answer = await fetch(`${server.adminUrl}/admin/pools`);
    expect(await answer.json()).toMatchObject({
      pools: [{ workers: 1, backends: [{ workers: 1, taken: 1 }], reserve: { workers: 3, taken: 1, up: true } }],
    });
    writeFileSync(join(folder, 'go'), '');
    expect(await outer).toBe(1);
  });

  test('limits.callDepthMax: 1: no function may call another, and no workers are in reserve', async () => {
    const project = nestedProject({ outer: "return ask($call, 'inner', null);", inner: 'return 1;' });
    const config = { pools: { default: { workers: 2 } }, limits: { callDepthMax: 1 } };
    const gateway = await startGateway(config, { project });
    expect(await gateway.invoke('outer', null)).toMatchObject([508, { code: 'call-depth-exceeded' }]);
    expect(gateway.pools()[0]?.reserve).toBeUndefined();
  });
});
