/** Every way to call, from the command line's PHP, against a real gateway: over a unix socket, and over TCP. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder, temporaryFolder, wholeFile } from '../support/lifetime.ts';
import { type PhpOptions, php } from '../support/php-client.ts';
import { functionsProject } from '../support/project.ts';
import { WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

eachEngine(({ startTestServer }) => {
  const file = wholeFile();
  let server: Server;
  let unix: string;
  let folder: string;

  beforeAll(async () => {
    const project = functionsProject(
      {
        echo: 'return $input;',
        held: WAIT,
        noted: `${WAIT.replace('return $call->attempt;', '')} file_put_contents($input . '.done', 'x'); return 1;`,
        pdf: [
          "return new Binary(\"%PDF\\0\\xff\" . $input['n'], 'application/pdf');",
          "output: binary('application/pdf')",
        ],
        map: [
          `return new Binary('{"type":"Point"}', 'application/geo+json');`,
          "output: binary('application/geo+json')",
        ],
        rows: ["return new Binary('[1]', 'application/json');", "output: binary('application/json')"],
        declared: [
          "throw new Failure('no-lines', ['number' => 'A1'], 'It has none.');",
          "errors: { 'no-lines': z.object({ number: z.string() }) }",
        ],
        strict: ['return $input;', 'input: z.strictObject({ name: z.string().max(5) })'],
        'schemas/count.ts': `
        import { z } from 'zod';
        import { defineFunction, stream } from 'fpm-gateway/contract';
        export default defineFunction({ input: z.any(), output: stream(z.any()) });`,
        'functions/count.php': `<?php return function (array $input) {
        for ($i = 1; $i <= $input['to']; $i++) { yield ['i' => $i, 'error' => 'not one']; }
        if ($input['fails'] ?? false) { throw new RuntimeException('no more'); } };`,
        'schemas/csv.ts': `
        import { z } from 'zod';
        import { binary, defineFunction, stream } from 'fpm-gateway/contract';
        export default defineFunction({ input: z.any(), output: stream(binary('text/csv')) });`,
        'functions/csv.php': '<?php return function (array $input) { yield "a;b\\n"; yield "1;2\\n"; };',
        'schemas/attach.ts': `
        import { z } from 'zod';
        import { defineFunction, file } from 'fpm-gateway/contract';
        const one = file({ maxBytes: 5_000_000, mediaTypes: ['*/*'] });
        export default defineFunction({
          input: z.strictObject({ title: z.string().max(80), tags: z.array(z.string().max(9)).max(3).optional(),
            deep: z.object({ n: z.int(), yes: z.boolean() }).optional(), one, more: z.array(one).max(3).optional() }),
          output: z.any(),
        });`,
        'functions/attach.php': `<?php return fn (array $input) => [
        $input['title'], $input['tags'] ?? null, $input['deep'] ?? null,
        array_map(fn ($f) => [$f->name, $f->mediaType, $f->size, md5($f->contents())], [$input['one'], ...($input['more'] ?? [])])];`,
        'schemas/store.ts': `
        import { z } from 'zod';
        import { defineFunction, file } from 'fpm-gateway/contract';
        export default defineFunction({ input: file({ maxBytes: 100, mediaTypes: ['text/plain'] }), output: z.any() });`,
        'functions/store.php': '<?php return fn ($input) => [$input->size, $input->mediaType];',
        'schemas/page.ts': `
        import { z } from 'zod';
        import { binary, defineFunction } from 'fpm-gateway/contract';
        export default defineFunction({ script: 'page.php', input: z.any(), output: binary('text/plain') });`,
        'functions/page.php': `<?php
        $in = json_decode(file_get_contents('php://input'), true);
        header('Content-Type: text/plain'); http_response_code($in['status']);
        if ($in['status'] === 303) { header('Location: /elsewhere'); } echo 'the page';`,
      },
      file,
    );
    unix = join(temporaryFolder(file), 'in.sock');
    const env = { FPMG_INTERNAL__SOCKET: unix, FPMG_POOLS__DEFAULT__WORKERS: '4' };
    server = await startTestServer(project, { env }, file);
  });

  beforeEach(() => {
    folder = openFolder();
  });

  /** `$folder` is there, for calls that are held: `go('a')` lets the one with this name go on. */
  const run = async (body: string, options: PhpOptions & { tcp?: boolean } = {}): Promise<unknown> => {
    const own = `$folder = '${folder}'; $go = fn (string $name) => touch("$folder/$name.go");`;
    return await php(options.tcp === true ? server.url : `unix:${unix}`, `${own} ${body}`, options);
  };

  describe('invoke()', () => {
    test.each([false, true])('gives the decoded result (TCP: %s)', async (tcp) => {
      const sent = "['name' => 'Zoë', 'list' => [1, 2.5, null], 'map' => (object) []]";
      expect(await run(`return $client->invoke('echo', ${sent});`, { tcp })).toEqual({
        name: 'Zoë',
        list: [1, 2.5, null],
        map: [],
      });
    });

    test('sends what json_encode takes; a bare empty array is an object, unless an object says otherwise', async () => {
      const list = 'new class implements JsonSerializable { public function jsonSerialize(): array { return []; } }';
      const strict = `told(fn () => $client->invoke('strict', ${list})['errors'] ?? null)`;
      const body = `return [$client->invoke('echo', 'text'), $client->invoke('echo', null), $client->invoke('echo', new ArrayObject(['a' => 1])),
      told(fn () => $client->invoke('strict'))['errors'][0]['pointer'], ${strict}['errors'][0]['pointer']];`;
      expect(await run(body)).toEqual(['text', null, { a: 1 }, '/name', '']);
    });

    test('gives a Binary with its media type for bytes, of a stream all of its items', async () => {
      const body = `$pdf = $client->invoke('pdf', ['n' => 7]); $csv = $client->invoke('csv');
      return [$pdf instanceof Binary, bin2hex($pdf->bytes), $pdf->mediaType, $csv->bytes, array_column($client->invoke('count', ['to' => 3]), 'i')];`;
      const expected = [
        true,
        Buffer.from('%PDF\0\xff7', 'latin1').toString('hex'),
        'application/pdf',
        'a;b\n1;2\n',
        [1, 2, 3],
      ];
      expect(await run(body)).toEqual(expected);
    });

    test('gives a Binary also where the bytes are JSON, whole or as a stream', async () => {
      const body = `foreach (['map', 'rows'] as $name) { $whole = $client->invoke($name);
      $got[] = [$whole instanceof Binary, $whole->bytes, $whole->mediaType, implode('', iterator_to_array($client->stream($name), false))]; } return $got;`;
      const point = '{"type":"Point"}';
      expect(await run(body)).toEqual([
        [true, point, 'application/geo+json', point],
        [true, '[1]', 'application/json', '[1]'],
      ]);
    });

    test('tells all of a failure', async () => {
      const body = `return [told(fn () => $client->invoke('declared')), told(fn () => $client->invoke('strict', ['name' => 1]))];`;
      const [declared, strict] = (await run(body)) as Record<string, unknown>[];
      expect(declared).toMatchObject({
        failureCode: 'no-lines',
        detail: 'It has none.',
        status: 422,
        executed: 'yes',
        retryable: false,
        data: { number: 'A1' },
        traceId: expect.stringMatching(/^[0-9a-f]{32}$/),
        requestId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      });
      const errors = [expect.objectContaining({ pointer: '/name' })];
      expect(strict).toMatchObject({ failureCode: 'validation-failed', executed: 'no', errors });
    });

    test('gives a script’s page, and what it refuses with as a failure', async () => {
      const told = (status: number) => `told(fn () => $client->invoke('page', ['status' => ${status}]))`;
      const body = `return [$client->invoke('page', ['status' => 200])->bytes, ${told(404)}, ${told(303)}];`;
      expect(await run(body)).toMatchObject([
        'the page',
        { failureCode: 'script-refused', status: 404, executed: 'yes', data: { bytes: 'the page' } },
        { failureCode: 'script-refused', status: 303, detail: expect.stringContaining('/elsewhere') },
      ]);
    });
  });

  describe('send()', () => {
    test.each([false, true])('runs the call while the script does something else (TCP: %s)', async (tcp) => {
      const body = `$call = $client->send('held', "$folder/a"); waitFor("$folder/a"); $go('a'); return [$call->wait(), $call->wait(), $call->function];`;
      expect(await run(body, { tcp })).toEqual([1, 1, 'held']);
    });

    test('keeps no more calls under way than the client’s concurrency; the others start as those finish', async () => {
      const body = `
      foreach (['a', 'b', 'c'] as $name) { $calls[$name] = $client->send('held', "$folder/$name"); }
      waitFor("$folder/a"); waitFor("$folder/b");
      $client->ready();
      $before = is_file("$folder/c");
      $go('b'); $calls['b']->wait();
      waitFor("$folder/c");
      $go('c'); $go('a');
      return [$before, $client->waitAll($calls)];`;
      expect(await run(body, { options: 'concurrency: 2' })).toEqual([false, { a: 1, b: 1, c: 1 }]);
    });

    test('cancelled, it fails with that and leaves its place to the next', async () => {
      const body = `
      $a = $client->send('held', "$folder/a"); $b = $client->send('held', "$folder/b"); $c = $client->send('echo', 'c');
      waitFor("$folder/a"); $b->cancel(); $a->cancel(); $go('a');
      return [told(fn () => $a->wait()), told(fn () => $b->wait()), $c->wait()];`;
      expect(await run(body, { options: 'concurrency: 1' })).toMatchObject([
        { failureCode: 'cancelled', executed: 'unknown' },
        { failureCode: 'cancelled', executed: 'no' },
        'c',
      ]);
      expect(existsSync(join(folder, 'b'))).toBe(false);
    });
  });

  describe('many calls', () => {
    const three = `foreach (['a', 'b', 'c'] as $name) { $calls[$name] = $client->send('held', "$folder/$name"); }`;

    test('waitAll() gives results in the order of the calls, whichever finishes first', async () => {
      const body = `${three} foreach (['c', 'a', 'b'] as $name) { waitFor("$folder/$name"); $go($name); $calls[$name]->result(); }
      $calls['d'] = $client->send('echo', 'd'); return array_map(null, array_keys($client->waitAll($calls)), $client->waitAll($calls));`;
      expect(await run(body)).toEqual([
        ['a', 1],
        ['b', 1],
        ['c', 1],
        ['d', 'd'],
      ]);
    });

    test('waitAll() throws the first failure in that order, once all have ended', async () => {
      const body = `
      $calls = [$client->send('echo', 1), $client->send('declared'), $client->send('held', "$folder/a"), $client->send('strict')];
      $go('a');
      return [told(fn () => $client->waitAll($calls))['failureCode'], $calls[2]->isDone(), $calls[3]->result()->failure->failureCode];`;
      expect(await run(body)).toEqual(['no-lines', true, 'validation-failed']);
    });

    test('each() gives every result as it finishes, failures among them', async () => {
      const body = `${three} $calls['x'] = $client->send('declared'); $order = [];
      foreach ($client->each($calls) as $key => $result) {
        $order[] = [$key, $result->failure?->failureCode ?? $result->get()];
        foreach (['x' => 'c', 'c' => 'a', 'a' => 'b'] as $seen => $next) { if ($key === $seen) { $go($next); } }
      }
      return $order;`;
      expect(await run(body)).toEqual([
        ['x', 'no-lines'],
        ['c', 1],
        ['a', 1],
        ['b', 1],
      ]);
    });

    test('each() without a list gives all calls nobody has asked for', async () => {
      const body = `$client->send('echo', 1)->wait(); $second = $client->send('echo', 2); $client->send('echo', 3);
      $got = []; foreach ($client->each() as $id => $result) { $got[] = $result->get(); $ids[] = $id === $result->requestId; }
      sort($got); return [$got, $ids, iterator_to_array($client->each())];`;
      expect(await run(body)).toEqual([[2, 3], [true, true], []]);
    });

    test('ready() looks without waiting, or waits for the first', async () => {
      const body = `${three} $first = $client->ready($calls); $go('b'); $second = [];
      while ($second === []) { $second = $client->ready($calls); }
      unset($calls['b']); $go('c'); $third = $client->ready($calls, waitMs: 60_000);
      $go('a'); return [$first, array_keys($second), $second['b']->wait(), array_keys($third), $calls['a']->wait()];`;
      expect(await run(body)).toEqual([[], ['b'], 1, ['c'], 1]);
    });

    test('callbacks are called while something else is waited for', async () => {
      const body = `$said = [];
      $client->send('echo', 'first')->onResult(function ($value) use (&$said) { $said[] = $value; });
      $client->send('declared')->onFailure(function (CallFailed $failed) use (&$said) { $said[] = $failed->failureCode; });
      $client->send('held', "$folder/a")->onResult(function ($value) use (&$said, $client) { $said[] = $client->invoke('echo', 'inner'); });
      $go('a'); $client->settle(); sort($said); return $said;`;
      expect(await run(body)).toEqual(['first', 'inner', 'no-lines']);
    });

    test('results that callbacks were told are not kept for somebody who asks', async () => {
      const body = `$told = 0; $count = function () use (&$told) { $told++; };
      $client->send('echo', 1)->onResult($count); $client->send('declared')->onFailure($count); $client->send('echo', 2)->onFailure($count);
      while ($told < 2 || count($client->ready()) < 1) { $client->ready(waitMs: 10); }
      return array_map(fn ($call) => $call->wait(), array_values($client->ready()));`;
      expect(await run(body)).toEqual([2]);
    });

    test('settle() throws the failure that no callback was told, once all have ended', async () => {
      const body = `$done = 0; $count = function () use (&$done) { $done++; };
      $client->send('declared')->onResult($count); $client->send('echo', 1)->onResult($count); $client->send('strict')->onFailure($count);
      return [told(fn () => $client->settle())['failureCode'], $done];`;
      expect(await run(body)).toEqual(['no-lines', 2]);
    });

    test('a hundred calls over few workers all come back, each once', async () => {
      const body = `for ($i = 0; $i < 100; $i++) { $calls["k$i"] = $client->send('echo', $i); }
      $seen = []; foreach ($client->each($calls) as $key => $result) { $seen[$key] = $result->get(); }
      ksort($seen, SORT_NATURAL); return [count($seen), array_values($seen) === range(0, 99)];`;
      expect(await run(body, { options: 'concurrency: 8' })).toEqual([100, true]);
    });
  });

  describe('fire()', () => {
    test('the call runs to its end though the script has ended, found by its request id', async () => {
      const requestId = await run(`return $client->fire('noted', "$folder/a");`);
      await until('it runs', () => existsSync(join(folder, 'a')));
      writeFileSync(join(folder, 'a.go'), '');
      await until('it is done', () => existsSync(join(folder, 'a.done')));
      await until('its trace is there', () => server.gateway.tracer.ring.list(1)[0]?.function === 'noted');
      const [span] = server.gateway.tracer.ring.list(1)[0]?.spans ?? [];
      expect(span?.attributes['fpm_gateway.request_id']).toBe(requestId);
    });

    test('the call runs also if it was still waiting for a worker when the script ended', async () => {
      const names = ['a', 'b', 'c', 'd'];
      const holding = names.map(async (name) => await server.gateway.invoke('held', join(folder, name)));
      await until('all workers are taken', () => names.every((name) => existsSync(join(folder, name))));
      await run(`$client->fire('noted', "$folder/late"); return 1;`);
      writeFileSync(join(folder, 'late.go'), '');
      for (const name of names) writeFileSync(join(folder, `${name}.go`), '');
      await Promise.all(holding);
      await until('it is done', () => existsSync(join(folder, 'late.done')));
    });

    test('never waits for those fired before, nor for the client’s concurrency', async () => {
      const body = `$names = ['a', 'b', 'c'];
      foreach ($names as $name) { $client->fire('noted', "$folder/$name"); }
      foreach ($names as $name) { waitFor("$folder/$name"); }
      foreach ($names as $name) { $go($name); }
      return $client->invoke('echo', 1);`;
      expect(await run(body, { options: 'concurrency: 1' })).toBe(1);
      await until('all are done', () => ['a', 'b', 'c'].every((name) => existsSync(join(folder, `${name}.done`))));
    });
  });

  describe('stream()', () => {
    test('gives items one by one, whatever members they have', async () => {
      const body = `foreach ($client->stream('count', ['to' => 3]) as $key => $item) { $got[] = [$key, $item]; } return $got;`;
      expect(await run(body)).toEqual([1, 2, 3].map((i) => [i - 1, { i, error: 'not one' }]));
    });

    test('gives the bytes of a stream of bytes', async () => {
      expect(await run(`return implode('', iterator_to_array($client->stream('csv'), false));`)).toBe('a;b\n1;2\n');
    });

    test('tells a failure behind the items that came before it', async () => {
      const body = `$got = []; $failed = told(function () use ($client, &$got) {
        foreach ($client->stream('count', ['to' => 2, 'fails' => true]) as $item) { $got[] = $item['i']; } });
      return [$got, $failed['failureCode'], $failed['executed']];`;
      expect(await run(body)).toEqual([[1, 2], 'function-error', 'yes']);
    });

    test('may be left, and other calls go on meanwhile', async () => {
      const body = `foreach ($client->stream('count', ['to' => 100_000]) as $item) {
        $calls[] = $client->send('echo', $item['i']); if ($item['i'] === 3) { break; } }
      return $client->waitAll($calls);`;
      expect(await run(body)).toEqual([1, 2, 3]);
    });

    test('of a function that answers whole says so', async () => {
      const body = `return told(fn () => iterator_to_array($client->stream('echo', 1)));`;
      expect(await run(body)).toMatchObject({
        failureCode: 'bad-answer',
        detail: expect.stringContaining('use invoke()'),
      });
    });
  });

  describe('files', () => {
    test('go with the other members of the input', async () => {
      writeFileSync(join(folder, 'terms.txt'), 'Be kind.');
      const large = Buffer.alloc(3_000_000, 'x');
      writeFileSync(join(folder, 'large.txt'), large);
      const body = `return $client->invoke('attach', ['title' => 'Größe "1"', 'tags' => ['a', 'b'], 'deep' => ['n' => 3, 'yes' => false],
      'one' => File::at("$folder/terms.txt", mediaType: 'text/plain'),
      'more' => [File::of('{}', 'a "b".json', 'application/json'), File::at("$folder/large.txt")]]);`;
      const [title, tags, deep, files] = (await run(body)) as [
        string,
        string[],
        object,
        [string, string, number, string][],
      ];
      expect([title, tags, deep]).toEqual(['Größe "1"', ['a', 'b'], { n: 3, yes: false }]);
      expect(files.map(([name, , size]) => [name, size])).toEqual([
        ['terms.txt', 8],
        ['a "b".json', 2],
        ['large.txt', large.length],
      ]);
      const { createHash } = await import('node:crypto');
      expect(files[2]?.[3]).toBe(createHash('md5').update(large).digest('hex'));
    });

    test('are the body where the input is one', async () => {
      expect(await run(`return $client->invoke('store', File::of('hello', 'x', 'text/plain'));`)).toEqual([
        5,
        'text/plain',
      ]);
    });

    test('stand beside values that are objects, as those do in JSON', async () => {
      const body = `eval('enum Title: string { case Terms = "The terms"; }');
      return $client->invoke('attach', ['title' => Title::Terms, 'one' => File::of('x', 'x.txt', 'text/plain')])[0];`;
      expect(await run(body)).toBe('The terms');
    });

    test('that lie too deep, or are not there, are told before anything is sent', async () => {
      const body = `return [told(fn () => $client->invoke('attach', ['deep' => ['n' => File::of('x', 'y')]])), told(fn () => File::at("$folder/none"))];`;
      expect(await run(body)).toEqual([
        { mistake: expect.stringContaining('lies too deep') },
        { mistake: expect.stringContaining('no readable file') },
      ]);
    });
  });

  test('each mistake in a call is told before anything is sent', async () => {
    const mistakes = [
      "$client->invoke('../admin')",
      "$client->invoke('')",
      "$client->invoke('echo', NAN)",
      '$client->invoke(\'echo\', "\\xff")',
      "$client->invoke('echo', 1, timeoutMs: -1)",
      "$client->invoke('echo', 1, attempts: 0)",
      "$client->ready([Client::fake(['f' => 1])->send('f')])",
      "iterator_to_array($client->each([Client::fake(['f' => 1])->send('f')]))",
      "Client::connect('unix:relative.sock')",
      "Client::connect('localhost:8080')",
      "Client::connect('http://')",
      "Client::connect('unix:/a', concurrency: 257)",
      "Client::connect('unix:/a', headers: ['X-A' => \"a\\r\\nb: c\"])",
      "Client::connect('unix:/a', headers: ['traceparent' => 'x'])",
      "Client::connect('unix:/a', traceparent: 'x')",
      'Client::fromEnvironment()',
    ];
    const told = (await run(
      `return [${mistakes.map((mistake) => `told(fn () => ${mistake})`).join(', ')}];`,
    )) as object[];
    expect(told).toEqual(mistakes.map(() => ({ mistake: expect.any(String) })));
    expect(told[11]).toMatchObject({ mistake: expect.stringContaining('below 1,024') });
  });

  test('calls join the trace and end with the time they are given', async () => {
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const body = `$client->invoke('echo', 1); return told(fn () => $client->invoke('held', "$folder/a", timeoutMs: 60));`;
    const failed = await run(body, { options: `traceparent: '${traceparent}'` });
    expect(failed).toMatchObject({ failureCode: 'function-timeout', status: 504, executed: 'unknown' });
    expect(server.gateway.tracer.ring.get('4bf92f3577b34da6a3ce929d0e0e4736')).toHaveLength(2);
    expect(readFileSync(join(folder, 'a'), 'utf8')).toMatch(/^\d+\n$/);
  });
});
