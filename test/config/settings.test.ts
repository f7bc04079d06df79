import { availableParallelism } from 'node:os';
import { describe, expect, test } from 'vitest';
import { resolveSettings } from '../../gateway/settings.ts';
import { StartupError, type StartupProblem } from '../../gateway/startup.ts';

const resolve = (config: unknown, env: Record<string, string> = {}) =>
  resolveSettings(config, env, 'deploy/gateway.config.ts');

const problemsOf = (config: unknown, env: Record<string, string> = {}): readonly StartupProblem[] => {
  try {
    resolve(config, env);
  } catch (error) {
    if (error instanceof StartupError) return error.problems;
    throw error;
  }
  return [];
};

test('an empty config is a gateway on 127.0.0.1:8080 with one pool', () => {
  const settings = resolve({});
  expect(settings.http).toMatchObject({ host: '127.0.0.1', port: 8080 });
  expect(settings.admin).toMatchObject({ host: '127.0.0.1', port: 8081 });
  expect(Object.keys(settings.pools)).toEqual(['default']);
});

describe('environment variables', () => {
  test.each<[string, string, (settings: ReturnType<typeof resolve>) => unknown, unknown]>([
    ['PORT', '9000', (s) => s.http.port, 9000],
    ['HOST', '0.0.0.0', (s) => s.http.host, '0.0.0.0'],
    ['FPMG_HTTP__REQUEST_TIMEOUT_MS', '1000', (s) => s.http.requestTimeoutMs, 1000],
    ['FPMG_HTTP__REQUESTTIMEOUTMS', '1000', (s) => s.http.requestTimeoutMs, 1000],
    ['FPMG_HTTP__ALLOWED_HOSTS', '["a.example","b.example"]', (s) => s.http.allowedHosts, ['a.example', 'b.example']],
    [
      'FPMG_POOLS__DEFAULT__WORKERS',
      '7',
      (s) => s.pools.default && 'maxWorkers' in s.pools.default && s.pools.default.maxWorkers,
      7,
    ],
    [
      'FPMG_POOLS__DEFAULT__INI__MEMORY_LIMIT',
      '64M',
      (s) => s.pools.default && 'ini' in s.pools.default && s.pools.default.ini,
      { memory_limit: '64M' },
    ],
    [
      'FPMG_POOLS__DEFAULT__ENV__APP_KEY',
      'x',
      (s) => s.pools.default && 'env' in s.pools.default && s.pools.default.env,
      { APP_KEY: 'x' },
    ],
    ['FPMG_FUNCTIONS__CREATE_PDF__TIMEOUT_MS', '99', (s) => s.functions['create-pdf']?.timeoutMs, 99],
    ['FPMG_EXPOSE_ERRORS', 'true', (s) => s.exposeErrors, true],
    ['FPMG_ADMIN__TOKEN', '1234567890123456', (s) => s.admin.token, '1234567890123456'],
  ])('%s=%s', (variable, value, read, expected) => {
    expect(read(resolve({}, { [variable]: value }))).toEqual(expected);
  });

  test('override the config', () => {
    expect(resolve({ http: { port: 1000 } }, { PORT: '2000' }).http.port).toBe(2000);
  });

  test('that are empty say nothing', () => {
    expect(resolve({}, { FPMG_HTTP__PORT: '' }).http.port).toBe(8080);
  });

  test('that name no setting are refused with the names there are', () => {
    expect(problemsOf({}, { FPMG_HTTP__PROT: '1' })).toMatchObject([
      { file: 'FPMG_HTTP__PROT', detail: expect.stringMatching(/http has no member PROT; known: host, port/) },
    ]);
    expect(problemsOf({}, { FPMG_NONSENSE: '1' })).toMatchObject([{ file: 'FPMG_NONSENSE' }]);
  });

  test('with a wrong value are named, not the config file', () => {
    expect(problemsOf({}, { PORT: 'eighty' })).toMatchObject([{ file: 'PORT', property: 'http.port' }]);
    expect(problemsOf({}, { FPMG_POOLS__DEFAULT__WORKERS: '0' })).toMatchObject([
      { file: 'FPMG_POOLS__DEFAULT__WORKERS', property: 'pools.default.workers' },
    ]);
  });
});

describe('a config that cannot be used is refused, all mistakes at once', () => {
  test('every one with its property', () => {
    const problems = problemsOf({ http: { port: 'x' }, limits: { jsonDepth: 1000 }, nonsense: 1 });
    expect(problems.map(({ property }) => property)).toEqual(expect.arrayContaining(['http.port', 'limits.jsonDepth']));
    expect(problems).toHaveLength(3);
  });
  test.each<[string, unknown, string, RegExp]>([
    ['a pool name that is none', { pools: { 'a b': {} } }, 'pools.a b', /pool name/],
    ['workers out of range', { pools: { default: { workers: 0 } } }, 'pools.default.workers', /./],
    [
      'workers said in two ways',
      { pools: { default: { workers: 4, minWorkers: 1 } } },
      'pools.default.workers',
      /^says again how many workers there are, beside minWorkers and maxWorkers: leave it out$/,
    ],
    [
      'a process manager beside bounds',
      { pools: { default: { pm: 'ondemand', maxWorkers: 4 } } },
      'pools.default.pm',
      /leave it out/,
    ],
    [
      'more workers at least than at most',
      { pools: { default: { minWorkers: 5, maxWorkers: 4 } } },
      'pools.default.minWorkers',
      /^is 5, more than maxWorkers, which is 4: lower it, or raise maxWorkers$/,
    ],
    [
      'scaling of a pool that somebody else runs',
      {
        pools: { default: { address: 'tcp://127.0.0.1:9', workers: 1, root: '/x', minWorkers: 0, sleepAfterMs: 100 } },
      },
      'pools.default',
      /^minWorkers is for pools the gateway runs itself, .* say workers; sleepAfterMs is for .* say workers$/,
    ],
    [
      'what a resident part has from its pool, beside what nobody has',
      { pools: { default: { resident: { sleepAfterMs: 1000, nonsense: 1 } } } },
      'pools.default.resident',
      /^sleepAfterMs is one for all workers of a pool: say it beside resident, not in it; nonsense is no member of it$/,
    ],
    [
      'a process manager of resident workers',
      { pools: { default: { resident: { pm: 'static' } } } },
      'pools.default.resident',
      /^pm is for php-fpm workers: say minWorkers and maxWorkers$/,
    ],
    [
      'the same of resident workers',
      { pools: { default: { resident: { minWorkers: 5, maxWorkers: 4 } } } },
      'pools.default.resident.minWorkers',
      /more than maxWorkers/,
    ],
    ['an unknown pool setting', { pools: { default: { worker: 3 } } }, 'pools.default', /worker/],
    ['PHP as root', { pools: { default: { user: 'root' } } }, 'pools.default.user', /never runs as root/],
    [
      'an ini setting that is ours',
      { pools: { default: { ini: { output_buffering: '4096' } } } },
      'pools.default.ini',
      /output_buffering/,
    ],
    [
      'an ini value php-fpm would misread',
      { pools: { default: { ini: { x: 'a"b' } } } },
      'pools.default.ini.x',
      /double quotes/,
    ],
    [
      'an environment value with a line end',
      { pools: { default: { env: { X: 'a\nb' } } } },
      'pools.default.env.X',
      /line ends/,
    ],
    [
      'an attached pool without its root',
      { pools: { default: { address: 'unix:/x', workers: 1 } } },
      'pools.default.root',
      /./,
    ],
    [
      'an address that is none',
      { pools: { default: { address: 'nonsense', workers: 1, root: '/app' } } },
      'pools.default.address',
      /./,
    ],
    ['a trusted peer that is no network', { http: { trustedPeers: ['10.0.0.1'] } }, 'http.trustedPeers.0', /./],
    [
      'a request larger than all room for files',
      { limits: { spoolMaxBytes: 1000 } },
      'limits.uploadMaxBytes',
      /67108864.*1000 bytes/,
    ],
    ['an open admin listener without a token', { admin: { host: '0.0.0.0' } }, 'admin.host', /admin\.token/],
    ['a short token', { admin: { token: 'short' } }, 'admin.token', /16/],
  ])('%s', (_name, config, property, detail) => {
    const problems = problemsOf(config);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatchObject({ property, detail: expect.stringMatching(detail) });
  });
});

test('an open admin listener with a token is allowed', () => {
  expect(resolve({ admin: { host: '0.0.0.0', token: '0123456789abcdef' } }).admin.host).toBe('0.0.0.0');
});

describe('how many workers', () => {
  test.each<[object, number, number]>([
    [{ workers: 6 }, 6, 6],
    [{ workers: 6, pm: 'static' }, 6, 6],
    [{ workers: 6, pm: 'dynamic' }, 2, 6],
    [{ workers: 6, pm: 'ondemand' }, 0, 6],
    [{ minWorkers: 0, maxWorkers: 6 }, 0, 6],
    [{ maxWorkers: 6 }, 1, 6],
    [{ minWorkers: 600 }, 600, 600],
  ])('%j is %i to %i', (pool, minWorkers, maxWorkers) => {
    const settings = resolve({ pools: { default: pool } });
    expect(settings.pools.default).toMatchObject({ minWorkers, maxWorkers });
    expect(settings.pools.default).not.toHaveProperty('pm');
  });

  test.each<[object, number, number]>([
    [{ minWorkers: 0, maxWorkers: 3 }, 0, 3],
    [{ minWorkers: 0, maxWorkers: 3, resident: { concurrentWorkers: 1 } }, 0, 3],
    [{ minWorkers: 0, maxWorkers: 3, resident: { workers: 2 } }, 2, 2],
    [{ minWorkers: 0, maxWorkers: 3, resident: { minWorkers: 1 } }, 1, Math.max(4, 2 * availableParallelism())],
  ])('%j says it for resident workers, too: %i to %i', (pool, minWorkers, maxWorkers) => {
    expect(resolve({ pools: { default: pool } }).pools.default).toMatchObject({ resident: { minWorkers, maxWorkers } });
  });

  test.each<[object, Record<string, string>, number, number]>([
    [{ workers: 4 }, { FPMG_POOLS__DEFAULT__MIN_WORKERS: '0' }, 0, Math.max(4, 2 * availableParallelism())],
    [{ workers: 4, pm: 'dynamic' }, { FPMG_POOLS__DEFAULT__MAX_WORKERS: '9' }, 1, 9],
    [{ minWorkers: 0, maxWorkers: 9 }, { FPMG_POOLS__DEFAULT__WORKERS: '4' }, 4, 4],
  ])('%j is replaced as a whole by the environment, %j', (pool, env, minWorkers, maxWorkers) => {
    expect(resolveSettings({ pools: { default: pool } }, env, 'config').pools.default).toMatchObject({
      minWorkers,
      maxWorkers,
    });
  });

  test('of both engines, each its own', () => {
    const pool = { workers: 3, resident: { minWorkers: 0, maxWorkers: 5 } };
    expect(resolve({ pools: { default: pool } }).pools.default).toMatchObject({
      minWorkers: 3,
      maxWorkers: 3,
      resident: { minWorkers: 0, maxWorkers: 5 },
    });
  });
});
