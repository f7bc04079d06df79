/** Functions that call functions with the client: of their own gateway, in their trace, within their time. */
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { eachEngine } from '../support/engines.ts';
import { startGateway } from '../support/gateway.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

const root = join(import.meta.dirname, '..', '..');
const isRoot = process.getuid?.() === 0;
const script = (name: string): string => `
  import { z } from 'zod';
  import { defineFunction } from 'fpm-gateway/contract';
  export default defineFunction({ script: '${name}.php', input: z.any(), output: z.any() });`;

eachEngine(({ startGateway, startTestServer }) => {
  const file = wholeFile();
  let server: Server;

  beforeAll(async () => {
    const project = functionsProject(
      {
        echo: 'return $input;',
        held: WAIT,
        budget: 'return $call->remainingMs();',
        declared: ["throw new Failure('gone', ['n' => 1]);", 'errors: { gone: z.object({ n: z.number() }) }'],
        'schemas/count.ts': `
        import { z } from 'zod';
        import { defineFunction, stream } from 'fpm-gateway/contract';
        export default defineFunction({ input: z.any(), output: stream(z.any()) });`,
        'functions/count.php': '<?php return function ($input) { for ($i = 1; $i <= $input; $i++) { yield $i; } };',
        all: `
        $pending = $call->send('echo', 'sent');
        $calls = ['x' => $call->send('echo', 1), 'y' => $call->send('echo', 2)];
        foreach ($call->each(['z' => $call->send('echo', 3)]) as $key => $result) { $each[$key] = $result->get(); }
        $call->send('echo', 4)->onResult(function ($value) use (&$told) { $told = $value; });
        $call->settle();
        return [$call->invoke('echo', 'invoked'), $pending->wait(), $call->waitAll($calls), $each, $told, count($call->ready($calls)),
          iterator_to_array($call->stream('count', 3))];`,
        outer: "return [$call->remainingMs(), $call->invoke('budget'), $call->invoke('budget', timeoutMs: 300)];",
        late: ["return $call->invoke('held', $input);", 'timeoutMs: 300'],
        failing: `try { return $call->invoke('declared'); } catch (FpmGateway\\Client\\CallFailed $failed) {
        return [$failed->failureCode, $failed->data, $failed->executed, $failed->traceId]; }`,
        unhandled: "return $call->invoke('declared');",
        firing: "return $call->fire('held', $input);",
        again: "return $input === 0 ? 0 : $call->invoke('again', $input - 1);",
        depth: `try { return $call->invoke('depth', $input + 1); } catch (FpmGateway\\Client\\CallFailed $failed) { return [$input, $failed->failureCode, $failed->executed]; }`,
        'schemas/forward.ts': `
        import { z } from 'zod';
        import { defineFunction, file } from 'fpm-gateway/contract';
        export default defineFunction({ input: z.strictObject({ one: file({ maxBytes: 1000, mediaTypes: ['*/*'] }), hops: z.int() }), output: z.any() });`,
        'functions/forward.php': `<?php return fn (array $input, FpmGateway\\Call $call) => $input['hops'] === 0
        ? [$input['one']->name, $input['one']->contents()] : $call->invoke('forward', ['hops' => $input['hops'] - 1] + $input);`,
        'schemas/page.ts': script('page'),
        'functions/page.php': `<?php
        require '${root}/gateway/php/autoload.php';
        $client = FpmGateway\\Client\\Client::fromEnvironment();
        header('content-type: application/json');
        echo json_encode([$client->invoke('echo', json_decode(file_get_contents('php://input'))), $client->invoke('budget')]);`,
        environment: `$client = FpmGateway\\Client\\Client::fromEnvironment(); return [$client->invoke('echo', $input), $client->invoke('budget')];`,
      },
      file,
    );
    const env = { FPMG_POOLS__DEFAULT__WORKERS: '10' };
    server = await startTestServer(project, { env }, file);
  });

  const invoke = async (name: string, input: unknown = null): Promise<unknown> =>
    await server.gateway.invoke(name, input);

  test('each mode is there on the call', async () => {
    expect(await invoke('all')).toEqual(['invoked', 'sent', { x: 1, y: 2 }, { z: 3 }, 4, 2, [1, 2, 3]]);
  });

  test('their time is what is left of the outer call’s, or less', async () => {
    const [left, inner, less] = (await invoke('outer')) as [number, number, number];
    expect(inner).toBeLessThanOrEqual(left);
    expect(inner).toBeGreaterThan(300);
    expect(less).toBeLessThanOrEqual(300);
  });

  test('one that outlives its caller’s time ends with it', async () => {
    const folder = openFolder();
    await expect(invoke('late', join(folder, 'a'))).rejects.toMatchObject({
      code: expect.stringMatching(/^function-(timeout|error)$/),
    });
    await until('the inner call has ended, too', () =>
      server.gateway.tracer.ring.list(10).some(({ function: name, error }) => name === 'held' && error !== undefined),
    );
  });

  test('they are of one trace, each with its path', async () => {
    expect(await invoke('again', 2)).toBe(0);
    const [newest] = server.gateway.tracer.ring.list(1);
    const traces = server.gateway.tracer.ring.get(newest?.traceId ?? '');
    const paths = traces.map(({ spans }) => spans[0]?.attributes['fpm_gateway.call_path']);
    expect(paths.sort()).toEqual(['again,again', 'again,again,again', undefined]);
  });

  test('functions that call themselves for ever are stopped, and told', async () => {
    expect(await invoke('depth', 1)).toEqual([8, 'call-depth-exceeded', 'no']);
  });

  test('a failure is caught by what it is; one that is not caught is the outer function’s', async () => {
    expect(await invoke('failing')).toEqual(['gone', { n: 1 }, 'yes', expect.stringMatching(/^[0-9a-f]{32}$/)]);
    await expect(invoke('unhandled')).rejects.toMatchObject({ code: 'function-error' });
  });

  test('one that is fired outlives its caller', async () => {
    const folder = openFolder();
    await invoke('firing', join(folder, 'a'));
    await until('it runs', () => existsSync(join(folder, 'a')));
    writeFileSync(join(folder, 'a.go'), '');
    const isDone = (): boolean => {
      const [trace] = server.gateway.tracer.ring.list(20).filter(({ function: name }) => name === 'held');
      return trace !== undefined && trace.error === undefined;
    };
    await until('it ends well', isDone);
  });

  test('files that came with a call are passed on', async () => {
    const body = new FormData();
    body.append('one', new File(['Be kind.'], 'terms.txt', { type: 'text/plain' }));
    body.append('hops', '2');
    const answer = await fetch(`${server.url}/functions/forward`, { method: 'POST', body });
    expect(await answer.json()).toEqual(['terms.txt', 'Be kind.']);
  });

  describe('by the environment', () => {
    test.each(['page', 'environment'])('scripts and handlers find their gateway, time and path: %s', async (name) => {
      const answer = await fetch(`${server.url}/functions/${name}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-request-timeout-ms': '9000' },
        body: '"hi"',
      });
      const [echoed, budgetMs] = (await answer.json()) as [string, number];
      expect([echoed, budgetMs <= 9000, budgetMs > 0]).toEqual(['hi', true, true]);
      const traces = server.gateway.tracer.ring.get(answer.headers.get('trace-id') ?? '');
      expect(
        traces
          .map(({ spans }) => spans[0]?.attributes['fpm_gateway.call_path'])
          .filter(Boolean)
          .sort(),
      ).toEqual([`${name},budget`, `${name},echo`]);
    });
  });

  test.runIf(isRoot)('a project that is served from a copy has the client, too', async () => {
    const project = functionsProject({
      echo: 'return $input;',
      outer: "return $call->invoke('echo', $call->client()::class);",
    });
    chmodSync(project, 0o700);
    const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
    expect(await gateway.invoke('outer', null)).toBe('FpmGateway\\Client\\Client');
  });
});

/** Preloading is php-fpm's. */
test.each(['opcache.enable', 'opcache.preload'])(
  'without %s the classes are loaded when they are needed',
  async (name) => {
    const ini = { [name]: name === 'opcache.enable' ? false : '' };
    const project = functionsProject({
      echo: 'return $input;',
      outer: "return $call->invoke('echo', 1);",
      none: "return array_values(preg_grep('/^FpmGateway.Client/', get_declared_classes()));",
    });
    const gateway = await startGateway({ pools: { default: { workers: 2, ini } } }, { project });
    expect([await gateway.invoke('none', null), await gateway.invoke('outer', null)]).toEqual([[], 1]);
  },
);

describe('unit tests of handlers', () => {
  const unit = (code: string): unknown =>
    JSON.parse(
      execFileSync(
        'php',
        [
          '-r',
          `require '${root}/gateway/php/autoload.php'; use FpmGateway\\{Binary, Call, Failure}; use FpmGateway\\Client\\{CallFailed, Client, Item}; ${code}`,
        ],
        {
          encoding: 'utf8',
        },
      ),
    );

  test('say what the functions answer that the handler calls', () => {
    const code = `
      $call = Call::fake(answers: [
        'price' => ['cents' => 5],
        'double' => fn (array $input) => ['n' => $input['n'] * 2],
        'refuse' => new Failure('no-stock', ['left' => 0]),
        'down' => new CallFailed('overloaded', 'Full.', 503, 'no', true),
        'pdf' => new Binary('%PDF', 'application/pdf'),
        'rows' => [[1], [2]],
      ]);
      $failed = function (callable $f) { try { return $f(); } catch (CallFailed $e) { return [$e->failureCode, $e->status, $e->executed, $e->data]; } };
      foreach ($call->each(['a' => $call->send('price'), 'b' => $call->send('refuse')]) as $key => $result) { $each[$key] = $result->failure?->failureCode ?? $result->get(); }
      foreach ($call->batch(['k' => new Item('price'), 'l' => new Item('down')]) as $key => $result) { $batch[$key] = $result->failure?->failureCode ?? $result->get(); }
      $told = null; $call->send('price')->onResult(function ($v) use (&$told) { $told = $v; });
      echo json_encode([$call->invoke('price'), $call->invoke('double', ['n' => 4]), $failed(fn () => $call->invoke('refuse')), $failed(fn () => $call->invoke('down')),
        $call->invoke('pdf')->bytes, iterator_to_array($call->stream('rows')), $each, $batch, $told, is_string($call->fire('price'))]);`;
    expect(unit(code)).toEqual([
      { cents: 5 },
      { n: 8 },
      ['no-stock', 422, 'yes', { left: 0 }],
      ['overloaded', 503, 'no', null],
      '%PDF',
      [[1], [2]],
      { a: { cents: 5 }, b: 'no-stock' },
      { k: { cents: 5 }, l: 'overloaded' },
      { cents: 5 },
      true,
    ]);
  });

  test('are told of calls nobody has answered, and of inputs that could not be sent', () => {
    const code = `$call = Call::fake(answers: ['known' => 1]);
      foreach ([fn () => $call->invoke('unknown'), fn () => $call->invoke('known', NAN), fn () => Call::fake()->invoke('any')] as $f) {
        try { $f(); } catch (Throwable $e) { $said[] = [$e::class, $e->getMessage()]; } }
      echo json_encode($said);`;
    expect(unit(code)).toEqual([
      ['LogicException', expect.stringContaining('only of: known')],
      ['InvalidArgumentException', expect.stringContaining('cannot be written as JSON')],
      ['LogicException', expect.any(String)],
    ]);
  });

  test('may let an assertion of their own fail', () => {
    const code = `$call = Call::fake(answers: ['f' => function (array $input) { throw new DomainException('expected'); }]);
      try { $call->invoke('f'); } catch (DomainException $e) { echo json_encode($e->getMessage()); }`;
    expect(unit(code)).toBe('expected');
  });
});
