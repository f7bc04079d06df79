/** One kept-alive connection that sends one call at a time, and reads no more of an answer than it must. */
import { connect, type Socket } from 'node:net';

export interface Answer {
  readonly status: number;
  readonly body: string;
}

const HEAD_END = '\r\n\r\n';

export class KeptConnection {
  readonly #socket: Socket;
  #text = '';
  #settle: ((answer: Answer | undefined) => void) | undefined;
  isOver = false;

  constructor(port: number, from: string) {
    this.#socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true });
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text: string) => this.#take(text));
    this.#socket.on('error', () => this.#end());
    this.#socket.on('close', () => this.#end());
  }

  /** Undefined: the connection ended before the answer was complete. */
  call(path: string, body: string, headers: string): Promise<Answer | undefined> {
    this.#socket.write(
      `POST ${path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n${headers}\r\n${body}`,
    );
    return new Promise((resolve) => (this.#settle = resolve));
  }

  leave(): void {
    this.#socket.destroy();
    this.#end();
  }

  #end(): void {
    this.isOver = true;
    this.#give(undefined);
  }

  #give(answer: Answer | undefined): void {
    const settle = this.#settle;
    this.#settle = undefined;
    settle?.(answer);
  }

  #take(text: string): void {
    this.#text += text;
    const headEnd = this.#text.indexOf(HEAD_END);
    if (headEnd === -1) return;
    const head = this.#text.slice(0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    const bodyAt = headEnd + HEAD_END.length;
    if (this.#text.length < bodyAt + length) return;
    const body = this.#text.slice(bodyAt, bodyAt + length);
    this.#text = '';
    if (/\r\nconnection: close/i.test(head)) this.isOver = true;
    this.#give({ status: Number(head.slice(9, 12)), body });
  }
}
