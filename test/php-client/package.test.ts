/** What other applications install: one folder, whatever PHP from 8.1 on they run it with. */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VERSION } from '../../gateway/version.ts';
import { CLIENT_FOLDER, php } from '../support/php-client.ts';
import { answerOf, chunk, chunkedHead, scriptedGateway } from '../support/scripted-gateway.ts';

const files = readdirSync(CLIENT_FOLDER).filter((name) => name.endsWith('.php'));
const read = (name: string): string => readFileSync(join(CLIENT_FOLDER, name), 'utf8');

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
  const make = `$key = openssl_pkey_new(['private_key_type' => OPENSSL_KEYTYPE_EC, 'curve_name' => 'prime256v1']);
    $cert = openssl_csr_sign(openssl_csr_new(['commonName' => 'localhost'], $key), null, $key, 30);
    openssl_x509_export($cert, $c); openssl_pkey_export($key, $k); $file = tempnam(sys_get_temp_dir(), 'fpmg'); file_put_contents($file, $c); return [$c, $k, $file];`;
  const [cert, key, ca] = (await php('', make)) as [string, string, string];
  const large = 'x'.repeat(500_000);
  const gateway = await scriptedGateway(({ socket, number }) => void socket.write(answerOf(`${number}${large}`)), {
    tls: { cert, key },
  });
  const trusting = `$calls = [$client->send('f'), $client->send('f')]; return [...array_map(strlen(...), $client->waitAll($calls)), strlen($client->invoke('f'))];`;
  expect(await php(gateway.address, trusting, { options: `tls: ['cafile' => '${ca}']` })).toEqual([
    500_001, 500_001, 500_001,
  ]);
  const told = `$said = told(fn () => $client->invoke('f')); unlink('${ca}'); return $said;`;
  expect(await php(gateway.address, told)).toMatchObject({ failureCode: 'network-failed', executed: 'no' });
});

test('without the openssl extension https:// is refused with the cure', () => {
  const code = `namespace FpmGateway\\Client { function extension_loaded(string $name): bool { return false; }
    require '${CLIENT_FOLDER}/Address.php';
    try { Address::parse('https://example.org'); } catch (\\InvalidArgumentException $e) { echo $e->getMessage(); } }`;
  expect(execFileSync('php', ['-r', code], { encoding: 'utf8' })).toMatch(/openssl.*not loaded: install it/);
});
