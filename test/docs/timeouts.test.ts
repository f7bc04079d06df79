/** docs/timeouts.md shows what the command prints, and its picture every limit that is a time. */
import { expect, test } from 'vitest';
import { runCommand } from '../support/command.ts';
import { block, readPage, root } from '../support/doc-blocks.ts';

const PAGE = 'docs/timeouts.md';

test('the ladder of the page is the one of the example project', async () => {
  const command = runCommand(['--project', root, 'explain', 'resize-image']);
  expect(await command.exit).toBe(0);
  const words = (text: string): string[] => text.split('\n').map((line) => line.trim().replaceAll(/ +/g, ' '));
  const shown = words(block(PAGE, 'text', 'resize-image')).filter((line) => line !== '');
  const printed = words(command.out()).filter((line) => line !== '');
  expect(printed.slice(0, shown.length)).toEqual(shown);
});

test('the picture names the limits of time', () => {
  const picture = readPage('docs/timeouts.svg');
  const names = ['headersTimeoutMs', 'requestTimeoutMs', 'uploadTimeoutMs', 'queueTimeoutMs', 'connectTimeoutMs'];
  names.push('timeoutMs', 'x-request-timeout-ms', 'request_terminate_timeout', 'idleWriteTimeoutMs');
  expect(names.filter((name) => !picture.includes(name))).toEqual([]);
});
