/** Requests to others and streams, where many calls wait in one worker. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryFolder, wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';
import { casesOf, handler } from './handlers.ts';
import { startPeer } from './peer.ts';

const file = wholeFile();
const folder = temporaryFolder(file);
const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')];
execFileSync('php', [
  '-r',
  `$key = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
  $cert = openssl_csr_sign(openssl_csr_new(['commonName' => 'localhost'], $key), null, $key, 30);
  openssl_x509_export_to_file($cert, '${certFile}'); openssl_pkey_export_to_file($key, '${keyFile}');`,
]);
const peer = await startPeer(file);
const secure = await startPeer(file, { cert: readFileSync(certFile, 'utf8'), key: readFileSync(keyFile, 'utf8') });
const cases = casesOf(peer.address);

const { worker } = await startWorker({
  lifetime: file,
  handlers: {
    ...Object.fromEntries(cases.map(({ body }, at) => [`case${at}`, handler(body)])),
    slow: handler(`return $call->fetch('http://${peer.address}/slow')->body;`),
    secure: handler(`return $call->fetch('https://localhost:${secure.port}/close')->body;`),
    wrong: handler(
      `try { $call->fetch('https://127.0.0.1:${secure.port}/close'); } catch (FpmGateway\\StreamFailed $e) { return $e->getMessage(); }`,
    ),
    tls: handler(
      `$s = $call->connect('tls://localhost:${secure.port}'); $call->write($s, "say hidden\\n"); return $call->read($s);`,
    ),
    opens:
      handler(`for ($n = 0; $n < $input['n']; ++$n) { $open[] = $call->connect('tcp://${peer.address}', $input['timeoutMs'] ?? null); }
      $call->sleep($input['ms']); return count($open);`),
    closes: handler(`for ($n = 0; $n < 600; ++$n) { fclose($call->connect('tcp://${peer.address}')); } return $n;`),
    high: handler(`for ($n = 0; $n < 1030; ++$n) { $open[] = fopen('/dev/null', 'r'); }
      [$a, $b] = stream_socket_pair(STREAM_PF_UNIX, STREAM_SOCK_STREAM, 0);
      try { $call->read($a, 1, 1000); } catch (FpmGateway\\StreamFailed $e) { return $e->getMessage(); }`),
    sleep: handler('$call->sleep(1); return "alive";'),
  },
  ini: [`openssl.cafile=${certFile}`],
  env: { FPMG_GATEWAY: 'unix:/nowhere.sock' },
  concurrent: { callMemoryBytes: 262_144 },
});

const matches = (output: unknown): unknown =>
  typeof output === 'object' && output !== null && 'pattern' in output
    ? expect.stringMatching(String(output.pattern))
    : output;

test.each(cases.map(({ what, output }, at) => [what, at, output] as const))('%s', async (_, at, output) => {
  expect((await worker.call(`case${at}`)).output).toEqual(matches(output));
});

test('a hundred requests of 200 ms wait at once', async () => {
  const startedMs = performance.now();
  const ids = Array.from({ length: 100 }, () => worker.sendCall('slow', {}));
  for (const id of ids) expect((await worker.answer(id)).output).toBe('slow');
  // One after the other they would take 20 s.
  expect(performance.now() - startedMs).toBeLessThan(10_000);
});

test('TLS is secured without keeping others waiting, and the name of the other side must be its own', async () => {
  expect((await worker.call('secure')).output).toBe('until the end');
  expect((await worker.call('tls')).output).toBe('hidden\n');
  expect((await worker.call('wrong')).output).toMatch(/^GET https:.*did not match expected CN/);
});

test('those that need more sockets than a worker may have wait in line, and are told so when their time is over', async () => {
  const before = peer.sockets.length;
  const all = worker.sendCall('opens', { n: 256, ms: 1500 });
  await until('they are open', () => peer.sockets.length >= before + 256);
  const waiting = worker.sendCall('opens', { n: 1, ms: 0 });
  const { meta } = await worker.call('opens', { n: 1, ms: 0, timeoutMs: 100 });
  expect(meta).toMatchObject({
    outcome: 'exception',
    exception: {
      message: `connect to tcp://${peer.address}: its time was over while it waited in line: the calls of this worker have 256 sockets open, the most there may be, as PHP can wait for descriptors below 1,024 only. Close what is not needed any more, or lower the concurrency of the function.`,
    },
  });
  expect(worker.isAnswered(waiting)).toBe(false);
  expect((await worker.answer(all)).output).toBe(256);
  expect((await worker.answer(waiting)).output).toBe(1);
});

test('a socket that its handler has closed makes room', async () => {
  expect((await worker.call('closes')).output).toBe(600);
});

test('a descriptor that PHP cannot wait for is refused, and the worker lives', async () => {
  expect((await worker.call('high')).output).toMatch(/descriptors of 1,024 and more/);
  expect((await worker.call('sleep')).output).toBe('alive');
});
