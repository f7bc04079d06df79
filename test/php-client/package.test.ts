/** What other applications install: one folder, whatever PHP from 8.1 on they run it with. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VERSION } from '../../gateway/version.ts';
import { temporaryFolder, thisTest } from '../support/lifetime.ts';
import { CLIENT_FOLDER, php } from '../support/php-client.ts';
import { answerOf, chunk, chunkedHead, type ScriptedRequest, scriptedGateway } from '../support/scripted-gateway.ts';

const files = readdirSync(CLIENT_FOLDER).filter((name) => name.endsWith('.php'));
const read = (name: string): string => readFileSync(join(CLIENT_FOLDER, name), 'utf8');

const ASK = `return told(fn () => $client->invoke('f'));`;

interface Certificate {
  readonly cert: string;
  readonly key: string;
  /** File of the authority that signed it: itself. */
  readonly ca: string;
}

const certificate = async (): Promise<Certificate> => {
  const ca = join(temporaryFolder(), 'ca.pem');
  const make = `$key = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
    $cert = openssl_csr_sign(openssl_csr_new(['commonName' => 'localhost'], $key), null, $key, 30);
    openssl_x509_export($cert, $c); openssl_pkey_export($key, $k); file_put_contents('${ca}', $c); return [$c, $k];`;
  const [cert, key] = (await php('', make)) as [string, string];
  return { cert, key, ca };
};

test('every file is PHP', () => {
  for (const name of files) execFileSync('php', ['-l', join(CLIENT_FOLDER, name)]);
});

test('every file has the class that composer looks for in it, and strict types', () => {
  const { autoload, require, version } = JSON.parse(read('composer.json')) as {
    version: string;
    autoload: { 'psr-4': Record<string, string>; classmap: string[] };
    require: Record<string, string>;
  };
  expect(autoload).toEqual({ 'psr-4': { 'FpmGateway\\Client\\': '' }, classmap: ['Binary.php'] });
  expect(require).toEqual({ php: '>=8.1' });
  expect(version).toBe(VERSION);
  for (const name of files) {
    const namespace = name === 'Binary.php' ? 'FpmGateway' : 'FpmGateway\\Client';
    expect(read(name)).toContain(`declare(strict_types=1);\n\nnamespace ${namespace};\n`);
    expect(read(name)).toMatch(new RegExp(`^(?:final|abstract) class ${name.replace('.php', '')}\\b`, 'm'));
  }
});

test('nothing in it is newer than PHP 8.1', () => {
  const newer: Record<string, RegExp> = {
    'readonly classes': /^(?:final |abstract )*readonly (?:final |abstract )*class/m,
    'true, false and null as types':
      /(?:\): |[(,] ?|(?:public|private|protected|readonly|static) )\??(?:true|null|false)(?: \$|\s*[;{]\s*$)/m,
    'typed constants': /const (?:string|int|float|bool|array) [A-Z]/,
    'newer functions and attributes':
      /#\[\\?Override|\b(?:json_validate|array_(?:find|any|all|find_key|first|last)|mb_trim|str_increment)\(/,
    'new without parentheses, pipes': /\|>|=\s*new [A-Z]\w+\([^()]*\)->/,
  };
  const found = files.flatMap((name) =>
    Object.entries(newer).flatMap(([what, pattern]) => {
      const code = read(name).replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
      return pattern.test(code) ? [`${name}: ${what}: ${pattern.exec(code)?.[0]}`] : [];
    }),
  );
  expect(found).toEqual([]);
});

test('its Binary and the runtime’s are one class, wherever it is found first', () => {
  const runtime = join(CLIENT_FOLDER, '..', 'autoload.php');
  const twice = `
    spl_autoload_register(function ($class) { if ($class === 'FpmGateway\\\\Binary') { require '${CLIENT_FOLDER}/Binary.php'; } }, true, true);
    require '${runtime}';
    echo (new ReflectionClass(FpmGateway\\Binary::class))->getFileName(), "\\n", FpmGateway\\Client\\Client::class, class_exists(FpmGateway\\Client\\Client::class);`;
  expect(execFileSync('php', ['-r', twice], { encoding: 'utf8' })).toBe(
    `${CLIENT_FOLDER}/Binary.php\nFpmGateway\\Client\\Client1`,
  );
});

test('an answer is read the same wherever it is cut', async () => {
  const texts = [
    answerOf({ a: 'é' }),
    chunkedHead() + chunk('{"a":') + chunk('1}') + chunk(''),
    `HTTP/1.1 100 Continue\r\n\r\n${chunkedHead()}${chunk('[]').replace('\r\n', ';x\r\n')}0\r\na: b\r\n\r\n`,
  ];
  const body = `
    $read = function (array $pieces): array {
      $said = ''; $head = null;
      $reader = new FpmGateway\\Client\\AnswerReader(function ($h) use (&$head) { $head = $h; }, function ($bytes) use (&$said) { $said .= $bytes; });
      foreach ($pieces as $piece) { $reader->feed($piece); }
      return [$head?->status, $said, $reader->isDone(), $reader->keepsConnection()];
    };
    $wrong = [];
    foreach (${`[${texts.map((text) => `base64_decode('${Buffer.from(text).toString('base64')}')`).join(', ')}]`} as $text) {
      $whole = $read([$text]);
      for ($a = 0; $a <= strlen($text); $a++) {
        for ($b = $a; $b <= strlen($text); $b++) {
          if ($read([substr($text, 0, $a), substr($text, $a, $b - $a), substr($text, $b)]) !== $whole) { $wrong[] = [$a, $b]; }
        }
      }
      $all[] = $whole;
    }
    return [$all, $wrong];`;
  const whole = (said: string): unknown[] => [200, said, true, true];
  expect(await php('', body)).toEqual([[whole('{"a":"é"}'), whole('{"a":1}'), whole('[]')], []]);
});

test('over TLS it calls whom it can verify, and nobody else', async () => {
  const { cert, key, ca } = await certificate();
  const large = 'x'.repeat(500_000);
  const gateway = await scriptedGateway(({ socket, number }) => void socket.write(answerOf(`${number}${large}`)), {
    tls: { cert, key },
  });
  const trusting = `$calls = [$client->send('f'), $client->send('f')]; return [...array_map(strlen(...), $client->waitAll($calls)), strlen($client->invoke('f'))];`;
  expect(await php(gateway.address, trusting, { options: `tls: ['cafile' => '${ca}']` })).toEqual([
    500_001, 500_001, 500_001,
  ]);
  expect(await php(gateway.address, ASK)).toMatchObject({
    failureCode: 'network-failed',
    executed: 'no',
    detail: expect.stringMatching(/certificate verify failed\. Name the authority .*'cafile'/),
  });
  const elsewhere = gateway.address.replace('localhost', '127.0.0.1');
  expect(await php(elsewhere, ASK, { options: `tls: ['cafile' => '${ca}']` })).toMatchObject({
    failureCode: 'network-failed',
    executed: 'no',
    detail: expect.stringMatching(/CN.*localhost.*127\.0\.0\.1/),
  });
  expect(
    await php(elsewhere, `return strlen($client->invoke('f'));`, {
      options: `tls: ['cafile' => '${ca}', 'peer_name' => 'localhost']`,
    }),
  ).toBe(500_001);
  expect(await php(gateway.address, ASK, { options: "tls: ['cafile' => '/no/such.pem']" })).toMatchObject({
    detail: expect.stringContaining('/no/such.pem'),
  });
});

/** In front of a gateway: connections from the nth on are accepted, and nothing is ever said on them. */
const silentFrom = async (nth: number, port: number, onSilent: () => void): Promise<number> => {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket.on('error', () => {}));
    if (sockets.length >= nth) return onSilent();
    const behind = connect(port, '127.0.0.1').on('error', () => {});
    sockets.push(behind);
    socket.pipe(behind).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  thisTest(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  const bound = server.address();
  return bound !== null && typeof bound === 'object' ? bound.port : 0;
};

test('over TLS, too, a call ends in time while it connects', async () => {
  const port = await silentFrom(1, 0, () => {});
  const body = `return told(fn () => $client->invoke('f', timeoutMs: 50));`;
  // Longer than a test may take.
  const said = await php(`https://localhost:${port}`, body, { options: 'connectTimeoutMs: 600_000' });
  expect(said).toMatchObject({ failureCode: 'client-timeout', executed: 'no' });
  expect(await php(`https://localhost:${port}`, ASK, { options: 'connectTimeoutMs: 50' })).toMatchObject({
    failureCode: 'network-failed',
    executed: 'no',
    detail: expect.stringContaining('connectTimeoutMs, 50 ms'),
  });
});

test('over TLS, too, other calls go on while one connects', async () => {
  const { cert, key, ca } = await certificate();
  const connecting = Promise.withResolvers<void>();
  const answer = ({ socket }: ScriptedRequest): void => void connecting.promise.then(() => socket.write(answerOf(1)));
  const gateway = await scriptedGateway(answer, { tls: { cert, key } });
  const port = await silentFrom(2, Number(new URL(gateway.address).port), connecting.resolve);
  const body = `$client->send('f')->onResult(fn () => throw new LogicException('it is back'));
    return told(fn () => $client->send('f')->requestId);`;
  const said = await php(`https://localhost:${port}`, body, { options: `tls: ['cafile' => '${ca}']` });
  expect(said).toEqual({ mistake: 'it is back' });
});

test('over TLS, too, a child of the process has none of its connections, and ends none', async () => {
  const { cert, key, ca } = await certificate();
  let held: ScriptedRequest | undefined;
  const answer = (request: ScriptedRequest): void => {
    if (request.head.includes('/held')) held = request;
    else request.socket.write(answerOf(1));
    if (request.head.includes('/cancelled')) held?.socket.write(answerOf('held'));
  };
  const gateway = await scriptedGateway(answer, { tls: { cert, key } });
  const body = `$held = $client->send('held'); $client->invoke('f'); $pid = pcntl_fork();
    if ($pid === 0) { $client->invoke(told(fn () => $held->wait())['failureCode']); posix_kill(getmypid(), SIGKILL); }
    pcntl_waitpid($pid, $status); return [told(fn () => $held->wait()), $client->invoke('f')];`;
  expect(await php(gateway.address, body, { options: `tls: ['cafile' => '${ca}']` })).toEqual(['held', 1]);
  expect(gateway.requests.map(({ connection }) => connection)).toEqual([1, 2, 3, 1]);
});

test('of a name with several addresses the next is tried when one refuses', async () => {
  const gateway = await scriptedGateway(({ socket }) => void socket.write(answerOf(1)), { tcp: true });
  // As PHP does where `localhost` is ::1 first, and nobody listens there: asynchronously it takes the first alone.
  const body = `eval('namespace FpmGateway\\Client; function stream_socket_client(string $at, &$number, &$text, $seconds, $flags, $context) {
      $first = str_replace("localhost", "127.0.0.2", $at);
      return \\stream_socket_client($flags & STREAM_CLIENT_ASYNC_CONNECT ? $first : $at, $number, $text, $seconds, $flags, $context); }');
    ${ASK}`;
  expect(
    await php('', `$client = Client::connect('${gateway.address.replace('127.0.0.1', 'localhost')}'); ${body}`),
  ).toBe(1);
});

test('without the openssl extension https:// is refused with the cure', () => {
  const code = `namespace FpmGateway\\Client { function extension_loaded(string $name): bool { return false; }
    require '${CLIENT_FOLDER}/Address.php';
    try { Address::parse('https://example.org'); } catch (\\InvalidArgumentException $e) { echo $e->getMessage(); } }`;
  expect(execFileSync('php', ['-r', code], { encoding: 'utf8' })).toMatch(/openssl.*not loaded: install it/);
});
