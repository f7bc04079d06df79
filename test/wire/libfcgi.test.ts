/** A FastCGI server that is not PHP: Debian's libfcgi, through the whole client. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import { type Address, type CgiResponse, type Connection, collect, encodeParams } from '../../gateway/fastcgi/index.ts';
import { connect } from '../fault/fastcgi-client.ts';
import { freePort } from '../support/free-port.ts';
import { temporaryFolder, wholeFile } from '../support/lifetime.ts';

const LIMITS = { headMaxBytes: 4096, bodyMaxBytes: 4_000_000, stderrMaxBytes: 4096 };
const folder = temporaryFolder(wholeFile());
const program = join(folder, 'echo');

beforeAll(() => {
  const source = join(import.meta.dirname, 'libfcgi-echo.c');
  try {
    execFileSync('gcc', ['-Wall', '-Werror', '-O1', '-o', program, source, '-lfcgi'], {
      encoding: 'utf8',
      stdio: 'pipe',
    });
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    throw new Error(
      `libfcgi-echo.c does not compile. Install gcc and libfcgi: apt-get install gcc libfcgi-dev\n${said}`,
    );
  }
});

const start = async (kind: Address['kind']): Promise<Address> => {
  const port = kind === 'tcp' ? await freePort() : 0;
  const path = join(folder, 'echo.sock');
  const child = spawn(program, [kind === 'tcp' ? `:${port}` : path], { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
    rmSync(path, { force: true });
  });
  const [said] = await Promise.race([once(child.stdout, 'data'), ended]);
  if (String(said) !== 'ready\n') throw new Error(`libfcgi-echo ended: ${said}`);
  expect(kind === 'tcp' || existsSync(path)).toBe(true);
  return kind === 'tcp' ? { kind, host: '127.0.0.1', port } : { kind, path };
};

const call = async (
  connection: Connection,
  params: [string, string][],
  body: Buffer = Buffer.alloc(0),
  keepConnection = true,
): Promise<CgiResponse> => {
  const encodedParams = encodeParams(1, [['REQUEST_METHOD', 'POST']]);
  return await collect(connection, { encodedParams, params, body, ping: false, keepConnection }, LIMITS).response;
};

/** Parameters and body as the peer saw them. */
const echoed = ({ body }: CgiResponse): { params: Record<string, string>; body: Buffer } => {
  const end = body.indexOf('\n\n');
  const lines = body.toString('utf8', 0, end).split('\n');
  const params = lines.map((line): [string, string] => [
    line.slice(0, line.indexOf('=')),
    line.slice(line.indexOf('=') + 1),
  ]);
  return { params: Object.fromEntries(params), body: body.subarray(end + 2) };
};

describe.each(['unix', 'tcp'] as const)('over %s', (kind) => {
  test('parameters of every length reach it', async () => {
    const connection = await connect(await start(kind));
    const lengths = [0, 1, 127, 128, 255, 256, 16_384, 65_000];
    const sent = lengths.map((length): [string, string] => [`LENGTH_${length}`, 'v'.repeat(length)]);
    const response = await call(connection, [...sent, ['UTF8', 'Grüße ✓']]);
    expect(response).toMatchObject({ status: 200, stderr: '' });
    expect(response.headers).toContainEqual(['content-type', 'text/plain']);
    expect(echoed(response).params).toMatchObject({
      ...Object.fromEntries(sent),
      REQUEST_METHOD: 'POST',
      CONTENT_LENGTH: '0',
      UTF8: 'Grüße ✓',
    });
  });

  test('bodies of every size come back, one after another on one connection', async () => {
    const connection = await connect(await start(kind));
    for (const bytes of [0, 1, 65_535, 65_536, 70_000, 1_048_576, 3]) {
      const body = Buffer.alloc(bytes, `${bytes} `);
      expect(echoed(await call(connection, [], body)).body.equals(body)).toBe(true);
    }
  });

  test('STDERR between two pieces of output is told apart', async () => {
    const connection = await connect(await start(kind));
    const response = await call(connection, [['MODE', 'stderr']]);
    expect(response.body.toString()).toBe('before after');
    expect(response).toMatchObject({ stderr: 'a warning', stderrBytes: 9 });
  });

  test('an exit status is no failure of the exchange', async () => {
    const connection = await connect(await start(kind));
    expect((await call(connection, [['MODE', 'exit']])).status).toBe(200);
    expect(connection.usable).toBe(true);
  });

  test('a large answer comes whole', async () => {
    const connection = await connect(await start(kind));
    const { body } = await call(connection, [
      ['MODE', 'large'],
      ['SIZE', '3000000'],
    ]);
    expect(body.equals(Buffer.alloc(3_000_000, 'L'))).toBe(true);
  });

  test('a hundred requests in a row, each with its own answer', async () => {
    const connection = await connect(await start(kind));
    for (let i = 0; i < 100; i += 1) {
      expect(echoed(await call(connection, [['N', String(i)]])).params).toMatchObject({ N: String(i) });
    }
  });

  test('without keep, the connection ends after the answer and the next one is served', async () => {
    const address = await start(kind);
    const connection = await connect(address);
    expect(echoed(await call(connection, [['N', '1']], undefined, false)).params).toMatchObject({ N: '1' });
    await connection.closed;
    expect(echoed(await call(await connect(address), [['N', '2']])).params).toMatchObject({ N: '2' });
  });

  test('a ping in front of each request is answered before it', async () => {
    const connection = await connect(await start(kind));
    for (let i = 0; i < 3; i += 1) {
      const request = { params: [['N', String(i)]] as const, body: Buffer.alloc(0), ping: true, keepConnection: true };
      const { exchange, response } = collect(connection, request, LIMITS);
      expect(echoed(await response).params).toMatchObject({ N: String(i) });
      expect(exchange.progress).toMatchObject({ ping: 'answered', ended: true });
    }
  });

  test('a ping alone is answered too, though only when the next record comes: libfcgi reads ahead', async () => {
    const connection = await connect(await start(kind));
    const values = connection.ping();
    const response = await call(connection, [['N', '1']]);
    // libfcgi answers the names it was asked for: none.
    expect(await values).toEqual([]);
    expect(echoed(response).params).toMatchObject({ N: '1' });
  });

  test('a process that dies in its output has run the request', async () => {
    const connection = await connect(await start(kind));
    const error = await call(connection, [['MODE', 'die']]).catch((thrown: unknown) => thrown);
    expect(isGatewayError(error)).toBe(true);
    expect(error).toMatchObject({ code: 'worker-crashed', executed: 'yes' });
  });
});
