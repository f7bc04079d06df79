/** What a batch does to everybody else: to other requests, other batches, the disk, and a gateway that stops. */
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import type { TraceRecord } from '../../gateway/trace/record.ts';
import { batch, byId, linesOf, NDJSON, OpenBatch, readLines } from '../support/batches.ts';
import { callUrl } from '../support/call.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder, temporaryFolder, wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { openRaw, rawPost } from '../support/raw-http.ts';
import { Held, Runs, WAIT } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

eachEngine(({ startTestServer }) => {
  const file = wholeFile();
  const folder = openFolder(file);
  const runs = new Runs(file);
  let spoolDir: string;
  let project: string;
  let server: Server;

  const IDLE_WRITE_MS = 400;

  beforeAll(async () => {
    spoolDir = temporaryFolder(file);
    project = functionsProject(
      {
        echo: 'return $input;',
        wait: WAIT,
        counted: runs.marking('return $input;'),
        'wait-one': [WAIT, 'inFlightMax: 1'],
        'nap-one': ['usleep(5000); return $input;', 'inFlightMax: 1'],
        big: runs.marking('return str_repeat("x", $input);'),
        unwritable: [
          "throw new Failure('no', ['n' => '7']);",
          'errors: { no: z.object({ n: z.string().transform(BigInt) }) }',
        ],
        'cap-batch': [
          `$codes = [];
         foreach ($call->batch([['again' => false]], 'cap-batch') as $result)
           $codes[] = $result->failure?->failureCode ?? 'ran';
         return ($input['again'] ?? false) ? $codes : 'inner';`,
          'inFlightMax: 1',
        ],
        under_score: 'return 1;',
      },
      file,
    );
    const env = {
      FPMG_POOLS__DEFAULT__WORKERS: '4',
      FPMG_HTTP__IDLE_WRITE_TIMEOUT_MS: String(IDLE_WRITE_MS),
      FPMG_SPOOL_DIR: spoolDir,
    };
    server = await startTestServer(project, { env }, file);
  });

  let number = 0;
  const held = (): Held => {
    number += 1;
    return new Held(folder, `other-${number}`);
  };

  /** On disk now. */
  const spooledBytes = (dir: string): number =>
    readdirSync(dir, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .reduce(
        (sum, entry) => sum + (statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0),
        0,
      );

  describe('other requests', () => {
    test.each([
      ['no items', (at: number) => `${at}`],
      ['unknown functions', (at: number) => JSON.stringify({ function: `f${at}` })],
    ])('have their turn while thousands of items fail at once: %s', async (_what, line) => {
      let turns = 0;
      let isOver = false;
      const turn = (): void => {
        turns += 1;
        if (!isOver) setImmediate(turn);
      };
      turn();
      const answer = await batch(
        server.url,
        Array.from({ length: 20_000 }, (_, at) => line(at)),
      );
      isOver = true;
      expect(answer.lines).toHaveLength(20_000);
      expect(turns).toBeGreaterThan(20);
    });
  });

  describe('other batches', () => {
    test('have their turn at a function with an inFlightMax', async () => {
      const long = batch(
        server.url,
        Array.from({ length: 200 }, (_, at) => ({ function: 'nap-one', input: at })),
      );
      let isOver = false;
      void long.then(() => (isOver = true));
      await until(
        'it runs',
        () => server.gateway.pools()[0]?.functions.find(({ name }) => name === 'nap-one')?.running === 1,
      );
      const short = await batch(
        server.url,
        [1, 2, 3].map((input) => ({ function: 'nap-one', input })),
      );
      expect(isOver).toBe(false);
      expect(short.lines.map(({ status }) => status)).toEqual(['succeeded', 'succeeded', 'succeeded']);
      expect((await long).lines.every(({ status }) => status === 'succeeded')).toBe(true);
    });

    test("an item's time limit counts from its first turn on, though it has to wait for others", async () => {
      const one = held();
      const other = callUrl(server.url, 'wait-one', one.file);
      await one.started();
      const { lines } = await batch(server.url, [{ function: 'wait-one', input: one.file, timeoutMs: 50 }]);
      one.go();
      await other;
      expect(lines[0]).toMatchObject({ status: 'failed', executed: 'no' });
      expect(one.pids.length).toBe(1);
    });

    test('of a function do not wait for what waits for them: 429 at once, as for any call inside of another', async () => {
      const answer = await callUrl(server.url, 'cap-batch', { again: true });
      expect(await answer.json()).toEqual(['concurrency-limit']);
    });
  });

  describe('results', () => {
    test('that cannot be written are errors of their items', async () => {
      const { lines } = await batch(server.url, [{ function: 'unwritable' }, { function: 'echo', input: 1 }]);
      const bad = lines.find(({ status }) => status === 'failed');
      expect(bad).toMatchObject({ executed: 'yes', error: { code: 'contract-error' } });
      expect(lines.find(({ status }) => status === 'succeeded')?.output).toBe(1);
      const single = await callUrl(server.url, 'unwritable', null);
      expect(await single.json()).toMatchObject({ code: 'contract-error', executed: 'yes' });
    });

    test('wait on disk for a caller that sends all of its batch first', async () => {
      const count = 3000;
      const open = new OpenBatch(server.url);
      const sent = new Promise((resolve) => open.whenSent(resolve));
      open.stopReading();
      const input = 10_000;
      // More than all buffers on the way hold, in both directions.
      const ballast = { ballast: 'x'.repeat(10_000) };
      for (let at = 0; at < count; at += 1)
        open.send(at % 2 ? { function: 'big', input } : { function: 'echo', input: ballast });
      await until('they are on disk', () => spooledBytes(spoolDir) > 1_000_000);
      open.end();
      await sent;
      open.readOn();
      expect(await open.ended()).toBe('whole');
      expect(open.lines.filter(({ status }) => status === 'succeeded')).toHaveLength(count);
      await until('nothing is left there', () => spooledBytes(spoolDir) === 0);
    });

    test.each([
      ['', 'localhost'],
      [', also by way of the router, which odd names of this host take', 'LOCALHOST'],
    ])('are not made for a reader that takes none of them when the body is there%s', async (_what, host) => {
      const before = runs.count;
      const { socket, send, ended } = await openRaw(server.url);
      socket.pause();
      const body = linesOf(Array.from({ length: 3000 }, () => ({ function: 'big', input: 20_000 })));
      const startedMs = Date.now();
      send(rawPost('/batch', body, { host, 'content-type': NDJSON }));
      const isCut = ({ function: name, error, startMs }: TraceRecord): boolean =>
        name === 'batch' && error === 'slow-reader' && startMs >= startedMs;
      await until('it is cut off', () => server.gateway.tracer.ring.list(500).some(isCut));
      socket.resume();
      await ended;
      expect(runs.count - before).toBeLessThan(3000);
    });

    test('that a reader in process left lying do not look whole to it later', async () => {
      const startedMs = Date.now();
      const body = linesOf(Array.from({ length: 300 }, () => ({ function: 'big', input: 20_000 })));
      const headers = { 'content-type': NDJSON };
      const response = await server.gateway.fetch(
        new Request('http://localhost/batch', { method: 'POST', headers, body }),
      );
      const reader = (response.body as ReadableStream<Uint8Array>).getReader();
      await reader.read();
      const isCut = ({ function: name, error, startMs }: TraceRecord): boolean =>
        name === 'batch' && error === 'slow-reader' && startMs >= startedMs;
      await until('it is taken for one that does not read', () => server.gateway.tracer.ring.list(500).some(isCut));
      await expect(reader.read()).rejects.toMatchObject({ code: 'slow-reader' });
    });

    test('of a batch that shall finish without its caller do not hold it up', async () => {
      const before = runs.count;
      const open = new OpenBatch(server.url, { headers: { 'on-disconnect': 'finish' } });
      open.stopReading();
      open.send(...Array.from({ length: 300 }, () => ({ function: 'big', input: 50_000 })));
      open.end();
      await until('some ran', () => runs.count > before + 20);
      open.leave();
      await until('all of them run', () => runs.count === before + 300);
    });
  });

  describe('requests behind a batch on its connection', () => {
    test('a batch behind a slow call is not taken for one that nobody reads', async () => {
      const one = held();
      const { socket, send } = await openRaw(server.url);
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      const body = linesOf(Array.from({ length: 40 }, () => ({ function: 'big', input: 20_000 })));
      const before = runs.count;
      send(
        Buffer.concat([
          rawPost('/functions/wait', JSON.stringify(one.file)),
          rawPost('/batch', body, { 'content-type': NDJSON }),
        ]),
      );
      await until('the batch runs', () => runs.count > before);
      // Longer than a reader may take nothing.
      await one.started();
      const startedMs = performance.now();
      await until('a reader would be late', () => performance.now() - startedMs > 3 * IDLE_WRITE_MS);
      one.go();
      await until('both answers are whole', () => text.includes('\r\n\r\n1') && text.endsWith('0\r\n\r\n'));
    });

    test('a body that is malformed in its framing has the results of what ran, then why it ended', async () => {
      const { socket, send, ended } = await openRaw(server.url);
      let text = '';
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      const item = `${JSON.stringify({ id: 'a', function: 'echo', input: 1 })}\n`;
      const head = `POST /batch HTTP/1.1\r\nhost: localhost\r\ncontent-type: ${NDJSON}\r\ntransfer-encoding: chunked\r\n\r\n`;
      send(`${head}${item.length.toString(16)}\r\n${item}\r\n`);
      await until('the item has run', () => text.includes('"succeeded"'));
      send('this is no chunk\r\n');
      await ended;
      expect(text).toContain('"index":null');
      expect(text).toContain('"bad-request"');
      expect(text.endsWith('0\r\n\r\n')).toBe(true);
    });
  });

  describe('a batch that runs out of time', () => {
    test('says so of everything that has not run, whoever noticed first', async () => {
      for (let round = 0; round < 5; round += 1) {
        const items = Array.from({ length: 50 }, (_, at) => ({ id: `${at}`, function: 'nap-one', input: at }));
        const headers = { 'x-request-timeout-ms': '60' };
        const answer = await batch(server.url, items, { headers, path: '/batch?stopOnError=true' });
        const lines = byId(answer);
        expect(Object.keys(lines).filter((id) => id.startsWith('index'))).toEqual([]);
        for (const { executed, status, error } of answer.lines) {
          if (executed === 'no') expect([status, error.code]).toEqual(['cancelled', 'deadline-exceeded']);
        }
        expect(lines['49']).toMatchObject({ status: 'cancelled' });
      }
    });
  });

  describe('a gateway that ends', () => {
    test('ends its batches: what runs has its result, the rest is told, and it does not wait for more', async () => {
      const own = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '1' } });
      const one = held();
      const open = new OpenBatch(own.url);
      open.send({ id: 'runs', function: 'wait', input: one.file }, { id: 'waits', function: 'counted' });
      await one.started();
      const closing = own.close();
      await open.count(1);
      one.go();
      expect(await open.ended()).toBe('whole');
      await closing;
      const told = open.lines.map(({ id, status, error }) => [id, status, error?.code]);
      expect(told).toContainEqual(['runs', 'succeeded', undefined]);
      expect(told).toContainEqual(['waits', 'cancelled', 'shutting-down']);
      expect(told.at(-1)).toEqual([null, 'failed', 'shutting-down']);
    });

    test.each(['localhost', 'LOCALHOST'])(
      'a release that is replaced serves its batches to their end: %s',
      async (host) => {
        const own = await startTestServer(project);
        const one = held();
        const { socket, send } = await openRaw(own.url);
        let text = '';
        socket.on('data', (chunk) => {
          text += chunk.toString('latin1');
        });
        const items = [
          { function: 'wait', input: one.file },
          ...Array.from({ length: 20 }, () => ({ function: 'echo', input: 1 })),
        ];
        send(rawPost('/batch?concurrency=1', linesOf(items), { host, 'content-type': NDJSON }));
        await one.started();
        await own.reload();
        one.go();
        await until('it is whole', () => text.endsWith('0\r\n\r\n'));
        expect(text.match(/"succeeded"/g)).toHaveLength(21);
      },
    );

    test('functions with any name there may be have batches of their own', async () => {
      const answer = await batch(server.url, '{}', { path: '/functions/under_score/batch' });
      expect(readLines(answer.text)[0]?.output).toBe(1);
    });
  });
});
