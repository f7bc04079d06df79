/** Between Xdebug and the editor: messages in any pieces, paths of a copy and those of the project. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { expect, onTestFinished, test } from 'vitest';
import { Relay } from '../../gateway/debug/relay.ts';
import { freePort } from '../support/free-port.ts';
import { until } from '../support/until.ts';

const PROJECT = '/home/ada/a project';
const COPY = '/run/fpm-gateway/1-2-abc/code-33';

class Peer {
  readonly socket: Socket;
  heard = '';

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      this.heard += chunk.toString('latin1');
    });
    onTestFinished(() => void socket.destroy());
  }

  /** Byte by byte: how it arrives is the network's business. */
  async say(text: string): Promise<void> {
    for (const byte of Buffer.from(text, 'latin1')) {
      this.socket.write(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
}

const packet = (xml: string): string => `${Buffer.byteLength(xml, 'latin1')}\0${xml}\0`;

const listen = async (): Promise<{ server: Server; port: number; accepted: Promise<Peer> }> => {
  const server = createServer();
  onTestFinished(() => void server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const address = server.address();
  const accepted = once(server, 'connection').then(([socket]) => new Peer(socket as Socket));
  return { server, port: typeof address === 'object' && address !== null ? address.port : 0, accepted };
};

const open = async (port: number, told: boolean[]): Promise<Peer> => {
  const onAlone = (alone: boolean): void => void told.push(alone);
  const relay = await Relay.open({ host: '127.0.0.1', port, project: PROJECT, onAlone });
  onTestFinished(() => relay.close());
  return new Peer(connect(relay.port, '127.0.0.1'));
};

/** Xdebug begins, and answers where its code is. */
const begin = async (engine: Peer, code: string): Promise<string> => {
  const init = `<init fileuri="file://${COPY}/project/functions/a.php"></init>`;
  await engine.say(packet(init));
  await until('it is asked', () => engine.heard.endsWith('\0'));
  expect(engine.heard).toMatch(/^eval -i fpm-gateway -- /);
  engine.heard = '';
  const value = Buffer.from(code).toString('base64');
  await engine.say(
    packet(`<response><property type="string" encoding="base64"><![CDATA[${value}]]></property></response>`),
  );
  return init;
};

test('of a copy: both speak of their own files, in whatever pieces it comes', async () => {
  const { port, accepted } = await listen();
  const engine = await open(port, []);
  await begin(engine, `${COPY}/runtime/Call.php`);
  const editor = await accepted;
  const own = 'file:///home/ada/a%20project';
  const init = packet(`<init fileuri="${own}/functions/a.php"></init>`);
  await until('the editor has it', () => editor.heard === init);
  await editor.say(`breakpoint_set -i 1 -t line -f ${own}/functions/a.php -n 3\0run -i 2\0`);
  const commands = `breakpoint_set -i 1 -t line -f file://${COPY}/project/functions/a.php -n 3\0run -i 2\0`;
  await until('Xdebug has them', () => engine.heard === commands);
  editor.heard = '';
  // Neither bytes that are no ASCII nor other paths change.
  const stop = (path: string): string =>
    `<response status="break" filename="${path}">\xe4\xf6 file:///etc/x</response>`;
  await engine.say(packet(stop(`file://${COPY}/project/b.php`)));
  await until('the editor has it, too', () => editor.heard === packet(stop(`${own}/b.php`)));
});

test('of no copy: nothing changes', async () => {
  const { port, accepted } = await listen();
  const engine = await open(port, []);
  const init = await begin(engine, '/srv/app/functions/a.php');
  const editor = await accepted;
  await until('the editor has it', () => editor.heard === packet(init));
});

test('an editor that leaves leaves PHP to run on', async () => {
  const { port, accepted } = await listen();
  const engine = await open(port, []);
  await begin(engine, '/srv/app/functions/a.php');
  const ended = once(engine.socket, 'close');
  (await accepted).socket.destroy();
  await ended;
});

test('that nobody listens is told once, and that somebody does again', async () => {
  const port = await freePort();
  const told: boolean[] = [];
  const onAlone = (alone: boolean): void => void told.push(alone);
  const relay = await Relay.open({ host: '127.0.0.1', port, project: PROJECT, onAlone });
  onTestFinished(() => relay.close());
  for (let n = 0; n < 2; n += 1) {
    const engine = new Peer(connect(relay.port, '127.0.0.1'));
    const ended = once(engine.socket, 'close');
    await begin(engine, '/srv/a.php');
    await ended;
  }
  expect(told).toEqual([true]);
  const server = createServer((socket) => void new Peer(socket));
  onTestFinished(() => void server.close());
  await once(server.listen(port, '127.0.0.1'), 'listening');
  await begin(new Peer(connect(relay.port, '127.0.0.1')), '/srv/a.php');
  await until('it is told', () => told.length === 2);
  expect(told).toEqual([true, false]);
});
