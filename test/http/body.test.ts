/** Bodies whose sender goes away. */
import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { receive } from '../../gateway/http/body.ts';

test('a caller that leaves after its last byte, while we still write what came before, is gone at once', async () => {
  const arrived = Promise.withResolvers<IncomingMessage>();
  const server = createServer((incoming) => arrived.resolve(incoming));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  const socket = connect(port, '127.0.0.1');
  const body = 'x'.repeat(120_000);
  socket.write(`POST / HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  const incoming = await arrived.promise;
  const taken = Promise.withResolvers<void>();
  const received = receive(incoming, {
    timeoutMs: 600_000,
    take: () => {
      // A disk that does not come to an end.
      taken.resolve();
      return new Promise<void>(() => {});
    },
  });
  await taken.promise;
  socket.resetAndDestroy();
  await expect(received).rejects.toMatchObject({ code: 'client-closed' });
});
