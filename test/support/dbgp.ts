/** An editor as Xdebug sees one: listens for DBGp sessions, sets breakpoints, is stopped in them until told to go on. */
import { createServer, type Socket } from 'node:net';
import { pathToFileURL } from 'node:url';
import { type Lifetime, thisTest } from './lifetime.ts';
import { until } from './until.ts';

export interface Breakpoint {
  readonly file: string;
  readonly line: number;
}

/** PHP stands still here. */
export interface Stop extends Breakpoint {
  /** The value of an expression, as PHP prints it in its answer. */
  evaluate(expression: string): Promise<string>;
  goOn(): void;
  /** The red button: PHP ends here. */
  end(): void;
}

interface Response {
  readonly id: string;
  readonly xml: string;
}

const attribute = (xml: string, name: string): string => new RegExp(` ${name}="([^"]*)"`).exec(xml)?.[1] ?? '';

class Session {
  readonly #socket: Socket;
  readonly #editor: Editor;
  readonly #waiting = new Map<string, (xml: string) => void>();
  #bytes = Buffer.alloc(0);
  #commands = 0;

  constructor(socket: Socket, editor: Editor) {
    this.#socket = socket;
    this.#editor = editor;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      this.#bytes = Buffer.concat([this.#bytes, chunk]);
      for (let xml = this.#next(); xml !== undefined; xml = this.#next()) this.#hear(xml);
    });
    socket.on('close', () => {
      editor.ended += 1;
    });
  }

  #next(): string | undefined {
    const at = this.#bytes.indexOf(0);
    if (at === -1) return undefined;
    const end = at + 1 + Number(this.#bytes.subarray(0, at).toString());
    if (this.#bytes.length <= end) return undefined;
    const xml = this.#bytes.subarray(at + 1, end).toString();
    this.#bytes = this.#bytes.subarray(end + 1);
    return xml;
  }

  #hear(xml: string): void {
    if (xml.includes('<init')) {
      this.#editor.begun += 1;
      void this.#begin();
      return;
    }
    const response: Response = { id: attribute(xml, 'transaction_id'), xml };
    this.#waiting.get(response.id)?.(xml);
    this.#waiting.delete(response.id);
  }

  async #begin(): Promise<void> {
    for (const { file, line } of this.#editor.breakpoints)
      await this.#send(`breakpoint_set -t line -f ${pathToFileURL(file).href} -n ${line}`);
    await this.#run();
  }

  async #run(): Promise<void> {
    const xml = await this.#send('run');
    if (attribute(xml, 'status') === 'stopping') {
      await this.#send('stop');
      return;
    }
    const url = attribute(xml, 'filename');
    this.#editor.stops.push({
      file: decodeURI(new URL(url).pathname),
      line: Number(attribute(xml, 'lineno')),
      evaluate: async (expression) => {
        const answer = await this.#send('eval', expression);
        const text = /<!\[CDATA\[(.*?)\]\]>/s.exec(answer)?.[1] ?? '';
        return answer.includes('encoding="base64"') ? Buffer.from(text, 'base64').toString() : text;
      },
      goOn: () => void this.#run(),
      // As editors do: else Xdebug would ask at the request's end what is to be done next.
      end: () => void this.#send('stop').then(() => this.#socket.end()),
    });
  }

  #send(command: string, data?: string): Promise<string> {
    this.#commands += 1;
    const id = String(this.#commands);
    const more = data === undefined ? '' : ` -- ${Buffer.from(data).toString('base64')}`;
    this.#socket.write(`${command} -i ${id}${more}\0`);
    return new Promise((resolve) => this.#waiting.set(id, resolve));
  }
}

export class Editor {
  readonly breakpoints: Breakpoint[] = [];
  /** In the order in which PHP came to them. */
  readonly stops: Stop[] = [];
  /** Sessions. */
  begun = 0;
  ended = 0;
  port = 0;

  static async listen(lifetime: Lifetime = thisTest): Promise<Editor> {
    const editor = new Editor();
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      new Session(socket, editor);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const address = server.address();
    editor.port = typeof address === 'object' && address !== null ? address.port : 0;
    lifetime(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return editor;
  }

  /** The nth stop, counted from 1. */
  async stop(nth: number): Promise<Stop> {
    await until(`PHP stops for the ${nth}. time`, () => this.stops.length >= nth);
    const stop = this.stops[nth - 1];
    if (stop === undefined) throw new Error('There is no such stop.');
    return stop;
  }
}
