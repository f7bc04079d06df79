/** What callers send is broken, hostile, too large or too slow. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import type { Answer } from '../http.ts';
import type { World } from '../world.ts';
import { PLAIN, type Row } from './row.ts';

const refused = async (world: World, answer: Answer, status: number, code: string): Promise<void> =>
  await world.expect(answer, { status, code, executed: 'no', isTraced: false });

/** What the gateway says on a bare connection, to its end. */
const raw = async (world: World, text: string): Promise<string> => {
  const { hostname, port } = new URL(world.gateway.url);
  const socket = connect(Number(port), hostname);
  let said = '';
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    said += bytes.toString('latin1');
  });
  socket.write(text);
  await once(socket, 'close');
  return said;
};

const SLOW = { env: { FPMG_HTTP__HEADERS_TIMEOUT_MS: '500', FPMG_HTTP__REQUEST_TIMEOUT_MS: '700' } };

export const requestRows: readonly Row[] = [
  {
    number: 26,
    fault: 'PHP_VALUE, Proxy and X_Foo as headers',
    expected: '400 bad-request for Proxy and names with underscores; others change nothing in PHP',
    world: PLAIN,
    run: async (world) => {
      for (const name of ['php_value', 'PHP_ADMIN_VALUE', 'proxy', 'x_foo']) {
        const answer = await world.call('facts', null, { headers: { [name]: 'precision=3' } });
        await refused(world, answer, 400, 'bad-request');
      }
      const { status, body } = await world.call('facts', null, {
        headers: { 'php-value': 'precision=3', 'x-foo': 'b' },
      });
      assert.equal(status, 200);
      for (const name of ['PHP_VALUE', 'HTTP_PROXY', 'HTTP_PHP_VALUE']) assert.ok(!body.names.includes(name), name);
      for (let at = 0; at < 4; at += 1) assert.notEqual(String((await world.call('settings')).body), '3');
    },
  },
  {
    number: 27,
    fault: 'Body too large, told by Content-Length',
    expected: '413 body-too-large before it is read, connection closed',
    world: PLAIN,
    run: async (world) => {
      const text = await raw(
        world,
        'POST /functions/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 10485760\r\n\r\n"',
      );
      assert.match(text, /^HTTP\/1\.1 413 .*"code":"body-too-large"/s);
      assert.match(text, /connection: close/i);
      assert.match(text, /"executed":"no"/);
    },
  },
  {
    number: 28,
    fault: 'Body too large, in chunks',
    expected: '413 body-too-large',
    world: PLAIN,
    run: async (world) => {
      const chunk = `10000\r\n${'1'.repeat(65_536)}\r\n`;
      const text = await raw(
        world,
        `POST /functions/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n${chunk.repeat(17)}`,
      );
      assert.match(text, /^HTTP\/1\.1 413 .*"code":"body-too-large"/s);
    },
  },
  {
    number: 29,
    fault: 'Compressed body',
    expected: '415 unsupported-encoding with Accept-Encoding: identity',
    world: PLAIN,
    run: async (world) => {
      const answer = await world.call('echo', null, {
        headers: { 'content-encoding': 'gzip' },
        raw: Buffer.alloc(100),
      });
      await refused(world, answer, 415, 'unsupported-encoding');
      assert.equal(answer.headers['accept-encoding'], 'identity');
    },
  },
  {
    number: 30,
    fault: 'Depth bomb, huge numbers, double keys, bad UTF-8, __proto__',
    expected: '400 invalid-json, json-too-deep, duplicate-key; 422 validation-failed',
    world: PLAIN,
    run: async (world) => {
      const bad: readonly (readonly [string | Buffer, number, string])[] = [
        ['['.repeat(100_000), 400, 'json-too-deep'],
        ['{"n":1e400}', 400, 'invalid-json'],
        ['{"n":9007199254740993}', 400, 'invalid-json'],
        ['{"n":1,"n":2}', 400, 'duplicate-key'],
        [Buffer.from([0x22, 0xff, 0xfe, 0x22]), 400, 'invalid-json'],
        ['"\\ud800"', 400, 'invalid-json'],
        ['{"__proto__":1}', 400, 'invalid-json'],
        ['{"n":"x"}', 422, 'validation-failed'],
      ];
      for (const [text, status, code] of bad) {
        const answer = await world.call('strict', null, { raw: text });
        assert.equal(answer.code, code, `${String(text).slice(0, 40)}: ${answer.text.slice(0, 200)}`);
        await refused(world, answer, status, code);
      }
    },
  },
  {
    number: 31,
    fault: '100,000 wrong items',
    expected: '422 with at most 20 issues, truncated, below 20 kB',
    world: PLAIN,
    run: async (world) => {
      const answer = await world.call('strict', null, { raw: `{"list":[${'"a",'.repeat(99_999)}"a"]}` });
      await refused(world, answer, 422, 'validation-failed');
      assert.ok(answer.text.length < 20_000, `${answer.text.length} bytes`);
      assert.ok(answer.body.errors.length <= 20);
      assert.equal(answer.body.truncated, true);
    },
  },
  {
    number: 32,
    fault: 'Slow headers, slow bodies',
    expected: '408 request-timeout, socket closed; others served meanwhile',
    world: SLOW,
    run: async (world) => {
      const head =
        'POST /functions/echo HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n';
      const slow = Promise.all([
        ...Array.from({ length: 50 }, () => raw(world, 'POST /functions/echo HTTP/1.1\r\nHost: local')),
        ...Array.from({ length: 50 }, () => raw(world, `${head}\r\n[1`)),
      ]);
      for (let at = 0; at < 10; at += 1) await world.serves();
      for (const text of await slow) assert.match(text, /^HTTP\/1\.1 408 /);
    },
  },
];
