/** What the pool's bootstrap returns, and what is done behind each call, under both engines. */
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { GatewayConfig } from '../../gateway/config.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';
import { until } from '../support/until.ts';

const CONFIG: GatewayConfig = { pools: { default: { workers: 1, bootstrap: 'src/app.php' } } };
const APP = 'func_get_args()[2]';

/** One function, which notes what happens in a file. */
const noting = (bootstrap: string, body: string): { project: string; notes: () => string } => {
  const file = join(openFolder(), 'notes');
  const note = `function note(string $text): void { file_put_contents('${file}', "$text ", FILE_APPEND); }`;
  const project = functionsProject({ noted: body, 'src/app.php': `<?php ${note} note('boots'); ${bootstrap}` });
  return { project, notes: () => readFileSync(file, 'utf8').replace(/^(boots )+/, '') };
};

eachEngine(({ startGateway }) => {
  test('handlers get what the bootstrap returns as their third argument', async () => {
    const { project } = noting("return new ArrayObject(['shop' => 'blue']);", `return ${APP}['shop'];`);
    expect(await (await startGateway(CONFIG, { project })).invoke('noted', null)).toBe('blue');
  });

  test('of a bootstrap that returns nothing they get null', async () => {
    const { project } = noting('', `return [func_num_args(), ${APP}];`);
    expect(await (await startGateway(CONFIG, { project })).invoke('noted', null)).toEqual([3, null]);
  });

  test('hooks of the call run behind the handler, in order, then those of the bootstrap', async () => {
    const { project, notes } = noting(
      "FpmGateway\\Resets::add(fn () => note('always'));",
      "$call->onReset(fn () => note('first')); $call->onReset(fn () => note('second')); note('handler'); return 1;",
    );
    expect(await (await startGateway(CONFIG, { project })).invoke('noted', null)).toBe(1);
    await until('the hooks have run', () => notes() === 'handler first second always ');
  });

  test('they run for a handler that throws, and one that exits', async () => {
    const { project, notes } = noting(
      '',
      "$call->onReset(fn () => note('reset')); if ($input === 'exit') { exit; } throw new Exception('no');",
    );
    const gateway = await startGateway(CONFIG, { project });
    await expect(gateway.invoke('noted', 'throw')).rejects.toMatchObject({ code: 'function-error' });
    await expect(gateway.invoke('noted', 'exit')).rejects.toMatchObject({ code: 'function-no-result' });
    await until('the hooks have run', () => notes().replaceAll('boots ', '') === 'reset reset ');
  });

  test('one that ends PHP is told as an exit, and ends nothing else', async () => {
    const ends = join(openFolder(), 'ends');
    writeFileSync(ends, '');
    const { project } = noting(
      `FpmGateway\\Resets::add(function () { clearstatcache(); if (is_file('${ends}')) { exit; } });`,
      'return 1;',
    );
    const gateway = await startGateway(CONFIG, { project });
    await expect(gateway.invoke('noted', null)).rejects.toMatchObject({ code: 'function-no-result', reason: 'exit' });
    rmSync(ends);
    expect(await gateway.invoke('noted', null)).toBe(1);
  });

  test('one that throws changes no answer, and keeps no other from running', async () => {
    const { project, notes } = noting(
      "FpmGateway\\Resets::add(fn () => note('always'));",
      "$call->onReset(fn () => throw new Exception('no')); $call->onReset(fn () => note('second')); return 1;",
    );
    expect(await (await startGateway(CONFIG, { project })).invoke('noted', null)).toBe(1);
    await until('the other hooks have run', () => notes() === 'second always ');
  });
});
