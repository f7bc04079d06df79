/** The answers of one tick to one connection, written together. One scratch buffer for all connections of a listener. */
import type { Socket } from 'node:net';
import { LENGTH_BYTES, NUMBER_BYTES, type Status } from './protocol.ts';
import type { Value } from './value.ts';

const SCRATCH_BYTES = 65_536;
const HEAD_BYTES = LENGTH_BYTES + NUMBER_BYTES + 1;

export class Answers {
  #scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  #used = 0;

  /** With what the status brings along: small values and texts as strings of one byte per character. */
  add(socket: Socket, number: Buffer, at: number, status: Status, payload: Value): void {
    const isSmall = typeof payload === 'string';
    if (this.#used + HEAD_BYTES + (isSmall ? payload.length : 0) > SCRATCH_BYTES) this.flush(socket);
    const scratch = this.#scratch;
    let to = this.#used;
    scratch.writeUInt32LE(NUMBER_BYTES + 1 + payload.length, to);
    to += LENGTH_BYTES;
    for (let byte = 0; byte < NUMBER_BYTES; byte += 1) scratch[to + byte] = number[at + byte] ?? 0;
    to += NUMBER_BYTES;
    scratch[to] = status;
    to += 1;
    if (isSmall) {
      if (payload !== '') to += scratch.write(payload, to, 'latin1');
      this.#used = to;
      return;
    }
    this.#used = to;
    socket.cork();
    this.flush(socket);
    socket.write(payload);
    socket.uncork();
  }

  flush(socket: Socket): void {
    if (this.#used === 0) return;
    const bytes = this.#scratch.subarray(0, this.#used);
    this.#used = 0;
    socket.write(bytes);
    // The system did not take all of it at once: it is still to be read from here.
    if (socket.writableLength > 0) this.#scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES);
  }
}
