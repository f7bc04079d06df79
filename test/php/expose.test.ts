/** `exposeErrors`: what a developer's caller sees. */
import { beforeAll, expect, test } from 'vitest';
import type { Gateway } from '../../gateway/gateway.ts';
import { ask } from '../support/call.ts';
import { eachEngine } from '../support/engines.ts';
import { wholeFile } from '../support/lifetime.ts';
import { functionsProject } from '../support/project.ts';

eachEngine(({ startGateway }) => {
  const file = wholeFile();
  let gateway: Gateway;

  beforeAll(async () => {
    const project = functionsProject(
      {
        exception: "throw new \\RuntimeException('the reason');",
        fatal: "trigger_error('the reason', E_USER_ERROR);",
        printed: "echo 'the text'; return 1;",
      },
      file,
    );
    gateway = await startGateway({ exposeErrors: true, pools: { default: { workers: 1 } } }, { project }, file);
  });

  test.each([
    ['an exception', 'exception', /RuntimeException: the reason in .*functions\/exception\.php:4\n#0 /],
    ['a fatal error', 'fatal', /the reason in .*functions\/fatal\.php:4/],
    ['what was printed', 'printed', /the text/],
  ])('%s is told with file and line', async (_, name, said) => {
    expect((await ask(gateway, name)).body.debug).toMatch(said);
  });
});
