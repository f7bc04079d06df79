/** Server-Sent Events as the gateway writes them, and lines: text in pieces becomes whole records. Pure. */

export interface ServerEvent {
  readonly event: string;
  readonly data: string;
}

/** Whole lines of a text that comes in pieces. The rest is joined once for each line, not for each piece. */
export class LineSplitter {
  readonly #utf8 = new TextDecoder();
  #rest: string[] = [];

  push(bytes: Uint8Array): string[] {
    return this.#split(this.#utf8.decode(bytes, { stream: true }));
  }

  /** What no line end followed. */
  end(): string {
    return this.#rest.join('') + this.#utf8.decode();
  }

  #split(text: string): string[] {
    const lines = text.split('\n');
    const last = lines.pop() ?? '';
    const [first] = lines;
    if (first !== undefined) {
      lines[0] = this.#rest.join('') + first;
      this.#rest = [];
    }
    if (last !== '') this.#rest.push(last);
    return lines;
  }
}

/** The gateway writes `event: name`, one line `data: json` and an empty line; comments keep the connection alive. */
export class EventParser {
  readonly #lines = new LineSplitter();
  #event = 'message';
  #data: string | undefined;

  *push(bytes: Uint8Array): Generator<ServerEvent, void> {
    for (const line of this.#lines.push(bytes)) {
      if (line.startsWith('data: ')) this.#data = line.slice('data: '.length);
      else if (line.startsWith('event: ')) this.#event = line.slice('event: '.length);
      else if (line === '') {
        if (this.#data !== undefined) yield { event: this.#event, data: this.#data };
        this.#event = 'message';
        this.#data = undefined;
      }
    }
  }
}
