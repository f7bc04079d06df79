import type { NestedCall, ResidentWorker } from '../support/resident-worker.ts';

/** Answers nested calls as the gateway does. */
export const answers =
  (worker: ResidentWorker) =>
  (call: NestedCall, body: unknown, status = 200, headers: Readonly<Record<string, string>> = {}): void => {
    const type = status < 400 ? 'application/json' : 'application/problem+json';
    const head = { 'content-type': type, 'fpm-gateway-protocol': '1', 'trace-id': 'abc', ...headers };
    const bytes = Buffer.from(`${JSON.stringify({ status, headers: head })}\n${JSON.stringify(body)}`);
    const front = Buffer.alloc(5, 1);
    front.writeUInt32BE(call.number);
    worker.record(14, call.id, Buffer.concat([front, bytes]));
  };
