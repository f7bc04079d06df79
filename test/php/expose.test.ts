/** `exposeErrors`: what a developer's caller sees. */
import { expect, test } from 'vitest';
import { ask, sharedGateway } from '../support/shared-gateway.ts';

const gateway = sharedGateway(
  {
    exception: "throw new \\RuntimeException('the reason');",
    fatal: "trigger_error('the reason', E_USER_ERROR);",
    printed: "echo 'the text'; return 1;",
  },
  { exposeErrors: true, pools: { default: { workers: 1 } } },
);

test.each([
  ['an exception', 'exception', /RuntimeException: the reason in .*functions\/exception\.php:4\n#0 /],
  ['a fatal error', 'fatal', /the reason in .*functions\/fatal\.php:4/],
  ['what was printed', 'printed', /the text/],
])('%s is told with file and line', async (_, name, said) => {
  expect((await ask(gateway(), name)).body.debug).toMatch(said);
});
