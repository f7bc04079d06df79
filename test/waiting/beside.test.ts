/** Calls of functions on their way while the same handler waits for something else. */
import { expect, test } from 'vitest';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';
import { answers } from './answers.ts';
import { handler } from './handlers.ts';
import { startPeer } from './peer.ts';

const file = wholeFile();
const peer = await startPeer(file);

const { worker } = await startWorker({
  lifetime: file,
  handlers: {
    fetches: handler(`$own = $call->send('inner');
      return [$call->fetch('http://${peer.address}/never', timeoutMs: 5000)->body, $own->wait()];`),
    connects: handler(`$own = $call->send('inner');
      $client = FpmGateway\\Client\\Client::connect('http://${peer.address}', timeoutMs: 5000);
      return [$client->invoke('never'), $own->wait()];`),
    quick: handler('return "at once";'),
  },
  env: { FPMG_GATEWAY: 'unix:/nowhere.sock' },
  concurrent: { callMemoryBytes: 262_144 },
});

const OTHERS =
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nFpm-Gateway-Protocol: 1\r\nContent-Length: 7\r\n\r\n"there"';

test.each([
  ['fetches', '"there"'],
  ['connects', 'there'],
])('an answer that comes while its handler %s elsewhere keeps no other call waiting', async (name, there) => {
  const asked = peer.sockets.length;
  const id = worker.sendCall(name, {});
  const call = await worker.nested();
  await until('the server is asked', () => (peer.sockets[asked]?.bytesRead ?? 0) > 0);
  answers(worker)(call, 'inner');
  expect((await worker.call('quick')).output).toBe('at once');
  expect(worker.isAnswered(id)).toBe(false);
  peer.sockets[asked]?.end(OTHERS);
  const { output, meta } = await worker.answer(id);
  expect(output).toEqual([there, 'inner']);
  expect(Number(meta.suspensions)).toBeLessThan(10);
});
