/** Readers that leave or do not read: PHP is stopped, and its worker serves the next call. A pool of one worker. */
import { existsSync, readFileSync } from 'node:fs';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { callUrl } from '../support/call.ts';
import { startTestServer } from '../support/gateway.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { isAlive } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';
import { openRaw, rawPost } from '../support/raw-http.ts';
import { BodyReader, streamHandler, streamScript } from '../support/streams.ts';
import { Held } from '../support/told-handlers.ts';
import { until } from '../support/until.ts';

/** Tells its pid, and counts its turns in a file. */
const BEGIN = `file_put_contents($file, getmypid() . "\\n", FILE_APPEND);`;
const COUNT = `file_put_contents("$file.turns", 'x', FILE_APPEND);`;
const OWN = '$file = $input;';
const SCRIPT = `$file = json_decode(file_get_contents('php://input'), true)['file']; header('Content-Type: text/csv');`;
const CSV = { item: "binary('text/csv')" };

const file = wholeFile();
const folder = openFolder(file);
let server: Server;

beforeAll(async () => {
  const project = functionsProject(
    {
      pid: 'return getmypid();',
      ...streamHandler('endless', `${OWN} ${BEGIN} while (true) { ${COUNT} yield 'item'; usleep(500); }`),
      ...streamHandler('flood', `${OWN} ${BEGIN} while (true) { ${COUNT} yield str_repeat('x', 10000); }`),
      ...streamHandler('flood-bytes', `${OWN} ${BEGIN} while (true) { ${COUNT} yield str_repeat('x', 10000); }`, CSV),
      ...streamHandler('sleeps', `${OWN} ${BEGIN} yield 'item'; sleep(30); ${COUNT} yield 'more';`),
      ...streamHandler('waits', `${OWN} ${BEGIN} sleep(30); ${COUNT} yield 'late';`),
      ...streamHandler('get', `$file = $input['file']; ${BEGIN} while (true) { ${COUNT} yield 'item'; usleep(500); }`, {
        contract: "methods: ['GET']",
      }),
      ...streamHandler('pauses', "yield 'item'; usleep(700_000); yield 'more';"),
      ...streamScript('script-waits', `${SCRIPT} ${BEGIN} sleep(30); ${COUNT} echo "late\\n";`, CSV),
      ...streamScript(
        'script-endless',
        `${SCRIPT} ${BEGIN} while (true) { ${COUNT} echo "row\\n"; flush(); usleep(500); }`,
        CSV,
      ),
      ...streamScript(
        'script-sleeps',
        `${SCRIPT} ${BEGIN} echo "row\\n"; flush(); sleep(30); ${COUNT} echo "more\\n";`,
        CSV,
      ),
      ...streamScript('script-flood', `${SCRIPT} ${BEGIN} while (true) { ${COUNT} echo str_repeat('x', 10000); }`, CSV),
    },
    file,
  );
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '1', FPMG_HTTP__IDLE_WRITE_TIMEOUT_MS: '300' };
  server = await startTestServer(project, { env }, file);
});

const turnsOf = ({ file }: Held): number => (existsSync(`${file}.turns`) ? readFileSync(`${file}.turns`).length : 0);
const inputOf = (name: string, { file }: Held): unknown => (name.startsWith('script') ? { file } : file);

/** Its process is gone, what it had done stays what it was, and another process serves the next call. */
const expectStopped = async (held: Held): Promise<void> => {
  const [pid = 0] = held.pids;
  await until('PHP has stopped', () => !isAlive(pid));
  const turns = turnsOf(held);
  const next = await (await callUrl(server.url, 'pid', null)).json();
  expect(next).not.toBe(pid);
  expect(turnsOf(held)).toBe(turns);
  expect(server.gateway.pools()[0]?.backends[0]).toMatchObject({ taken: 0, late: 0 });
};

const lastTrace = () => server.gateway.tracer.ring.list(100).find(({ function: name }) => name !== 'pid');

describe('a reader that leaves', () => {
  test.each(['endless', 'flood', 'flood-bytes', 'sleeps', 'script-endless', 'script-sleeps', 'script-flood'])(
    '%s: after the first bytes',
    async (name) => {
      const held = new Held(folder, `leaves ${name}`);
      const response = await callUrl(server.url, name, inputOf(name, held));
      const reader = new BodyReader(response);
      await reader.until(/flood/.test(name) ? 'x' : /script/.test(name) ? 'row' : 'item');
      await reader.leave();
      await expectStopped(held);
      expect(lastTrace()).toMatchObject({ function: name, error: 'client-closed' });
    },
  );

  test.each(['waits', 'script-waits'])('%s: before there is a head', async (name) => {
    const held = new Held(folder, `leaves before ${name}`);
    const { socket, send } = await openRaw(server.url);
    send(rawPost(`/functions/${name}`, JSON.stringify(inputOf(name, held))));
    await held.started();
    socket.destroy();
    await expectStopped(held);
    expect(turnsOf(held)).toBe(0);
  });

  test('before the first item, behind the head', async () => {
    const held = new Held(folder, 'leaves behind the head');
    const response = await callUrl(server.url, 'waits', held.file);
    await new BodyReader(response).leave();
    await expectStopped(held);
    expect(turnsOf(held)).toBe(0);
  });

  test('in process, by cancelling the body', async () => {
    const held = new Held(folder, 'leaves in process');
    const body = JSON.stringify(held.file);
    const headers = { 'content-type': 'application/json' };
    const request = new Request('http://localhost/functions/endless', { method: 'POST', headers, body });
    const reader = new BodyReader(await server.gateway.fetch(request));
    await reader.until('item');
    await reader.leave();
    await expectStopped(held);
  });
});

test('HEAD asks for no body: the head is that of GET, and PHP is stopped', async () => {
  const held = new Held(folder, 'head');
  const url = `${server.url}/functions/get?file=${encodeURIComponent(held.file)}`;
  const response = await fetch(url, { method: 'HEAD' });
  expect([response.status, response.headers.get('content-type')]).toEqual([200, 'application/x-ndjson']);
  expect(await response.text()).toBe('');
  await expectStopped(held);
});

describe('a reader that does not read', () => {
  test.each([
    ['flood', {}],
    ['flood', { accept: 'text/event-stream' }],
    ['flood', { accept: 'application/json' }],
    ['flood-bytes', {}],
    ['script-flood', {}],
  ])('%s, %j: PHP waits, then both are cut off', async (name, headers) => {
    const held = new Held(folder, `idle ${name} ${Object.values(headers).join('').replace('/', ' ')}`);
    const { socket, send, ended } = await openRaw(server.url);
    socket.pause();
    send(rawPost(`/functions/${name}`, JSON.stringify(inputOf(name, held)), headers));
    await held.started();
    await expectStopped(held);
    // What sockets and windows hold: on its own it would write gigabytes in that time.
    expect(turnsOf(held) * 10_000).toBeLessThan(16_000_000);
    expect(lastTrace()).toMatchObject({ function: name, error: 'slow-reader' });
    socket.resume();
    await ended;
  });

  test('one that waits for PHP longer than that is not cut off', async () => {
    const response = await callUrl(server.url, 'pauses', null);
    expect(await response.text()).toBe('"item"\n"more"\n');
  });
});
