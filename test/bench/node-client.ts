/**
 * Our own FastCGI client against a pool, in a process of its own.
 * usage: node node-client.ts SOCKET SCRIPT CONNECTIONS DEPTH ping|bare WARMUP_MS DURATION_MS
 */
import { Connection, collect, encodeParams, type FastCgiRequest } from 'fpm-gateway/fastcgi';

const [, , path = '', script = '', connections, depth, ping, warmupMs, durationMs] = process.argv;
const ANSWER = Buffer.from('{"hello":"Ada"}');
const LIMITS = { headMaxBytes: 65_536, bodyMaxBytes: 65_536, stderrMaxBytes: 65_536 };
const REQUEST_ID = 1;

const request: FastCgiRequest = {
  encodedParams: encodeParams(REQUEST_ID, [
    ['SCRIPT_FILENAME', script],
    ['SCRIPT_NAME', '/echo.php'],
    ['REQUEST_METHOD', 'POST'],
    ['SERVER_PROTOCOL', 'HTTP/1.1'],
    ['CONTENT_TYPE', 'application/json'],
  ]),
  params: [],
  body: Buffer.from('{"name":"Ada"}'),
  ping: ping === 'ping',
  keepConnection: true,
};

const measureMs = performance.now() + Number(warmupMs);
const endMs = measureMs + Number(durationMs);
const counted = { calls: 0, failed: 0 };

/** As many of these run on one connection as requests are written ahead. */
const oneAfterAnother = async (connection: Connection): Promise<void> => {
  for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) {
    const { body } = await collect(connection, request, LIMITS).response;
    if (!body.equals(ANSWER)) counted.failed += 1;
    else if (nowMs >= measureMs) counted.calls += 1;
  }
};

const open = await Promise.all(
  Array.from({ length: Number(connections) }, () => Connection.open({ kind: 'unix', path }, { timeoutMs: 1000 })),
);
await Promise.all(
  open.flatMap((connection) => Array.from({ length: Number(depth) }, () => oneAfterAnother(connection))),
);
console.log(JSON.stringify({ ...counted, elapsedMs: performance.now() - measureMs }));
await Promise.all(open.map((connection) => connection.close()));
