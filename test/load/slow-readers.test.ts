/** Two hundred readers that hardly read, at once: each costs a bounded amount, PHP waits, and others are served. */
import { readdirSync, readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { callUrl } from '../support/call.ts';
import { serve } from '../support/command.ts';
import { openFolder } from '../support/lifetime.ts';
import { anyContract, handler, writeProject } from '../support/project.ts';
import { rawPost } from '../support/raw-http.ts';
import { streamHandler } from '../support/streams.ts';
import { until } from '../support/until.ts';
import { LITTLE_GARBAGE, watchMemory } from './memory.ts';

// Two hundred workers take ten seconds here, and longer on a slower machine.
vi.setConfig({ testTimeout: 180_000 });
const LONG_MS = 120_000;

const READERS = 200;
const PIECE_BYTES = 8192;
const PER_READER_BYTES = 1024 * 1024;
/** Windows of the gateway and buffers of four sockets; a reader that reads all gets gigabytes in that time. */
const WRITTEN_MAX_BYTES = 8 * 1_048_576;

interface Pools {
  readonly pools: readonly { readonly backends: readonly { readonly taken: number }[] }[];
}

/** Counts the pieces it has written in a file of its own. */
const FLOOD = `
  $count = fopen($input . '/' . getmypid(), 'w');
  for ($n = 1; ; ++$n) { yield str_repeat('x', ${PIECE_BYTES}); fseek($count, 0); fwrite($count, (string) $n); }`;

/** One that reads nothing, or a kilobyte now and then. */
const slowReader = (url: string, folder: string, reads: boolean): Socket => {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  socket.on('error', () => {}).pause();
  socket.write(rawPost('/functions/flood', JSON.stringify(folder)));
  if (reads) {
    const timer = setInterval(() => socket.read(1024), 50);
    socket.once('close', () => clearInterval(timer));
  }
  onTestFinished(() => void socket.destroy());
  return socket;
};

test('two hundred slow readers', async () => {
  const [folder, warmFolder] = [openFolder(), openFolder()];
  const project = writeProject({
    'functions/pid.php': handler('return getmypid();'),
    'schemas/pid.ts': anyContract("pool: 'other'"),
    ...streamHandler('flood', FLOOD, { item: "binary('application/octet-stream')", contract: 'timeoutMs: 170_000' }),
    'deploy/gateway.config.ts': `export default { pools: {
      default: { workers: ${READERS}, pm: 'ondemand', connectTimeoutMs: 60_000 }, other: { workers: 1 } } };`,
  });
  const env = { ...LITTLE_GARBAGE, FPMG_POOLS__DEFAULT__WORKERS: undefined, FPMG_HTTP__IDLE_WRITE_TIMEOUT_MS: '8000' };
  const cli = await serve('start', project, { env });
  const writtenBytes = (): number[] =>
    readdirSync(folder).map((name) => PIECE_BYTES * Number(readFileSync(join(folder, name), 'utf8')));
  const taken = async (): Promise<number> => {
    const { pools } = (await (await fetch(`${cli.adminUrl}/admin/pools`)).json()) as Pools;
    return pools[0]?.backends[0]?.taken ?? 0;
  };

  // A few that read all there is, for a while: now code is compiled, and the heap as large as it gets.
  const warm = Array.from({ length: 4 }, () => slowReader(cli.url, warmFolder, false).resume());
  await until('they have read much', () => warm.every(({ bytesRead }) => bytesRead > 32_000_000), LONG_MS);
  for (const socket of warm) socket.destroy();
  await until('their workers are free', async () => (await taken()) === 0, LONG_MS);

  const { beforeBytes, mostBytes } = await watchMemory(cli.child.pid, async () => {
    for (let at = 0; at < READERS; at += 1) slowReader(cli.url, folder, at % 2 === 0);
    await until('all of them are being served', () => readdirSync(folder).length >= READERS, LONG_MS);
    expect((await callUrl(cli.url, 'pid', null)).status).toBe(200);
    let sum = -1;
    await until(
      'PHP waits for them',
      async () => {
        const last = sum;
        sum = writtenBytes().reduce((total, bytes) => total + bytes, 0);
        await new Promise((resolve) => setTimeout(resolve, 50));
        return sum === last;
      },
      LONG_MS,
    );
  });
  expect((mostBytes - beforeBytes) / READERS).toBeLessThan(PER_READER_BYTES);
  const cutOff = (): number => cli.events().filter(({ code }) => code === 'slow-reader').length;
  await until('all of them are cut off', async () => cutOff() === READERS && (await taken()) === 0, LONG_MS);
  expect(Math.max(...writtenBytes())).toBeLessThan(WRITTEN_MAX_BYTES);
});
