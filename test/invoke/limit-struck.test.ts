/** What a failed call is told of the limit it met: which, its value, where it is set. */
import { expect, test } from 'vitest';
import { z } from 'zod';
import { type Code, GatewayError } from '../../gateway/errors.ts';
import { resolveFunction } from '../../gateway/invoke/function.ts';
import { LimitPlaces } from '../../gateway/invoke/limit-places.ts';
import { LimitsTold, type Struck } from '../../gateway/invoke/limit-struck.ts';
import { readSettings } from '../../gateway/settings.ts';
import { timingText } from '../../gateway/trace/call-trace.ts';

const CONTRACT = { timeoutMs: 2000, inFlightMax: 4 };
const CONFIG = {
  pools: { default: { queueMax: 7, ini: { memory_limit: '64M' } } },
  functions: { slow: { queueTimeoutMs: 300 } },
};

const toldOf = (config: object, env: Readonly<Record<string, string>> = {}) => {
  const { settings, sources } = readSettings(config, env, 'deploy/gateway.config.ts');
  const members = { input: z.any(), output: z.any(), ...CONTRACT };
  const { fn } = resolveFunction({ name: 'slow', file: 'schemas/slow.ts', exported: members }, settings);
  if (fn === undefined) throw new Error('It does not load.');
  const contracts = new Map([['slow', { file: 'schemas/slow.ts', members }]]);
  return { fn, told: new LimitsTold(new LimitPlaces({ settings, sources, contracts })) };
};

const message = (
  code: Code,
  detail: string,
  struck: Partial<Struck> = {},
  env: Record<string, string> = {},
): string => {
  const { fn, told } = toldOf(CONFIG, env);
  const { queueTimeoutMs } = fn;
  const rest = { connectTimeoutMs: 1000, callerMs: undefined, callerBy: undefined, timeLimitMs: 2000 };
  return told.explain(new GatewayError(code, detail), { fn, queueTimeoutMs, ...rest, ...struck }).message;
};

const BY_CALLER = { callerMs: 200, callerBy: 'x-request-timeout-ms', timeLimitMs: 180 };
const UNREACHABLE = 'slow waited 300 ms for a worker of the pool default, which cannot be reached.';

test.each<[string, Code, string, Partial<Struck>, RegExp]>([
  [
    'a member of the contract',
    'function-timeout',
    'PHP did not answer within 2000 ms.',
    {},
    /^PHP did not answer within 2000 ms \(timeoutMs in schemas\/slow\.ts\)\.$/,
  ],
  [
    'the caller itself',
    'function-timeout',
    'PHP did not answer within 180 ms.',
    BY_CALLER,
    /within 180 ms \(the caller allowed 200 ms by x-request-timeout-ms\)\.$/,
  ],
  [
    'what retries left of the whole',
    'function-timeout',
    'PHP did not answer within 900 ms.',
    { timeLimitMs: 900 },
    /what was left of the call's 3300 ms: queueTimeoutMs 300 \+ connectTimeoutMs 1000 \+ timeoutMs 2000; timeoutMs in schemas\/slow\.ts/,
  ],
  [
    'the caller, before PHP',
    'deadline-exceeded',
    'The deadline of slow passed before it began.',
    { callerMs: 50 },
    /\(the caller allowed 50 ms\)\.$/,
  ],
  [
    'a patience that exceeds the limits is none',
    'deadline-exceeded',
    'The deadline of slow passed before it began.',
    { callerMs: 60_000 },
    /what was left of the call's 3300 ms/,
  ],
  [
    'the config, for one function',
    'queue-timeout',
    'slow waited 300 ms; its queueTimeoutMs is 300.',
    {},
    /its queueTimeoutMs is 300 \(functions\.slow\.queueTimeoutMs in deploy\/gateway\.config\.ts\)\.$/,
  ],
  [
    'the config, for a pool',
    'overloaded',
    '7 calls wait; its queueMax is 7.',
    {},
    /its queueMax is 7 \(pools\.default\.queueMax in deploy\/gateway\.config\.ts\)\.$/,
  ],
  [
    'nobody: a default',
    'response-too-large',
    'slow returned more than 8388608 bytes; limits.responseMaxBytes is 8388608.',
    {},
    /limits\.responseMaxBytes is 8388608 \(by default\)\.$/,
  ],
  [
    'a cap of the contract',
    'concurrency-limit',
    '4 calls are under way; its inFlightMax is 4.',
    {},
    /its inFlightMax is 4 \(in schemas\/slow\.ts\)\.$/,
  ],
  [
    'the memory of its pool',
    'function-out-of-memory',
    'slow used up the memory_limit of its pool.',
    {},
    /of its pool \(64M, pools\.default\.ini\.memory_limit in deploy\/gateway\.config\.ts\)\.$/,
  ],
  [
    'an item that may wait for as long as its batch',
    'queue-timeout',
    'slow waited 4321 ms; its queueTimeoutMs is 4321.',
    { queueTimeoutMs: 4321.2, callerMs: 4321.2, callerBy: 'its batch' },
    /\(the caller allowed 4321 ms by its batch\)\.$/,
  ],
  [
    'a setting in the middle of what is said',
    'call-depth-exceeded',
    'a → b → a is 3 functions deep; limits.callDepthMax is 2. The cycle: a → b → a.',
    {},
    /; limits\.callDepthMax is 2 \(by default\)\. The cycle: a → b → a\.$/,
  ],
  ['the wait for a pool that is away', 'pool-unavailable', UNREACHABLE, {}, /\(functions\.slow\.queueTimeoutMs in/],
  ['the same, cut short by the caller', 'pool-unavailable', UNREACHABLE, BY_CALLER, /\(the caller allowed 200 ms/],
  [
    'the time to connect',
    'pool-unavailable',
    'php-fpm cannot serve: no worker answered within 1000 ms.',
    {},
    /within 1000 ms \(connectTimeoutMs by default\)\.$/,
  ],
])('%s', (_, code, detail, struck, told) => {
  expect(message(code, detail, struck)).toMatch(told);
});

test('what a variable sets is told by its name, whatever the contract says', () => {
  const env = { FPMG_FUNCTIONS__SLOW__TIMEOUT_MS: '1500' };
  const said = message('function-timeout', 'PHP did not answer within 1500 ms.', { timeLimitMs: 1500 }, env);
  expect(said).toBe('PHP did not answer within 1500 ms (timeoutMs by FPMG_FUNCTIONS__SLOW__TIMEOUT_MS).');
});

test('an error that is met twice is explained once, and one without a limit stays as it is', () => {
  const { fn, told } = toldOf(CONFIG);
  const struck = { fn, queueTimeoutMs: 300, connectTimeoutMs: 1000, callerMs: 9, callerBy: undefined, timeLimitMs: 9 };
  const error = new GatewayError('function-timeout', 'PHP did not answer within 9 ms.');
  const once = told.explain(error, struck).message;
  expect(told.explainRequest(told.explain(error, struck), fn).message).toBe(once);
  const crash = new GatewayError('worker-crashed', 'The worker ended.');
  expect(told.explain(crash, struck).message).toBe('The worker ended.');
});

test('a declared error is the function’s own word', () => {
  const { fn, told } = toldOf(CONFIG);
  const struck = { fn, queueTimeoutMs: 1, connectTimeoutMs: 1, callerMs: 1, callerBy: undefined, timeLimitMs: 1 };
  const declared = GatewayError.declared({ code: 'late', status: 422, message: 'queueMax is 9.', data: null });
  expect(told.explain(declared, struck).message).toBe('queueMax is 9.');
});

test('a request that does not arrive, or is too large, names the setting by its value', () => {
  const { fn, told } = toldOf({ limits: { bodyMaxBytes: 10 } });
  const large = new GatewayError('body-too-large', 'The body has more; the limit is 10.');
  expect(told.explainRequest(large, fn).message).toMatch(
    /is 10 \(limits\.bodyMaxBytes in deploy\/gateway\.config\.ts\)/,
  );
  const slow = new GatewayError('request-timeout', 'The request had not arrived within 30000 ms.');
  expect(told.explainRequest(slow, fn).message).toMatch(/30000 ms \(http\.requestTimeoutMs by default\)\.$/);
});

test('where the time went is one sentence, of the phases that were met', () => {
  const timing = { totalMs: 2140.4, validateMs: 0.2, queueMs: 120, connectMs: 3.2, phpMs: 2000.1, attempts: 1 };
  expect(timingText(timing, 3)).toBe('Of 2140 ms: queue 120, connect 3, PHP 2000; attempt 1 of 3.');
  expect(timingText({ totalMs: 300, queueMs: 299.7 }, 3)).toBe('Of 300 ms: queue 300.');
  // One that stood behind a call whose worker died moved, which is no attempt of its own.
  expect(timingText({ totalMs: 1, queueMs: 1, attempts: 4 }, 3)).toMatch(/attempt 4\.$/);
});
