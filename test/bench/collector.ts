/**
 * A receiver of OTLP over HTTP as a process of its own, as cheap as one can be: it keeps the bodies and counts what is
 * in them only when it is asked (`GET /count`, after the load). `GET /posts` tells whether more has come.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';
import { countSpans } from './spans.ts';

const bodies: { readonly bytes: Buffer; readonly isZipped: boolean }[] = [];
let counted = { spans: 0, bytes: 0 };

/** Each body once: what was counted is let go. */
const count = (): { spans: number; bytes: number } => {
  for (const { bytes, isZipped } of bodies.splice(0)) {
    const spans = countSpans(isZipped ? gunzipSync(bytes) : bytes);
    counted = { spans: counted.spans + spans, bytes: counted.bytes + bytes.length };
  }
  return counted;
};

let posts = 0;
const server = createServer((incoming, outgoing) => {
  if (incoming.method === 'GET') {
    outgoing.end(JSON.stringify(incoming.url === '/count' ? { ...count(), posts } : { posts }));
    return;
  }
  const chunks: Buffer[] = [];
  incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
  incoming.on('end', () => {
    posts += 1;
    bodies.push({ bytes: Buffer.concat(chunks), isZipped: incoming.headers['content-encoding'] === 'gzip' });
    outgoing.writeHead(200, { 'content-type': incoming.headers['content-type'] ?? '' }).end();
  });
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify({ port: (server.address() as AddressInfo).port })));
