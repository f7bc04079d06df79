/** Requests written ahead on one connection: answered in order, and what is known of each when the worker dies. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type Address, collect } from '../../gateway/fastcgi/index.ts';
import {
  answer,
  answerPing,
  close,
  fakeFastCgi,
  readPing,
  readRequest,
  send,
  serve,
  stall,
  stdout,
  waitFor,
} from '../support/fake-fastcgi.ts';
import { openFolder } from '../support/lifetime.ts';
import { rawFpm } from '../support/raw-fpm.ts';
import { until } from '../support/until.ts';
import { endRequest, pingAnswer, stdout as stdoutRecord } from '../wire/codec.ts';
import { bodyText, connect, LIMITS, outcomeOf, request } from './fastcgi-client.ts';

describe('with a scripted peer', () => {
  test('answers reach the requests in the order they were written', async () => {
    const server = await fakeFastCgi('unix', [serve('1'), serve('2'), serve('3'), stall]);
    const connection = await connect(server.address);
    const calls = ['1', '2', '3'].map((n) => collect(connection, request({ params: [['N', n]] }), LIMITS));
    expect((await Promise.all(calls.map(outcomeOf))).map(bodyText)).toEqual(['1', '2', '3']);
    expect(server.peer.requests.map(({ params }) => params[0]?.[1])).toEqual(['1', '2', '3']);
  });

  test('all answers in one chunk are told apart', async () => {
    const three = ['1', '2', '3'].flatMap((n) => [pingAnswer(), stdoutRecord(`\r\n${n}`), endRequest()]);
    const server = await fakeFastCgi('unix', [readRequest, readRequest, readRequest, send(...three), stall]);
    const connection = await connect(server.address);
    const calls = [1, 2, 3].map(() => collect(connection, request(), LIMITS));
    expect((await Promise.all(calls.map(outcomeOf))).map(bodyText)).toEqual(['1', '2', '3']);
  });

  test('a worker that dies in the first: the second, whose ping is unanswered, was not executed', async () => {
    const server = await fakeFastCgi('unix', [readRequest, readRequest, answerPing, stdout('\r\nhalf'), close]);
    const connection = await connect(server.address);
    const [first, second] = [1, 2].map(() => collect(connection, request(), LIMITS));
    if (!first || !second) throw new Error('not sent');
    expect(await outcomeOf(first)).toMatchObject({ code: 'worker-crashed', executed: 'yes' });
    expect(await outcomeOf(second)).toMatchObject({
      code: 'worker-crashed',
      executed: 'no',
      progress: { sent: 'complete', ping: 'unanswered', readToEnd: true },
    });
  });

  test('a worker that ends after the first (pm.max_requests): the second was not executed', async () => {
    const server = await fakeFastCgi('unix', [serve('one'), readRequest, close]);
    const connection = await connect(server.address);
    const [first, second] = [1, 2].map(() => collect(connection, request(), LIMITS));
    if (!first || !second) throw new Error('not sent');
    expect(bodyText(await outcomeOf(first))).toBe('one');
    expect(await outcomeOf(second)).toMatchObject({ executed: 'no' });
  });

  test('pings and requests in any order get their own answers', async () => {
    const go = Promise.withResolvers<void>();
    const server = await fakeFastCgi('unix', [
      waitFor(go.promise),
      ...[readPing, answerPing, serve('one'), readPing, answerPing, readPing, answerPing, serve('two'), readRequest],
      answer('three'),
      stall,
    ]);
    const connection = await connect(server.address);
    const before = connection.ping();
    const one = collect(connection, request(), LIMITS);
    const between = [connection.ping(), connection.ping()];
    const two = collect(connection, request(), LIMITS);
    const three = collect(connection, request({ ping: false }), LIMITS);
    expect(one.exchange.progress.ping).toBe('unanswered');
    go.resolve();
    expect(await Promise.all([before, ...between])).toEqual(Array(3).fill([['FCGI_MPXS_CONNS', '0']]));
    expect((await Promise.all([one, two, three].map(outcomeOf))).map(bodyText)).toEqual(['one', 'two', 'three']);
  });
});

describe('with php-fpm', () => {
  /** With one worker. */
  const startFpm = async (script: string): Promise<{ address: Address; file: string; folder: string }> => {
    const folder = openFolder();
    const [file, path] = [join(folder, 'script.php'), join(folder, 'fpm.sock')];
    writeFileSync(file, script);
    await rawFpm(folder, [path], 1);
    return { address: { kind: 'unix', path }, file, folder };
  };

  test('two requests in flight, the worker killed in the first: the second was not executed', async () => {
    const { address, file, folder } = await startFpm(
      `<?php file_put_contents(__DIR__ . '/ran', $_GET['n'] . ' ' . getmypid() . "\\n", FILE_APPEND); while ($_GET['n'] === '1') usleep(1000); echo $_GET['n'];`,
    );
    const script = (n: string): [string, string][] => [
      ['REQUEST_METHOD', 'GET'],
      ['SCRIPT_FILENAME', file],
      ['QUERY_STRING', `n=${n}`],
    ];
    const body = Buffer.alloc(0);
    const connection = await connect(address);
    const zero = await outcomeOf(collect(connection, request({ params: script('0'), body }), LIMITS));
    expect(bodyText(zero)).toBe('0');

    const first = collect(connection, request({ params: script('1'), body }), LIMITS);
    const second = collect(connection, request({ params: script('2'), body }), LIMITS);
    const ran = (): string[] => readFileSync(join(folder, 'ran'), 'utf8').trim().split('\n');
    await until('the first runs', () => ran().length === 2);
    const [, pid] = (ran()[1] ?? '').split(' ');
    process.kill(Number(pid), 'SIGKILL');

    expect(await outcomeOf(first)).toMatchObject({
      code: 'worker-crashed',
      executed: 'yes',
      progress: { ping: 'answered' },
    });
    expect(await outcomeOf(second)).toMatchObject({
      code: 'worker-crashed',
      executed: 'no',
      progress: { sent: 'complete', ping: 'unanswered', readToEnd: true },
    });
    // The proof was right: it moves to the next worker and runs there for the first time.
    const again = await outcomeOf(collect(await connect(address), request({ params: script('2'), body }), LIMITS));
    expect(bodyText(again)).toBe('2');
    expect(ran().map((line) => line.split(' ')[0])).toEqual(['0', '1', '2']);
  });
});
