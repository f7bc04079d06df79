/** A `$call` that is kept in a static is of the call that it was given to, and of no other. */
import { expect, test } from 'vitest';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';
import { until } from '../support/until.ts';
import { answers } from './answers.ts';
import { handler } from './handlers.ts';

const file = wholeFile();
const USES: Readonly<Record<string, string>> = {
  invoke: '$old->invoke("inner")',
  send: '$old->send("inner")',
  fire: '$old->fire("inner")',
  sleep: '$old->sleep(1)',
  pool: '$old->pool("kept", static fn () => new stdClass())',
  connect: '$old->connect("tcp://127.0.0.1:1")',
  fetch: '$old->fetch("http://127.0.0.1:1/")',
  read: '$old->read(stream_socket_pair(1, 1, 0)[0])',
};

const { worker } = await startWorker({
  lifetime: file,
  handlers: {
    keeps: `final class Keeps { public static ?Call $call = null; }
      ${handler('Keeps::$call = $call; $call->pool("kept", static fn () => new stdClass()); if ($input["waits"]) { $call->sleep(30_000); } return 1;')}`,
    ...Object.fromEntries(
      Object.entries(USES).map(([name, use]) => [
        name,
        handler(`$old = Keeps::$call; try { ${use}; } catch (LogicException $e) { return $e->getMessage(); }`),
      ]),
    ),
    mixes: handler(`$own = $call->send("inner"); $other = null;
      try { $other = Keeps::$call->send("inner"); } catch (LogicException) {} $other?->wait(); return $own->wait();`),
    sends: `final class Sent { public static ?FpmGateway\\Client\\Pending $pending = null; }
      ${handler('Sent::$pending = $call->send("inner"); return Sent::$pending->wait();')}`,
    cancels: handler('try { Sent::$pending->cancel(); } catch (LogicException $e) { return $e->getMessage(); }'),
    fake: handler('return Call::fake(answers: ["inner" => "canned"])->invoke("inner");'),
  },
  env: { FPMG_GATEWAY: 'unix:/nowhere.sock' },
  concurrent: { callMemoryBytes: 262_144 },
});
const SAYS = /^This \$call is not of the call that uses it/;

test.each(Object.keys(USES))('one of a call that has ended is refused: %s', async (use) => {
  await worker.call('keeps', { waits: false });
  expect((await worker.call(use)).output).toMatch(SAYS);
});

test.each(Object.keys(USES))('one of a call that runs is refused: %s', async (use) => {
  const keeps = worker.sendCall('keeps', { waits: true });
  await until('it waits', () => worker.begun().includes(keeps));
  expect((await worker.call(use)).output).toMatch(SAYS);
  worker.abort(keeps);
  await worker.raw(keeps);
});

test('answers stay with the call that asked, whatever it tries with an old one', async () => {
  await worker.call('keeps', { waits: false });
  const id = worker.sendCall('mixes', {});
  answers(worker)(await worker.nested(), 'own');
  expect((await worker.answer(id)).output).toBe('own');
});

test('what one call has sent no other can cancel', async () => {
  const sends = worker.sendCall('sends', {});
  const inner = await worker.nested();
  expect((await worker.call('cancels')).output).toMatch(/^This client is not of the call that uses it/);
  answers(worker)(inner, 'waited for');
  expect((await worker.answer(sends)).output).toBe('waited for');
  expect(worker.cancelled()).not.toContain(inner.number);
});

test('a fake is of whoever uses it', async () => {
  expect((await worker.call('fake')).output).toBe('canned');
});
