/** What comes back from PHP is broken, hostile, too large or wrong. */
import assert from 'node:assert/strict';
import type net from 'node:net';
import { passForWorker } from '../../support/backends.ts';
import { answerPing, FakePeer, readPing, readRequest, type Step, send, stall } from '../../support/fake-fastcgi.ts';
import { kill } from '../../support/php-processes.ts';
import { endRequest, record, stderr, stdout, Type } from '../../wire/codec.ts';
import { attached } from '../attached.ts';
import { send as call } from '../http.ts';
import type { World } from '../world.ts';
import { PLAIN, type Row } from './row.ts';

const away = attached({ FPMG_BREAKER__ERROR_RATE: '0' }, []);

/** A worker that answers its first call with this, then waits. */
const telling =
  (...steps: readonly Step[]) =>
  (socket: net.Socket): void => {
    socket.pause();
    const peer = new FakePeer(socket);
    const play = async (): Promise<void> => {
      for (const step of [passForWorker, readPing, answerPing, readRequest, ...steps, stall]) await step(peer);
    };
    play().catch(() => socket.destroy());
  };

const bytes = (...chunks: readonly Buffer[]): Step => send(...chunks);
const end: Step = (peer) => void peer.socket.end();

interface Hostile {
  readonly name: string;
  readonly step: readonly Step[];
  readonly code?: string;
}

const head = (text: string): Buffer => stdout(text);

const BAD_HEADS: readonly Hostile[] = [
  { name: 'no blank line', step: [bytes(head('A: b\r\nno blank line'), endRequest())] },
  { name: 'a name with a space', step: [bytes(head('A b: c\r\n\r\nx'), endRequest())] },
  { name: 'a CR in a value', step: [bytes(head('A: b\rc\r\n\r\nx'), endRequest())] },
  { name: 'more than 64 KB', step: [bytes(head('A: '), head('a'.repeat(60_000)), head('a'.repeat(10_000)))] },
  { name: 'Status: 999', step: [bytes(head('Status: 999\r\n\r\nx'), endRequest())] },
];

const CRASHED = 'worker-crashed';
const BAD_RECORDS: readonly Hostile[] = [
  { name: 'end of input within a record', step: [bytes(stdout('\r\nhello').subarray(0, 10)), end], code: CRASHED },
  { name: 'end without END_REQUEST', step: [bytes(stdout('\r\nhello')), end], code: CRASHED },
  { name: 'an unknown type', step: [bytes(record(42, 'x'))] },
  { name: 'a wrong request id', step: [bytes(stdout('\r\nx', { id: 7 }), endRequest(0, { id: 7 }))] },
  { name: 'a wrong version', step: [bytes(stdout('\r\nx', { version: 9 }))] },
  { name: 'END_REQUEST of 3 bytes', step: [bytes(record(Type.END, 'abc'))] },
];

const each = async (world: World, cases: readonly Hostile[]): Promise<void> => {
  for (const { name, step, code = 'bad-function-response' } of cases) {
    away.proxy.always({ play: telling(...step) });
    away.proxy.resetAll();
    try {
      const answer = await world.call('away', { n: 1 });
      assert.equal(answer.code, code, `${name}: ${answer.text}`);
      await world.expect(answer, { status: 502, code, executed: ['yes', 'unknown'] });
    } finally {
      away.proxy.heal();
      away.proxy.resetAll();
    }
  }
  await world.recovers(['pool-unavailable', 'worker-crashed'], 'away');
};

export const answerRows: readonly Row[] = [
  {
    number: 19,
    fault: '1 GB of output',
    expected: '502 response-too-large, yes; memory bounded',
    world: PLAIN,
    run: async (world) => {
      const before = world.gateway.rssBytes;
      const answer = await world.call('gigabyte');
      world.notes.push(`${Math.round((world.gateway.rssBytes - before) / 1_048_576)} MB more memory`);
      await world.expect(answer, { status: 502, code: 'response-too-large', executed: 'yes', deadlineMs: 60_000 });
    },
  },
  {
    number: 21,
    fault: 'Invalid CGI headers',
    expected: '502 bad-function-response; nothing is copied through',
    world: away.spec,
    run: (world) => each(world, BAD_HEADS),
  },
  {
    number: 22,
    fault: 'Broken FastCGI: cut records, wrong ids, types and lengths',
    expected: '502 bad-function-response, or worker-crashed where it only ends',
    world: away.spec,
    run: async (world) => {
      await each(world, BAD_RECORDS);
      // Two ends: the first answers, the second must not answer the next call.
      const twice = telling(bytes(stderr('x'), stdout('\r\nx'), endRequest(), endRequest()));
      away.proxy.always({ play: twice });
      away.proxy.resetAll();
      assert.equal((await world.call('away', { n: 1 })).status, 502);
      away.proxy.heal();
      away.proxy.resetAll();
      await world.recovers(['pool-unavailable', 'worker-crashed'], 'away');
    },
  },
  {
    number: 23,
    fault: 'Worker killed behind the first item of a stream',
    expected: 'NDJSON ends with an error, SSE with an error event',
    world: PLAIN,
    run: async (world) => {
      for (const accept of ['application/x-ndjson', 'text/event-stream']) {
        const held = world.held();
        const answer = call(`${world.gateway.url}/functions/counting`, held.file, { headers: { accept } });
        kill(await held.started(), 'SIGKILL');
        const { status, text, headers } = await answer;
        assert.equal(status, 200);
        assert.equal(
          text.split('worker-crashed').length > 1,
          true,
          `${accept} ends with its error: ${text.slice(-300)}`,
        );
        assert.match(headers['content-type'] ?? '', new RegExp(accept));
      }
    },
  },
  {
    number: 24,
    fault: 'The result breaks its contract',
    expected: '502 invalid-function-output, yes; the result is not shown',
    world: PLAIN,
    run: async (world) => {
      const answer = await world.call('wrong');
      await world.expect(answer, { status: 502, code: 'invalid-function-output', executed: 'yes' });
      assert.ok(!answer.text.includes('SECRET'));
    },
  },
  {
    number: 25,
    fault: 'Hostile response headers',
    expected: '200; our own framing, whatever the script says of it',
    world: PLAIN,
    run: async (world) => {
      const { status, text, headers } = await world.call('headers');
      assert.deepEqual([status, text], [200, 'y'.repeat(20)]);
      assert.equal(headers.connection, 'close', 'as the caller asked');
      assert.equal(headers['transfer-encoding'], undefined);
      assert.equal(headers['content-length'], '20');
    },
  },
];
