/** Peers that accept a connection and are no worker of ours: told to callers in general, to operators with the address. */
import { describe, expect, test } from 'vitest';
import { type Address, formatAddress } from '../../gateway/address.ts';
import { GatewayError } from '../../gateway/errors.ts';
import { openWorker } from '../../gateway/pool/worker.ts';
import {
  answer,
  answerPing,
  close,
  endRequest,
  fakeFastCgi,
  readPing,
  readRequest,
  type Story,
  socketPath,
  stall,
  stderr,
} from '../support/fake-fastcgi.ts';
import { call, connect } from './fastcgi-client.ts';

const paths = { root: '/secret/root', runtime: '/secret/runtime', bootstrap: '' };

/** Of those that refuse at once. */
const LONG_MS = 10_000;

const refusal = async (address: Address, connectTimeoutMs: number): Promise<GatewayError> => {
  const source = { address, paths, connectTimeoutMs, grace: undefined };
  const error: unknown = await openWorker(source).catch((thrown: unknown) => thrown);
  if (error instanceof GatewayError) return error;
  throw new Error('it was taken for a worker');
};

describe('pool-unavailable: only operators are told the address and the paths', () => {
  const foreign: Story = [readPing, answerPing, readRequest, stderr('Primary script unknown'), answer('no'), stall];
  test.each<[string, Story, RegExp, RegExp, connectTimeoutMs?: number]>([
    [
      'a peer that does not know our runtime',
      foreign,
      /does not run the gateway's runtime/,
      /\/secret\/runtime.*unknown/,
    ],
    ['one that does not answer', [stall], /no worker answered within 200 ms/, /./, 200],
    ['one that ends at once', [readPing, close], /did not answer as it should/, /The worker ended the connection/],
    ['one that refuses', [readPing, answerPing, readRequest, endRequest(2)], /protocol status 2/, /./],
  ])('%s', async (_name, story, told, kept, connectTimeoutMs = LONG_MS) => {
    const { address } = await fakeFastCgi('unix', story);
    const { code, executed, message, privateDetail = '' } = await refusal(address, connectTimeoutMs);
    expect([code, executed]).toEqual(['pool-unavailable', 'no']);
    expect(message).toMatch(told);
    expect(message).not.toMatch(/secret|unix:|\/tmp/);
    expect(privateDetail).toMatch(kept);
    expect(privateDetail).toContain(formatAddress(address));
  });

  test('one that is not there', async () => {
    const address: Address = { kind: 'unix', path: socketPath() };
    const { message, privateDetail } = await refusal(address, LONG_MS);
    expect(message).toBe('The FastCGI peer cannot be reached: ENOENT.');
    expect(privateDetail).toBe(`The peer is ${formatAddress(address)}.`);
  });
});

describe('the FastCGI client keeps the address out of what callers read, and has it for operators', () => {
  test.each<[string, Story, string]>([
    [
      'a worker that ends',
      [readRequest, close],
      'The worker ended the connection (closed) before its answer was complete.',
    ],
    [
      'a peer that refuses',
      [readRequest, answerPing, endRequest(2)],
      'The FastCGI peer refused the request with protocol status 2.',
    ],
  ])('%s', async (_name, story, detail) => {
    const { address } = await fakeFastCgi('unix', story);
    expect(await call(await connect(address))).toMatchObject({
      detail,
      privateDetail: `The peer is ${formatAddress(address)}.`,
    });
  });

  test('a connection that was destroyed', async () => {
    const { address } = await fakeFastCgi('unix', [readRequest, stall]);
    const connection = await connect(address);
    const outcome = call(connection);
    connection.destroy();
    expect(await outcome).toMatchObject({
      detail: 'The connection was destroyed before its answer was complete.',
      privateDetail: `The peer is ${formatAddress(address)}.`,
    });
    const error = await call(connection).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({
      message: 'The connection is closed.',
      privateDetail: `The peer is ${formatAddress(address)}.`,
    });
  });
});
