/** Batches from PHP through a real gateway. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { php } from '../support/php-client.ts';
import { functionsProject } from '../support/project.ts';
import { WAIT } from '../support/told-handlers.ts';

eachEngine(({ startTestServer }) => {
  const file = wholeFile();
  let server: Server;

  beforeAll(async () => {
    const project = functionsProject(
      {
        echo: 'return $input;',
        held: WAIT,
        pdf: ['return new Binary("%PDF\\0\\xff", \'application/pdf\');', "output: binary('application/pdf')"],
        declared: ["throw new Failure('gone', ['n' => 1]);", 'errors: { gone: z.object({ n: z.number() }) }'],
        fanout: `
        $calls = []; for ($i = 0; $i < 20; $i++) { $calls[] = ['i' => $i]; }
        $got = []; foreach ($call->batch($calls, function: 'echo', concurrency: 2) as $key => $result) { $got[$key] = $result->get()['i']; }
        ksort($got); return $got;`,
      },
      file,
    );
    server = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '4' } }, file);
  });

  test('results of many functions come back under the keys of their items', async () => {
    const body = `$items = ['a' => new Item('echo', ['n' => 1]), 'pdf' => new Item('pdf'), 'x' => new Item('declared'), 'y' => new Item('no-such')];
    foreach ($client->batch($items) as $key => $result) {
      $got[$key] = told(function () use ($result) { $value = $result->get(); return $value instanceof Binary ? [$value->mediaType, bin2hex($value->bytes)] : $value; }); }
    return $got;`;
    expect(await php(server.url, body)).toMatchObject({
      a: { n: 1 },
      pdf: ['application/pdf', '2550444600ff'],
      x: { failureCode: 'gone', executed: 'yes', data: { n: 1 } },
      y: { failureCode: 'not-found', executed: 'no' },
    });
  });

  test('results come as the calls finish, or in the order of the items', async () => {
    const folder = openFolder();
    const finish = `foreach ($client->batch(['a' => new Item('held', '${folder}/a'), 'b' => new Item('echo', 'b')]) as $key => $result) {
      $order[] = $key; touch('${folder}/a.go'); } return $order;`;
    expect(await php(server.url, finish)).toEqual(['b', 'a']);
    const input = `touch('${folder}/c.go'); return array_keys(iterator_to_array($client->batch(['c' => new Item('held', '${folder}/c'), 'd' => new Item('echo')], ordered: true)));`;
    expect(await php(server.url, input)).toEqual(['c', 'd']);
  });

  test('stopOnError cancels what has not begun', async () => {
    const body = `$items = array_merge([new Item('declared')], array_fill(0, 50, new Item('echo', 1)));
    foreach ($client->batch($items, stopOnError: true, concurrency: 1) as $key => $result) { $codes[] = $result->failure?->failureCode; }
    return [count($codes), $codes[0], array_count_values(array_filter($codes))['batch-stopped'] > 0];`;
    expect(await php(server.url, body)).toEqual([51, 'gone', true]);
  });

  test('a thousand items of a generator come back, each once', async () => {
    const body = `$items = (function () { for ($i = 0; $i < 1000; $i++) { yield "k$i" => ['i' => $i]; } })();
    foreach ($client->batch($items, function: 'echo') as $key => $result) { $seen[$key] = $result->get()['i']; }
    ksort($seen, SORT_NATURAL); return array_values($seen) === range(0, 999) && array_keys($seen)[999] === 'k999';`;
    expect(await php(server.url, body)).toBe(true);
  });

  test('the total time ends the batch: what ran is told, what did not is cancelled', async () => {
    const folder = openFolder();
    const body = `foreach ($client->batch(['e' => new Item('echo', 1), 'h' => new Item('held', '${folder}/h')], timeoutMs: 500) as $key => $result) {
      $got[$key] = $result->failure?->failureCode ?? $result->get(); } return $got;`;
    expect(await php(server.url, body)).toMatchObject({
      e: 1,
      h: expect.stringMatching(/^(function-timeout|deadline-exceeded)$/),
    });
    expect(existsSync(join(folder, 'h'))).toBe(true);
  });

  test('a handler makes batches, too', async () => {
    expect(await server.gateway.invoke('fanout', null)).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});
