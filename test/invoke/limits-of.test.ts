/** The ladder of a function: what applies to it, its value, where it was written. */
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { drawLadder, duration, valueText } from '../../gateway/cli/ladder-view.ts';
import { near } from '../../gateway/cli/near.ts';
import { file as fileField, stream } from '../../gateway/contract.ts';
import { resolveFunction } from '../../gateway/invoke/function.ts';
import { LimitPlaces, lineOfMember } from '../../gateway/invoke/limit-places.ts';
import { type Ladder, ladderOf } from '../../gateway/invoke/limits-of.ts';
import { sourceText } from '../../gateway/setting-sources.ts';
import { readSettings } from '../../gateway/settings.ts';

const ladder = (contract: object = {}, config: object = {}, env: Readonly<Record<string, string>> = {}): Ladder => {
  const { settings, sources } = readSettings(config, env, 'deploy/gateway.config.ts');
  const members = { input: z.any(), output: z.any(), ...contract };
  const { fn } = resolveFunction({ name: 'f', file: 'schemas/f.ts', exported: members }, settings);
  if (fn === undefined) throw new Error('It does not load.');
  const contracts = new Map([['f', { file: 'schemas/f.ts', members }]]);
  return ladderOf(fn, new LimitPlaces({ settings, sources, contracts }), [fn]);
};

const row = ({ limits }: Ladder, name: string): string | undefined => {
  const limit = limits.find((each) => each.name === name);
  return limit && `${valueText(limit)} · ${sourceText(limit.source)}`;
};

const pool = (members: object) => ({ pools: { default: members } });
const UPLOAD = z.strictObject({ photo: fileField({ maxBytes: 5 * 1_048_576, mediaTypes: ['image/png'] }) });

describe('each limit has the value that counts, and the place where it was written', () => {
  test.each<[string, string, object, object, Record<string, string>, string | undefined]>([
    ['nobody wrote it', 'timeoutMs', {}, {}, {}, '30 s · default'],
    ['the contract', 'timeoutMs', { timeoutMs: 2000 }, {}, {}, '2 s · timeoutMs in schemas/f.ts'],
    [
      'the config, over the contract',
      'timeoutMs',
      { timeoutMs: 2000 },
      { functions: { f: { timeoutMs: 3000 } } },
      {},
      '3 s · functions.f.timeoutMs in deploy/gateway.config.ts',
    ],
    [
      'a variable, over both',
      'timeoutMs',
      { timeoutMs: 2000 },
      { functions: { f: { timeoutMs: 3000 } } },
      { FPMG_FUNCTIONS__F__TIMEOUT_MS: '90000' },
      '90 s · FPMG_FUNCTIONS__F__TIMEOUT_MS',
    ],
    [
      'the defaults of the config',
      'queueTimeoutMs',
      {},
      { defaults: { queueTimeoutMs: 250 } },
      {},
      '250 ms · defaults.queueTimeoutMs in deploy/gateway.config.ts',
    ],
    ['a part of a member', 'retry.attempts', { retry: { attempts: 1 } }, {}, {}, '1 · retry.attempts in schemas/f.ts'],
    ['the pool', 'queueMax', {}, pool({ queueMax: 9 }), {}, '9 · pools.default.queueMax in deploy/gateway.config.ts'],
    ['no cap', 'inFlightMax', {}, {}, {}, 'none · default'],
    ['PHP’s own, not set', 'max_execution_time', {}, {}, {}, 'none · default'],
    [
      'the memory of the pool',
      'memory_limit',
      {},
      pool({ ini: { memory_limit: '1G' } }),
      {},
      '1G · pools.default.ini.memory_limit in deploy/gateway.config.ts',
    ],
    [
      'what follows from others',
      'request_terminate_timeout',
      {},
      {},
      {},
      '85 s · from timeoutMs of f, the longest of the pool, and its idleMs',
    ],
    [
      'php-fpm of somebody else',
      'memory_limit',
      {},
      pool({ address: 'tcp://h:1', workers: 1, root: '/x' }),
      {},
      'unknown · where its php-fpm is run',
    ],
    ['resident workers have no php-fpm', 'request_terminate_timeout', { engine: 'resident' }, {}, {}, undefined],
    [
      'headers never have more than the request',
      'http.headersTimeoutMs',
      {},
      { http: { requestTimeoutMs: 500 } },
      {},
      '500 ms · default',
    ],
    ['a call with files has longer to arrive', 'http.uploadTimeoutMs', { input: UPLOAD }, {}, {}, '10 min · default'],
    ['and its file its own limit', 'input.photo', { input: UPLOAD }, {}, {}, '5 MiB · input in schemas/f.ts'],
    ['one without files does not', 'http.uploadTimeoutMs', {}, {}, {}, undefined],
    ['a stream is bounded by the item', 'limits.itemMaxBytes', { output: stream(z.any()) }, {}, {}, '1 MiB · default'],
    ['and not as a whole', 'limits.responseMaxBytes', { output: stream(z.any()) }, {}, {}, undefined],
    ['a pool that stays awake has no cold start', 'cold start', {}, {}, {}, undefined],
    ['one that sleeps has', 'cold start', {}, pool({ minWorkers: 0 }), {}, '5 s · from queueTimeoutMs'],
    ['what is safe to repeat may be stopped', 'onDisconnect', { idempotent: true }, {}, {}, 'cancel · from idempotent'],
    ['keys that have no meaning are not kept', 'idempotency.ttlMs', { idempotencyKey: 'off' }, {}, {}, undefined],
  ])('%s: %s', (_, name, contract, config, env, told) => {
    expect(row(ladder(contract, config, env), name)).toBe(told);
  });
});

test('a call may take what waiting, connecting and running may take together', () => {
  const { budgetMs, parts } = ladder({ timeoutMs: 2000, queueTimeoutMs: 300 });
  expect([budgetMs, parts.map(({ ms }) => ms)]).toEqual([3300, [300, 1000, 2000]]);
});

test('limits stand in the order a call meets them', () => {
  const names = ladder().limits.map(({ name }) => name);
  const order = ['http.headersTimeoutMs', 'http.requestTimeoutMs', 'x-request-timeout-ms', 'queueTimeoutMs'];
  order.push('connectTimeoutMs', 'timeoutMs', 'limits.responseMaxBytes', 'retry.attempts', 'shutdownGraceMs');
  expect(names.filter((name) => order.includes(name))).toEqual(order);
});

test('on a terminal time is drawn, and no bar is longer than its column; piped it is plain', () => {
  const plain = (_: unknown, text: string): string => text;
  const made = ladder({ timeoutMs: 600_000 }, { idempotency: { ttlMs: 86_400_000 } });
  const drawn = drawLadder(made, 'schemas/f.ts', { bars: true, columns: 160, paint: plain });
  expect(drawn).toMatch(/PHP +10 min +·*█+/);
  expect(drawn).toMatch(/idempotency\.ttlMs +24 h +█{9}▶/);
  const narrow = drawLadder(made, 'schemas/f.ts', { bars: true, columns: 80, paint: plain });
  expect(narrow).toMatch(/PHP +10 min +·*█+/);
  expect(narrow).not.toMatch(/▶/);
  const piped = drawLadder(made, 'schemas/f.ts', { bars: false, columns: 80, paint: plain });
  expect(piped).not.toMatch(/[█▶·]{2}/);
  expect(piped).toMatch(
    /^ {5}timeoutMs +10 min {2}for PHP, each attempt → function-timeout +timeoutMs in schemas\/f\.ts$/m,
  );
});

test.each([
  [0, '0 ms'],
  [250, '250 ms'],
  [1500, '1.5 s'],
  [90_000, '90 s'],
  [600_000, '10 min'],
  [86_400_000, '24 h'],
])('%d ms are %s', (ms, text) => expect(duration(ms)).toBe(text));

test('the line of a member is told where the file names it once', () => {
  expect(lineOfMember('a\n  timeoutMs: 1,\n', 'timeoutMs')).toBe(2);
  expect(lineOfMember('timeoutMs: 1,\n timeoutMs: 2', 'timeoutMs')).toBeUndefined();
  expect(lineOfMember('// timeoutMs: 1', 'timeoutMs')).toBeUndefined();
});

test.each([
  ['resizeimage', ['resize-image']],
  ['ech', ['echo', 'echo-resident']],
  ['Word-Count', ['word-count']],
  ['zzzzzz', []],
])('who asks for %s may mean %j', (asked, meant) => {
  expect(near(asked, ['echo', 'echo-resident', 'resize-image', 'word-count'])).toEqual(meant);
});
