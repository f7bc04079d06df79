/** Scripts that work on behind their answer, are killed or left by their caller: clear answers, and workers counted right. */
import { existsSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { ask, post } from '../support/call.ts';
import { startGateway, startTestServer } from '../support/gateway.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { backendOf, isAlive, kill } from '../support/php-processes.ts';
import { scriptProject } from '../support/sites.ts';
import { Gate, Held, Runs } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

/** Waits for its test, which tells where in its query. */
const HOLD = `file_put_contents($_GET['at'], getmypid() . "\\n", FILE_APPEND);
  while (!is_file($_GET['at'] . '.go')) { usleep(1000); clearstatcache(); }`;
const FINISH = "echo 'answer'; header('X-Late: 0'); fastcgi_finish_request();";

const file = wholeFile();
const folder = openFolder(file);
const gate = new Gate(file);
const late = new Runs(file);
let gateway: Gateway;

beforeAll(async () => {
  const project = scriptProject(
    {
      pid: 'echo getmypid();',
      'works-on': `${FINISH} echo 'late'; http_response_code(500); ${gate.waiting} ${late.marking('')}`,
      'works-on-json': [
        `echo '{"a": 1}'; fastcgi_finish_request(); ${gate.waiting}`,
        'output: z.object({ a: z.number() })',
      ],
      'works-too-long': [`${FINISH} while (true) { sleep(1); }`, 'timeoutMs: 100'],
      'fails-behind': `${FINISH} throw new Exception('SECRET');`,
      'dies-behind': `${FINISH} posix_kill(getmypid(), 9); sleep(1);`,
      'prints-behind': `${FINISH} while (ob_get_level()) ob_end_clean(); echo str_repeat('late', 500000); flush();`,
      'finishes-twice': `${FINISH} ${FINISH} exit('late');`,
      'in-shutdown': `register_shutdown_function(function () { ${FINISH} throw new Exception('SECRET'); });`,
      held: HOLD,
    },
    file,
  );
  gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project }, file);
});

const pid = async (): Promise<number> => Number((await ask(gateway, 'pid', {})).text);

describe('behind fastcgi_finish_request()', () => {
  test('the caller has its answer at once, and the worker is not taken for free before it is', async () => {
    const before = await pid();
    gate.close();
    const runsBefore = late.count;
    const first = await ask(gateway, 'works-on', {});
    expect([first.status, first.text]).toEqual([200, 'answer']);
    const second = pid();
    expect(backendOf(gateway)).toMatchObject({ taken: 1, idleConnections: 0 });
    expect(late.count).toBe(runsBefore);
    gate.open();
    expect([await second, late.count - runsBefore]).toEqual([before, 1]);
  });

  test('JSON is read as it was then', async () => {
    gate.open();
    expect((await ask(gateway, 'works-on-json', {})).body).toEqual({ a: 1 });
  });

  test.each([
    ['works-too-long', false],
    ['dies-behind', false],
    ['fails-behind', true],
    ['prints-behind', true],
    ['finishes-twice', true],
    ['in-shutdown', true],
  ])('%s: its answer is good, and the next call is served', async (name, sameWorker) => {
    const before = await pid();
    const answer = await ask(gateway, name, {});
    expect([answer.status, answer.text.replaceAll('answer', '')]).toEqual([200, '']);
    const after = await pid();
    expect(after === before).toBe(sameWorker);
    if (!sameWorker) expect(isAlive(before)).toBe(false);
  });
});

test('a worker that somebody kills is worker-crashed, and another serves the next call', async () => {
  const held = new Held(folder, 'killed');
  const call = ask(gateway, `held?at=${held.file}`, {});
  const at = await held.started();
  kill(at, 'SIGKILL');
  expect((await call).body).toMatchObject({ code: 'worker-crashed', executed: 'yes', retryable: false });
  expect(await pid()).not.toBe(at);
});

test('a script whose caller leaves runs to its end, and its worker is free then', async () => {
  const project = scriptProject({
    held: `ignore_user_abort(false); ${HOLD} echo str_repeat('a', 100000); flush(); file_put_contents($_GET['at'] . '.done', '');`,
    pid: 'echo getmypid();',
  });
  const server = await startTestServer(project, { env: { FPMG_POOLS__DEFAULT__WORKERS: '1' } });
  const held = new Held(folder, 'left');
  const leaving = new AbortController();
  const call = fetch(`${server.url}/functions/held?at=${held.file}`, { method: 'POST', signal: leaving.signal });
  const at = await held.started();
  leaving.abort();
  await expect(call).rejects.toThrow(/abort/);
  held.go();
  const next = await fetch(`${server.url}/functions/pid`, { method: 'POST' });
  expect(Number(await next.text())).toBe(at);
  expect(existsSync(`${held.file}.done`)).toBe(true);
});

test('a script leaves nothing behind for the next call', async () => {
  const show = `echo json_encode([ini_get('memory_limit'), ini_get('display_errors'), ini_get('zlib.output_compression'), getenv('LEFT'), getcwd(), umask(), setlocale(LC_ALL, 0),
    date_default_timezone_get(), mb_internal_encoding(), error_reporting(), get_include_path(), spl_autoload_functions(), ob_get_level(), headers_list(), array_keys($GLOBALS),
    in_array('left', stream_get_wrappers()), function_exists('left'), defined('LEFT'), error_get_last(), ini_get('error_log'), ini_get('max_execution_time'), file_get_contents(__FILE__, false, null, 0, 5)]);`;
  const dirty = `ini_set('memory_limit', '1G'); ini_set('display_errors', '1'); ini_set('zlib.output_compression', '1'); putenv('LEFT=1'); chdir('/'); umask(0); setlocale(LC_ALL, 'C.UTF-8');
    date_default_timezone_set('Asia/Tokyo'); mb_internal_encoding('SJIS'); error_reporting(0); set_include_path('/'); spl_autoload_register(fn () => null); ob_start(); header('ETag: "a"');
    class left {} stream_wrapper_register('left', 'left'); stream_wrapper_unregister('file'); function left() {} define('LEFT', 1); ini_set('error_log', '/tmp/left'); set_time_limit(1); $left = 1;
    set_error_handler(fn () => true); set_exception_handler(fn () => null); assert_options(ASSERT_ACTIVE, 0); ignore_user_abort(true); trigger_error('left'); $GLOBALS['_SERVER'] = []; echo getmypid(); exit(7);`;
  const project = scriptProject({ show: [show, 'output: z.any()'], dirty });
  const own = await startGateway({ pools: { default: { workers: 1 } } }, { project });
  const fresh = (await ask(own, 'show', {})).body;
  const response = await post(own, 'dirty', {});
  expect(response.status).toBe(200);
  await response.text();
  expect((await ask(own, 'show', {})).body).toEqual(fresh);
  await until('its worker is free', () => backendOf(own).taken === 0);
});
