// One npm client against a pool, in a process of its own.
// usage: node run.mjs CLIENT SOCKET SCRIPT IN_FLIGHT WARMUP_MS DURATION_MS
import { dirname } from 'node:path';

const [, , name, path, script, inFlight, warmupMs, durationMs] = process.argv;
const BODY = '{"name":"Ada"}';
const ANSWER = '{"hello":"Ada"}';

const connectors = {
  'fastcgi-client': async () => {
    const { default: connect } = await import('fastcgi-client');
    // It takes a limit of requests at once from the server otherwise, over a connection of its own.
    const client = connect({ sockFile: path, skipCheckServer: true, maxConns: 1000 });
    await new Promise((resolve) => client.on('ready', resolve));
    const params = {
      SCRIPT_FILENAME: script,
      SCRIPT_NAME: '/echo.php',
      REQUEST_METHOD: 'POST',
      SERVER_PROTOCOL: 'HTTP/1.1',
      CONTENT_TYPE: 'application/json',
      CONTENT_LENGTH: String(BODY.length),
    };
    return () =>
      new Promise((resolve, reject) => {
        client.request(params, (error, request) => {
          if (error) return reject(error);
          let answer = '';
          request.stdout.on('data', (bytes) => {
            answer += bytes;
          });
          request.stdout.on('end', () => resolve(answer));
          request.stdin.end(BODY);
        });
      });
  },
  'node-phpfpm': async () => {
    const { default: PhpFpm } = await import('node-phpfpm');
    const client = new PhpFpm({ sockFile: path, documentRoot: dirname(script) });
    const call = { uri: script, method: 'POST', contentType: 'application/json', body: BODY };
    return () =>
      new Promise((resolve, reject) => {
        client.run({ ...call }, (error, answer) => (error ? reject(new Error(answer)) : resolve(answer)));
      });
  },
};

const call = await connectors[name]();
const measureMs = performance.now() + Number(warmupMs);
const endMs = measureMs + Number(durationMs);
const counted = { calls: 0, failed: 0 };

const oneAfterAnother = async () => {
  for (let nowMs = performance.now(); nowMs < endMs; nowMs = performance.now()) {
    const answer = await call();
    if (!answer.endsWith(ANSWER)) counted.failed += 1;
    else if (nowMs >= measureMs) counted.calls += 1;
  }
};

await Promise.all(Array.from({ length: Number(inFlight) }, oneAfterAnother));
console.log(JSON.stringify({ ...counted, elapsedMs: performance.now() - measureMs }));
process.exit(0);
