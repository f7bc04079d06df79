/** What a call gets from a resident worker when all goes well. */
import { expect, test } from 'vitest';
import { wholeFile } from '../support/lifetime.ts';
import { startWorker } from '../support/resident-process.ts';

const lifetime = wholeFile();
const HANDLERS = {
  echo: "return static function (array $input, Call $call): array { return ['hello' => $input['name']]; };",
};
const { worker } = await startWorker({ lifetime, handlers: HANDLERS });

test('a worker tells what it is and which functions it has', async () => {
  const { meta, output } = await worker.prime();
  expect(meta).toMatchObject({ outcome: 'primed', engine: 'resident', pid: worker.pid, served: 0 });
  expect(output).toEqual([{ name: 'echo', inputClass: null, exception: null, stray: '' }]);
});

test('a call is answered', async () => {
  const { meta, output } = await worker.call('echo', { name: 'Ada' });
  expect(output).toEqual({ hello: 'Ada' });
  expect(meta).toMatchObject({ outcome: 'output', encoding: 'json', pid: worker.pid, served: 1 });
});
