/** One release, one version of the code. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eachEngine } from '../support/engines.ts';
import { functionsProject, handler } from '../support/project.ts';

eachEngine(({ startGateway }) => {
  test('a handler written just before the start stays as it was, whatever is saved afterwards', async () => {
    const project = functionsProject({ version: "return 'one';" });
    const gateway = await startGateway({ pools: { default: { workers: 2 } } }, { project });
    writeFileSync(join(project, 'functions/version.php'), handler("return 'two';"));
    expect(await Promise.all([1, 2, 3, 4].map(() => gateway.invoke('version', null)))).toEqual(Array(4).fill('one'));
    writeFileSync(join(project, 'functions/version.php'), '<?php nonsense nonsense');
    expect(await gateway.invoke('version', null)).toBe('one');
  });
});
