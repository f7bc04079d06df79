import { expect, test } from 'vitest';
import { configSchema } from '../../gateway/config.ts';
import type { ManagedPoolSettings } from '../../gateway/config-pools.ts';
import {
  iniArguments,
  masterEnvironment,
  phpIni,
  poolEnvironment,
  renderFpmConfig,
  runtimePreload,
} from '../../gateway/pool/fpm-config.ts';

const settingsOf = (pool: object): ManagedPoolSettings =>
  configSchema.parse({ pools: { default: pool } }).pools.default as ManagedPoolSettings;

const render = (pool: object, more: object = {}): string[] => {
  const input = {
    pool: 'default',
    instanceId: '1-2-abc',
    socket: '/run/s/default.1',
    reserve: undefined,
    settings: settingsOf(pool),
    env: poolEnvironment(settingsOf(pool), { gateway: undefined, cache: undefined }),
    longestCallMs: 30_000,
    user: undefined,
    ...more,
  };
  return renderFpmConfig(input).split('\n');
};

test.each([
  [{}, 'yes'],
  [{ catchOutput: false }, 'no'],
])('%j: what workers write to their stderr is caught: %s', (pool, caught) => {
  expect(render(pool)).toContain(`catch_workers_output = ${caught}`);
});

test('a static pool keeps its workers', () => {
  const lines = render({ workers: 3 });
  expect(lines).toContain('pm = static');
  expect(lines).toContain('pm.max_children = 3');
  expect(lines).toContain('[default@1-2-abc]');
  expect(lines).toContain('listen = /run/s/default.1');
  expect(lines).toContain('listen.mode = 0600');
});

test.each(['dynamic', 'ondemand'])('a %s pool starts workers with the connections', (pm) => {
  const lines = render({ workers: 3, pm, idleMs: 1500 });
  expect(lines).toContain('pm = ondemand');
  expect(lines).toContain('pm.max_children = 3');
  expect(lines).toContain('pm.process_idle_timeout = 2s');
});

test.each([
  [{ pm: 'static', workers: 8 }, 8],
  [{ pm: 'ondemand', workers: 8 }, 0],
  [{ pm: 'dynamic', workers: 8 }, 2],
  [{ pm: 'dynamic', workers: 1 }, 1],
])('%j keeps %i workers', (pool, kept) => {
  expect(settingsOf(pool).minWorkers).toBe(kept);
});

test('a call has its whole time and an idle connection its own before FPM ends the worker', () => {
  const lines = render({ idleMs: 30_000 }, { longestCallMs: 60_500 });
  expect(lines).toContain('request_terminate_timeout = 116s');
  expect(lines).toContain('process_control_timeout = 62s');
});

test('the user is named only for a master that is root', () => {
  expect(render({}).some((line) => line.startsWith('user'))).toBe(false);
  const lines = render({}, { user: { name: 'www-data', gid: 33 } });
  expect(lines).toContain('user = www-data');
  expect(lines).toContain('group = 33');
});

test('values of environment variables are never in the file', () => {
  const env = { TOKEN: '$SECRET; [x]' };
  const text = render({ env }).join('\n');
  expect(text).not.toContain('SECRET');
  expect(text).toContain('env[TOKEN] = $FPMG_ENV_TOKEN');
  expect(masterEnvironment(env)).toEqual({ FPMG_ENV_TOKEN: '$SECRET; [x]' });
});

test('a pool’s ini changes the defaults and nothing the gateway depends on', () => {
  const own = settingsOf({ ini: { memory_limit: '1G', 'opcache.enable': false, precision: 5 } });
  const ini = iniOf(own);
  expect(ini).toMatchObject({ memory_limit: '1G', 'opcache.enable': '0', precision: '5', output_buffering: '0' });
  const forced = { ...settingsOf({}), ini: { output_buffering: '4096' } };
  expect(iniOf(forced).output_buffering).toBe('0');
});

test('the clock for reading input is none for running', () => {
  expect(iniOf(settingsOf({}))).toMatchObject({ max_execution_time: '0', max_input_time: '-1' });
});

test('the runtime is preloaded, by a user who is named only for a master that is root', () => {
  const file = '/runtime/preload.php';
  expect(runtimePreload('/runtime', undefined)).toEqual({ 'opcache.preload': file });
  const preload = runtimePreload('/runtime', { name: 'www-data' });
  expect(preload).toEqual({ 'opcache.preload': file, 'opcache.preload_user': 'www-data' });
  expect(iniOf(settingsOf({}), preload)).toMatchObject(preload);
  const own = { 'opcache.preload': '/project/preload.php' };
  expect(iniOf(settingsOf({ ini: own }), preload)).toMatchObject({ ...preload, ...own });
});

const iniOf = (settings: ManagedPoolSettings, preload: Record<string, string> = {}): Readonly<Record<string, string>> =>
  phpIni({ settings, uploads: NEEDS, uploadDir: '/uploads', codeCache: undefined, preload });

const NEEDS = { postMaxBytes: 9, uploadMaxBytes: 7, uploadsMax: 3, inputVarsMax: 1000, nestingMax: 64 };

test('PHP takes exactly what the gateway lets through', () => {
  expect(iniOf(settingsOf({}))).toMatchObject({
    file_uploads: '1',
    upload_tmp_dir: '/uploads',
    post_max_size: '9',
    upload_max_filesize: '7',
    max_file_uploads: '3',
    max_input_vars: '1000',
    max_input_nesting_level: '64',
  });
});

test('ini settings become arguments', () => {
  expect(iniArguments({ a: '1', 'b.c': 'x y' })).toEqual(['-d', 'a="1"', '-d', 'b.c="x y"']);
});

test('compiled code outlives the processes of a pool that sleeps, and of no other', () => {
  const common = { settings: settingsOf({}), uploads: NEEDS, uploadDir: '/uploads', preload: {} };
  expect(phpIni({ ...common, codeCache: '/cache' })['opcache.file_cache']).toBe('/cache');
  expect(phpIni({ ...common, codeCache: undefined })).not.toHaveProperty(['opcache.file_cache']);
});
