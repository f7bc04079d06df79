/** A gigabyte streamed out costs the gateway no more memory than a small answer does. */
import { request } from 'node:http';
import { expect, test, vi } from 'vitest';
import { serve } from '../support/command.ts';
import { writeProject } from '../support/project.ts';
import { streamHandler, streamScript } from '../support/streams.ts';
import { LITTLE_GARBAGE, watchMemory } from './memory.ts';

// A gigabyte takes ten seconds here, and longer on a slower machine.
vi.setConfig({ testTimeout: 180_000 });

const MB = 1_048_576;
const OCTETS = { item: "binary('application/octet-stream')", contract: 'timeoutMs: 170_000' };
const pieces = (mb: string, bytes: number): string =>
  `$piece = str_repeat('x', ${bytes}); for ($n = ${mb} * ${MB / bytes}; $n > 0; --$n)`;

const download = (url: string, name: string, mb: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const headers = { 'content-type': 'application/json' };
    const outgoing = request(`${url}/functions/${name}`, { method: 'POST', headers }, (incoming) => {
      let bytes = 0;
      incoming.on('data', (chunk: Buffer) => {
        bytes += chunk.length;
      });
      incoming.on('end', () => resolve(bytes)).on('error', reject);
    });
    outgoing.on('error', reject).end(JSON.stringify({ mb }));
  });

test.each(['handler', 'script'])('a gigabyte sent by a %s', async (name) => {
  const script = `$mb = json_decode(file_get_contents('php://input'), true)['mb']; header('Content-Type: application/octet-stream');`;
  const cli = await serve(
    'start',
    writeProject({
      ...streamHandler('handler', `${pieces("$input['mb']", 65_536)} { yield $piece; }`, OCTETS),
      ...streamScript('script', `${script} ${pieces('$mb', 8192)} { echo $piece; }`, OCTETS),
    }),
    { env: LITTLE_GARBAGE },
  );
  // The same at a quarter of the size: now code is compiled, and the heap as large as such a load needs it.
  expect(await download(cli.url, name, 256)).toBe(256 * MB);
  const { beforeBytes, mostBytes } = await watchMemory(cli.child.pid, async () => {
    expect(await download(cli.url, name, 1024)).toBe(1024 * MB);
  });
  expect((mostBytes - beforeBytes) / MB).toBeLessThan(32);
});
