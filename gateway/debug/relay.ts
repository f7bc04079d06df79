/**
 * Between Xdebug and the editor. PHP may run a copy of the project whose folder has another name at every start: here its
 * paths become those of the project, and back, so that breakpoints need no mapping. And that nobody listens is told once,
 * not by PHP in every call.
 *
 * DBGp: Xdebug sends `<bytes>\0<XML>\0`, the editor `<command> -i <id> …\0`.
 */
import { createServer, type Server, type Socket, connect as tcpConnect } from 'node:net';
import { pathToFileURL } from 'node:url';
import { copyOf } from './copies.ts';

export interface RelayOptions {
  /** Where the editor listens. */
  readonly host: string;
  readonly port: number;
  /** The project's folder. */
  readonly project: string;
  /** Nobody listens there; false: somebody does again. */
  readonly onAlone: (alone: boolean) => void;
}

/** What the relay asks before the editor does: where the code of this call is. */
const ASKED = 'fpm-gateway';
const CODE_PATH =
  "getenv('FPMG_HANDLER') ?: getenv('FPMG_SCRIPT') ?: (new ReflectionClass('FpmGateway\\\\Call'))->getFileName()";
const QUESTION = `eval -i ${ASKED} -- ${Buffer.from(CODE_PATH).toString('base64')}\0`;
const CONNECT_TIMEOUT_MS = 5000;

/** Whole messages out of what arrives. `latin1`, so that each byte stays as it is. */
class Messages {
  #text = '';

  /** Those of the editor end with NUL. */
  commands(chunk: Buffer): string[] {
    const parts = (this.#text + chunk.toString('latin1')).split('\0');
    this.#text = parts.pop() ?? '';
    return parts;
  }

  /** Those of Xdebug have their length in front. */
  packets(chunk: Buffer): string[] {
    const parts = this.commands(chunk);
    // A length alone waits for what it is the length of.
    if (parts.length % 2 === 1) this.#text = `${parts.pop()}\0${this.#text}`;
    return parts.filter((_, at) => at % 2 === 1);
  }
}

const packet = (xml: string): string => `${xml.length}\0${xml}\0`;

export class Relay {
  readonly port: number;
  readonly #server: Server;
  readonly #sockets: Set<Socket>;

  static async open(options: RelayOptions): Promise<Relay> {
    const sockets = new Set<Socket>();
    let wasAlone = false;
    const onAlone = (alone: boolean): void => {
      if (alone !== wasAlone) options.onAlone(alone);
      wasAlone = alone;
    };
    const server = createServer((engine) => new Session(engine, { ...options, onAlone }, sockets));
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(0, '127.0.0.1', resolve);
    });
    return new Relay(server, sockets);
  }

  private constructor(server: Server, sockets: Set<Socket>) {
    const address = server.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
    this.#server = server;
    this.#sockets = sockets;
  }

  /** PHP that waits in a breakpoint goes on without. */
  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

class Session {
  readonly #engine: Socket;
  readonly #options: RelayOptions;
  readonly #fromEngine = new Messages();
  readonly #fromEditor = new Messages();
  readonly #sockets: Set<Socket>;
  #editor: Socket | undefined;
  #init = '';
  /** The copy's URL and the project's. */
  #paths: { readonly copy: string; readonly own: string } | undefined;

  constructor(engine: Socket, options: RelayOptions, sockets: Set<Socket>) {
    this.#engine = engine;
    this.#options = options;
    this.#sockets = sockets;
    this.#hold(engine);
    engine.on('data', (chunk) => {
      for (const xml of this.#fromEngine.packets(chunk)) this.#hear(xml);
    });
    engine.on('close', () => this.#editor?.end());
  }

  #hear(xml: string): void {
    if (this.#editor !== undefined) {
      this.#editor.write(packet(this.#rewrite(xml, 'to own')), 'latin1');
    } else if (this.#init === '') {
      this.#init = xml;
      this.#engine.write(QUESTION);
    } else {
      this.#learn(xml);
      this.#connect();
    }
  }

  #learn(xml: string): void {
    const value = /<property[^>]*encoding="base64"[^>]*><!\[CDATA\[([^\]]*)\]\]>/.exec(xml)?.[1] ?? '';
    const copy = copyOf(Buffer.from(value, 'base64').toString());
    if (copy !== undefined)
      this.#paths = { copy: pathToFileURL(copy).href, own: pathToFileURL(this.#options.project).href };
  }

  #connect(): void {
    const { host, port, onAlone } = this.#options;
    const editor = tcpConnect({ host, port });
    this.#editor = editor;
    this.#hold(editor);
    // A machine that does not answer at all would hold each call for minutes.
    editor.setTimeout(CONNECT_TIMEOUT_MS, () => editor.destroy(new Error('no answer')));
    let connected = false;
    editor.on('connect', () => {
      connected = true;
      editor.setTimeout(0);
      onAlone(false);
    });
    editor.on('data', (chunk) => {
      for (const command of this.#fromEditor.commands(chunk))
        this.#engine.write(`${this.#rewrite(command, 'to copy')}\0`, 'latin1');
    });
    editor.on('close', () => {
      if (!connected) onAlone(true);
      this.#engine.end();
    });
    editor.write(packet(this.#rewrite(this.#init, 'to own')), 'latin1');
  }

  #rewrite(text: string, way: 'to own' | 'to copy'): string {
    if (this.#paths === undefined) return text;
    const { copy, own } = this.#paths;
    return way === 'to own' ? text.replaceAll(copy, own) : text.replaceAll(own, copy);
  }

  #hold(socket: Socket): void {
    this.#sockets.add(socket);
    // What matters is that it closes.
    socket.on('error', () => {});
    socket.on('close', () => this.#sockets.delete(socket));
  }
}
