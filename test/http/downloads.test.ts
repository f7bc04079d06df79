/** Large bytes over sockets: memory is used again for the next answer, and every reader gets the bytes of his own. */
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { beforeAll, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { callUrl } from '../support/call.ts';
import { startTestServer } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { rawPost } from '../support/raw-http.ts';
import { streamContract, streamHandler } from '../support/streams.ts';

const BYTES = { item: "binary('application/octet-stream')" };
/** Bytes of which no two answers have the same. */
const OWN = `
  [$name, $length] = $input;
  $bytes = substr(str_repeat(hash('sha256', $name, true), intdiv($length, 32) + 1), 0, $length);`;

const file = wholeFile();
let server: Server;

beforeAll(async () => {
  const project = functionsProject(
    {
      ...streamHandler('pieces', `${OWN} foreach (str_split($bytes, $input[2]) as $piece) { yield $piece; }`, BYTES),
      whole: `${OWN} return new \\FpmGateway\\Binary($bytes);`,
      'schemas/whole.ts': streamContract("binary('application/octet-stream')"),
    },
    file,
  );
  server = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '4' } }, file);
});

const expected = (name: string, length: number): Buffer =>
  Buffer.alloc(length, createHash('sha256').update(name).digest());

/** Lengths around records of 65,528 bytes, parts of 256 KB and blocks. */
const LENGTHS = [1, 65_527, 65_528, 65_529, 65_536, 131_056, 262_144, 1_048_576, 1_500_001, 3_000_000, 5_000_000];

test.each(['pieces', 'whole'])(
  '%s: many at a time, while others leave in the middle, are all their own',
  async (fn) => {
    const { port, hostname } = new URL(server.url);
    const leave = (name: string): void => {
      const socket = connect(Number(port), hostname);
      socket.on('error', () => {}).once('data', () => socket.destroy());
      socket.write(rawPost(`/functions/${fn}`, JSON.stringify([name, 3_000_000, 65_536])));
    };
    const call = async (name: string, length: number, size: number): Promise<void> => {
      const answer = await callUrl(server.url, fn, [name, length, size]);
      expect(answer.status).toBe(200);
      const bytes = Buffer.from(await answer.arrayBuffer());
      expect(bytes.equals(expected(name, length))).toBe(true);
    };
    for (let round = 0; round < 4; round += 1) {
      leave(`left ${round}`);
      await Promise.all(
        LENGTHS.map((length, at) =>
          call(`${round}.${at}`, length, [65_536, 8192, 65_528, 200_000, 3_000_000][(round + at) % 5] ?? 1),
        ),
      );
    }
  },
);
