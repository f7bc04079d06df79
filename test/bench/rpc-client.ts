/**
 * So many calls at once from Node, in a process of its own: by the gateway's client, with or without batching, or by
 * bare node:http over 64 kept connections.
 * usage: node rpc-client.ts batching|one-batch|alone|http PORT CALLS WARMUP_TURNS
 */
import { Agent, request } from 'node:http';
import { type ClientOptions, createClient } from 'fpm-gateway/client';
import type echo from './project/schemas/echo.ts';

const [, , mode, port, calls, warmupTurns] = process.argv;
const url = `http://127.0.0.1:${port}`;
/** Fewer than are measured: what is compiled matters, not how many. */
const WARMUP_CALLS = 1000;

type Call = (name: string) => Promise<{ readonly hello: string }>;

const byClient = (batching: ClientOptions['batching']): Call => {
  const client = createClient<{ echo: typeof echo }>({ url, batching: batching ?? false });
  return (name) => client.call('echo', { name });
};

const byHttp = (): Call => {
  const agent = new Agent({ keepAlive: true, maxSockets: 64 });
  const options = { agent, method: 'POST', headers: { 'content-type': 'application/json' } };
  return (name) =>
    new Promise((resolve, reject) => {
      const outgoing = request(`${url}/functions/echo`, options, (incoming) => {
        let text = '';
        incoming.setEncoding('utf8').on('data', (piece: string) => {
          text += piece;
        });
        incoming.on('end', () => resolve(JSON.parse(text)));
        incoming.on('error', reject);
      });
      outgoing.on('error', reject);
      outgoing.end(JSON.stringify({ name }));
    });
};

const MODES: Readonly<Record<string, () => Call>> = {
  batching: () => byClient(true),
  'one-batch': () => byClient({ maxItems: Number(calls), maxCharacters: 1 << 24 }),
  alone: () => byClient(false),
  http: byHttp,
};

const call = MODES[mode ?? '']?.();
if (call === undefined) throw new Error(`${mode} is none of ${Object.keys(MODES).join(', ')}`);

const failures: string[] = [];

/** All begun in one go. */
const callAll = async (count: number): Promise<void> => {
  const one = async (at: number): Promise<void> => {
    try {
      const { hello } = await call(`Ada ${at}`);
      if (hello !== `Ada ${at}`) failures.push(`${at} was answered ${hello}`);
    } catch (error) {
      failures.push(String(error));
    }
  };
  await Promise.all(Array.from({ length: count }, (_, at) => one(at)));
};

for (let turn = 0; turn < Number(warmupTurns); turn += 1) await callAll(WARMUP_CALLS);
failures.length = 0;
const startedMs = performance.now();
await callAll(Number(calls));
const elapsedMs = performance.now() - startedMs;
const failed = failures.length;
console.log(JSON.stringify({ calls: Number(calls) - failed, failed, elapsedMs, failure: failures[0] }));
process.exit(0);
