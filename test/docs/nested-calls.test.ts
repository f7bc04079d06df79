/** The page on functions that call functions: its example runs, and what it says of codes and limits is so. */
import { expect, test } from 'vitest';
import { codes } from '../../gateway/errors.ts';
import { block, readPage } from '../support/doc-blocks.ts';
import { startGateway } from '../support/gateway.ts';
import { anyContract, handler, writeProject } from '../support/project.ts';

const page = 'docs/nested-calls.md';

test('the example calls a function by hand, one worker for both', async () => {
  const project = writeProject({
    'schemas/checkout.ts': anyContract(),
    'functions/checkout.php': block(page, 'php', '// functions/checkout.php'),
    'schemas/word-count.ts': anyContract(),
    'functions/word-count.php': handler(
      "return [str_word_count($input['text']), explode(' ', (string) getenv('FPMG_CALL'))[2]];",
    ),
  });
  const gateway = await startGateway({ pools: { default: { workers: 1 } } }, { project });
  expect(await gateway.invoke('checkout', { text: 'to be or not' })).toEqual({ status: 200, answer: [4, 'checkout'] });
});

test('codes and settings it names exist', async () => {
  const text = readPage(page);
  const named = [...text.matchAll(/\b[345]\d\d `([a-z-]+)`/g)].map(([, code = '']) => code);
  expect(named.length).toBeGreaterThan(3);
  expect(named.filter((code) => !Object.hasOwn(codes, code))).toEqual([]);
  const settings = readPage('docs/settings.md');
  for (const name of ['limits.callDepthMax', 'internal.socket', 'internal.enabled'])
    expect(settings).toContain(`| \`${name}\` |`);
});
