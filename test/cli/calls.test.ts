/** `fpm-gateway calls` and `cancel` as processes. */
import { expect, test } from 'vitest';
import { callUrl } from '../support/call.ts';
import { runCommand } from '../support/command.ts';
import { startTestServer } from '../support/gateway.ts';
import { openFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { Held, WAIT } from '../support/told-handlers.ts';

const run = async (args: readonly string[], env: Readonly<Record<string, string | undefined>> = {}) => {
  const cli = runCommand(args, { env });
  return { code: await cli.exit, out: cli.out(), err: cli.err() };
};

test('calls lists what runs, cancel ends it; both take where the listener is, and its token, from the environment', async () => {
  const token = 'a-token-of-sixteen-characters-or-more';
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '1', FPMG_ADMIN__TOKEN: token };
  const server = await startTestServer(functionsProject({ wait: [WAIT, 'timeoutMs: 600_000'] }), { env });
  const at = { FPM_GATEWAY_ADMIN_URL: server.adminUrl, FPMG_ADMIN__TOKEN: token };
  const held = new Held(openFolder(), 'a');
  const call = callUrl(server.url, 'wait', held.file);
  const pid = await held.started();

  const [plain, json] = await Promise.all([run(['calls'], at), run(['calls', '--json'], at)]);
  const [head = '', row = '', ...more] = plain.out.trimEnd().split('\n');
  expect(head.split(/\s+/)).toEqual(['ID', 'FUNCTION', 'POOL', 'PHASE', 'SINCE', 'LEFT', 'ATTEMPT', 'WORKER', 'TRACE']);
  expect(row).toMatch(new RegExp(`^[0-9a-f-]{36} +wait +default +running .* ${pid} +[0-9a-f]{32}$`));
  expect(more).toEqual([]);
  const { calls } = JSON.parse(json.out) as { calls: { id: string }[] };
  const id = calls[0]?.id ?? '';

  const ended = await run(['cancel', id], at);
  expect(ended).toEqual({ code: 0, err: '', out: `✓ ${id} is cancelled: PHP had it, and is being ended.\n` });
  expect((await call).status).toBe(503);
  const [again, none] = await Promise.all([run(['cancel', id], at), run(['calls'], at)]);
  expect(again.code).toBe(1);
  expect(again.err).toContain('GET /admin/calls lists those that are');
  expect(none.out).toBe('No call is under way.\n');
});

test('without its token, and at another listener, the next step is told', async () => {
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '1', FPMG_ADMIN__TOKEN: 'a-token-of-sixteen-characters-or-more' };
  const server = await startTestServer(functionsProject({ pid: 'return getmypid();' }), { env });
  const url = server.adminUrl ?? '';
  const told = await Promise.all([
    run(['calls', '--admin-url', url]),
    run(['calls', '--admin-url', url, '--token', 'wrong']),
    run(['calls', '--admin-url', server.url]),
  ]);
  expect(told).toEqual(
    ['wants a token: give its admin.token', 'does not take this token', '→ Is http'].map((step) => ({
      code: 1,
      out: '',
      err: expect.stringContaining(step),
    })),
  );
});

test('where no gateway answers, it is said which address was tried and what to do', async () => {
  const nobody = await run(['cancel', 'x', '--admin-url', 'http://127.0.0.1:1', '--json']);
  expect(nobody.code).toBe(1);
  expect(nobody.out).toMatch(/no answer from http:\/\/127\.0\.0\.1:1: .* --admin-url or FPM_GATEWAY_ADMIN_URL/);
});
