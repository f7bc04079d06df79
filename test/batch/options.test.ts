/** What a request may ask of its batch, and what it is told about the rest. */
import { describe, expect, test } from 'vitest';
import { configSchema } from '../../gateway/config.ts';
import { type BatchRequest, batchRequest } from '../../gateway/http/batch-options.ts';

const settings = configSchema.parse({}).batch;

const ask = (query: string, headers: Readonly<Record<string, string>> = {}): BatchRequest =>
  batchRequest(
    {
      target: `/batch${query}`,
      header: (name) => ({ 'content-type': 'application/x-ndjson', ...headers })[name],
    },
    settings,
  );

test('lines are answered by lines as they end, an array by an array in its own order', () => {
  expect(ask('')).toEqual({
    sent: 'lines',
    answered: 'lines',
    order: 'finish',
    concurrency: 64,
    stopOnError: false,
    timeoutMs: 600_000,
  });
  expect(ask('', { 'content-type': 'application/json; charset=utf-8' })).toMatchObject({
    sent: 'array',
    answered: 'array',
    order: 'input',
  });
});

test('Accept chooses the other', () => {
  expect(ask('', { accept: 'application/json' }).answered).toBe('array');
  const sent = { 'content-type': 'application/json' };
  expect(ask('', { ...sent, accept: 'application/x-ndjson' }).answered).toBe('lines');
  expect(ask('', { ...sent, accept: '*/*' }).answered).toBe('array');
});

test('options are taken from the query, the time limit from the usual headers, never more than the settings', () => {
  expect(ask('?order=input&concurrency=7&stopOnError=true', { 'x-request-timeout-ms': '1500' })).toMatchObject({
    order: 'input',
    concurrency: 7,
    stopOnError: true,
    timeoutMs: 1500,
  });
  expect(ask('', { 'grpc-timeout': '99H' }).timeoutMs).toBe(600_000);
});

describe('is refused', () => {
  test.each([
    ['?order=random', {}, 'bad-request', 'finish or input'],
    ['?concurrency=0', {}, 'bad-request', 'from 1 to 1000 (batch.concurrencyMax)'],
    ['?concurrency=1001', {}, 'bad-request', '1001'],
    ['?concurrency=1e3', {}, 'bad-request', '1e3'],
    ['?stopOnError=yes', {}, 'bad-request', 'true or false'],
    ['?parallel=4', {}, 'bad-request', 'order, concurrency, stopOnError'],
    ['?order=input&order=finish', {}, 'bad-request', 'twice'],
    ['', { 'x-request-timeout-ms': 'soon' }, 'bad-request', 'soon'],
    ['', { 'content-type': 'text/plain' }, 'unsupported-media-type', 'one item a line'],
    ['', { 'content-encoding': 'gzip' }, 'unsupported-encoding', 'gzip'],
    ['', { accept: 'text/html' }, 'not-acceptable', 'text/html'],
  ])('%s %o', (query, headers, code, says) => {
    expect(() => ask(query, headers as Readonly<Record<string, string>>)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(says) }),
    );
  });
});
