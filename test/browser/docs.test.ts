/** The API page in a real browser, on a real gateway: what people see and can do. */
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { Browser, Locator, Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { openPage, startBrowser } from '../support/browser.ts';
import { docsProject, Steps } from '../support/docs-project.ts';
import { startTestServer } from '../support/gateway.ts';
import { thisTest, wholeFile } from '../support/lifetime.ts';
import { until } from '../support/until.ts';

const lifetime = wholeFile();
const steps = new Steps(lifetime);
let browser: Browser;
let server: Server;

beforeAll(async () => {
  [browser, server] = await Promise.all([
    startBrowser(lifetime),
    startTestServer(docsProject(steps, lifetime), {}, lifetime),
  ]);
});

const open = (place: string): Promise<Page> => openPage(browser, `${server.url}/docs${place}`);

const field = (page: Page, label: string): Locator => page.getByLabel(new RegExp(`^${label} (?:required|optional)$`));

const send = (page: Page): Promise<void> => page.getByRole('button', { name: 'Send' }).click();

const answer = (page: Page): Locator => page.getByRole('region', { name: 'Answer' });

const result = async (page: Page): Promise<unknown> =>
  JSON.parse((await answer(page).getByLabel('Result').textContent()) ?? '');

/** Waits until the answer's last line begins so, and gives it. */
const ending = async (page: Page, start: string): Promise<string> => {
  const state = answer(page).getByRole('status').filter({ hasText: start });
  await state.waitFor();
  return (await state.textContent()) ?? '';
};

const curl = async (page: Page): Promise<string> => (await page.getByLabel('As a curl command').textContent()) ?? '';

const textFile = (name: string, text: string) => ({ name, mimeType: 'text/plain', buffer: Buffer.from(text) });

describe('the page', () => {
  test('opens without an error, asks nobody else, and lists the functions', async () => {
    const page = await open('');
    const errors: string[] = [];
    page.on('console', (message) => errors.push(message.text()));
    await page.reload();
    const links = page.getByRole('navigation').getByRole('listitem');
    await links.first().waitFor();
    expect(await links.getByRole('link').locator('b').allTextContents()).toEqual([
      ...['archive', 'count', 'flood', 'greet', 'invoice'],
      ...['legacy/go.php', 'legacy/report.php', 'legacy/sub/list.php', 'measure', 'pixel', 'spell', 'store'],
    ]);
    expect(errors).toEqual([]);
  });

  test('a link leads to a function, and the search narrows the list by keyboard alone', async () => {
    const page = await open('#/legacy/sub/list.php');
    await page.getByRole('heading', { name: 'legacy/sub/list.php' }).waitFor();
    await page.keyboard.press('/');
    await page.keyboard.type('hello');
    await page.getByText('1 of 12').waitFor();
    await page.keyboard.press('Tab');
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: 'greet' }).waitFor();
    expect(new URL(page.url()).hash).toBe('#/greet');
  });

  test('an unknown name is told', async () => {
    const page = await open('#/%3Cb%3Enobody');
    await page.getByText('There is no function at #/%3Cb%3Enobody').waitFor();
  });

  test('markup in descriptions stays text', async () => {
    const page = await open('#/greet');
    await page.getByText('<script>document.title = "taken"</script>').waitFor();
    await page.getByText('Say <b>hello</b>').first().waitFor();
    expect(await page.title()).toBe('greet · Functions');
    expect(await page.locator('main script, main img').count()).toBe(0);
  });

  test('says what is wrong when the list cannot be had, and works without any function', async () => {
    const page = await open('');
    await page.route('**/openapi.json', (route) => route.fulfill({ status: 503, json: { detail: 'not now' } }));
    await page.reload();
    await page.getByRole('alert').getByText('GET /openapi.json answered 503: not now').waitFor();
    const empty = { openapi: '3.1.0', info: { title: 'T', version: '1' }, paths: {}, components: { schemas: {} } };
    await page.route('**/openapi.json', (route) => route.fulfill({ json: empty }));
    await page.getByRole('button', { name: 'Try again' }).click();
    await page.getByText('There is no function yet').waitFor();
  });

  test('is dark where the system is', async () => {
    const background = async (colorScheme: 'dark' | 'light'): Promise<string> => {
      const page = await openPage(browser, `${server.url}/docs`, { colorScheme });
      return await page.evaluate('getComputedStyle(document.body).backgroundColor');
    };
    expect(await background('light')).toBe('rgb(246, 247, 249)');
    expect(await background('dark')).toBe('rgb(20, 22, 26)');
  });

  test('fits a narrow screen', async () => {
    const page = await openPage(browser, `${server.url}/docs#/invoice`, { viewport: { width: 360, height: 700 } });
    await page.getByRole('heading', { name: 'invoice' }).waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360);
  });
});

describe('a call', () => {
  test('is made by the form, and its answer shown with status, time and trace', async () => {
    const page = await open('#/greet');
    await page.getByRole('radio', { name: 'POST' }).check();
    await field(page, 'name').fill('Ada');
    await field(page, 'loud').selectOption('true');
    await send(page);
    expect(await ending(page, 'Complete')).toMatch(/^Complete · 30 bytes · in [\d.]+ m?s$/);
    expect(await result(page)).toEqual({ text: 'HELLO Ada', tags: [] });
    await answer(page).getByText('200 OK').waitFor();
    expect(await answer(page).locator('dd').first().textContent()).toMatch(/^[0-9a-f]{32}/);
    expect(await answer(page).getByLabel('Time of each phase').textContent()).toMatch(/validate.*queue.*php.*output/);
  });

  test('begins with a sample that the contract takes', async () => {
    const page = await open('#/invoice');
    await send(page);
    await ending(page, 'Complete');
    expect(await result(page)).toEqual({
      ...{ number: 'number', date: '2026-01-31', currency: 'USD', buyer: { name: 'name' } },
      lines: [{ text: 'text', cents: 1 }],
    });
  });

  test('carries nested members, lists and what was left out, from the form and from JSON alike', async () => {
    const page = await open('#/invoice');
    await page.getByRole('checkbox').check();
    await field(page, 'percent').fill('12.5');
    await page.getByRole('button', { name: 'Add to lines' }).click();
    await page.getByRole('group', { name: 'lines' }).first().getByLabel('cents').last().fill('7');
    await field(page, 'extra').fill('[1, 2]');
    const sent = {
      ...{ number: 'number', date: '2026-01-31', buyer: { name: 'name' } },
      lines: [
        { text: 'text', cents: 1 },
        { text: 'text', cents: 7 },
      ],
      ...{ discount: { percent: 12.5 }, extra: [1, 2] },
    };
    await send(page);
    await ending(page, 'Complete');
    expect(await result(page)).toEqual({ ...sent, currency: 'USD' });
    await page.getByRole('radio', { name: 'JSON' }).check();
    const text = page.getByLabel('Input as JSON');
    expect(JSON.parse(await text.inputValue())).toEqual(sent);
    await text.fill(JSON.stringify({ ...sent, paid: true }));
    await page.getByRole('radio', { name: 'Form' }).check();
    expect(await field(page, 'paid').inputValue()).toBe('0');
    await page.getByRole('button', { name: 'Remove this item of lines' }).first().click();
    await send(page);
    await ending(page, 'Complete');
    expect(await result(page)).toEqual({ ...sent, currency: 'USD', paid: true, lines: [{ text: 'text', cents: 7 }] });
  });

  test('with a wrong member gets the complaint at its field, which goes when the field changes', async () => {
    const page = await open('#/invoice');
    await page.getByLabel('cents').fill('1001');
    await page.getByRole('group', { name: 'buyer' }).getByLabel('name').fill('');
    await send(page);
    const problem = answer(page).getByRole('region', { name: 'Problem' });
    await problem.getByText('validation-failed').waitFor();
    await problem.getByText('The function did not run.').waitFor();
    await problem.getByText('Next: ').waitFor();
    const cents = page.getByLabel('cents');
    const complaint = page.locator('.field', { has: cents }).last().locator('.complaint');
    expect(await complaint.textContent()).toContain('<=1000');
    expect(await cents.getAttribute('aria-invalid')).toBe('true');
    await problem.getByRole('button', { name: '/buyer/name' }).click();
    expect(await page.evaluate('document.activeElement.name')).toBe('name');
    await cents.fill('1000');
    expect(await complaint.isVisible()).toBe(false);
  });

  test('is not made with a text that is no JSON', async () => {
    const page = await open('#/invoice');
    await page.getByRole('radio', { name: 'JSON' }).check();
    await page.getByLabel('Input as JSON').fill('{');
    await page.getByText('This is no JSON').waitFor();
    await send(page);
    await answer(page).getByText('Nothing sent yet.').waitFor();
  });

  test('by GET or as a form says its input in fields, and the curl line says the same', async () => {
    const page = await open('#/greet');
    await field(page, 'name').fill("O'Neil & Co");
    await page.getByRole('button', { name: 'Add to tags' }).click();
    await page.getByRole('group', { name: 'tags' }).getByRole('textbox').fill('a b');
    expect(await curl(page)).toBe(`curl -sS '${server.url}/functions/greet?name=O%27Neil+%26+Co&tags%5B%5D=a+b'`);
    await send(page);
    await ending(page, 'Complete');
    expect(await result(page)).toEqual({ text: "Hello O'Neil & Co", tags: ['a b'] });
    await page.getByRole('radio', { name: 'POST' }).check();
    await field(page, 'name').fill("O'Neil");
    expect(await curl(page)).toBe(
      `curl -sS ${server.url}/functions/greet \\\n  -H 'content-type: application/json' \\\n  --data-raw '{"name":"O'\\''Neil"}'`,
    );
    await page.getByRole('radio', { name: 'URL-encoded' }).check();
    expect(await curl(page)).toContain("-H 'content-type: application/x-www-form-urlencoded'");
    await send(page);
    await ending(page, 'Complete');
    expect(await result(page)).toMatchObject({ text: "Hello O'Neil" });
  });

  test('runs each script at its own path', async () => {
    const page = await open('#/legacy/sub/list.php');
    await field(page, 'year').fill('2024');
    await send(page);
    await ending(page, 'Complete');
    await answer(page).getByText('list of 2024').waitFor();
  });

  test('does not follow a script to another site', async () => {
    let asked = 0;
    const other = createServer((_request, response) => {
      asked += 1;
      response.end();
    });
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    thisTest(() => void other.close());
    const { port } = other.address() as AddressInfo;
    const page = await open('#/legacy/go.php');
    await page.getByRole('radio', { name: 'JSON' }).check();
    await page.getByLabel('Input as JSON').fill(JSON.stringify({ year: 2024, to: `http://127.0.0.1:${port}/` }));
    await send(page);
    await ending(page, 'Redirected');
    expect(asked).toBe(0);
  });

  test('shows a picture, and offers any other file to keep', async () => {
    const page = await open('#/pixel');
    await send(page);
    const picture = answer(page).getByRole('img');
    await picture.waitFor();
    const width = (): Promise<number> => page.evaluate('document.querySelector(".answer img").naturalWidth');
    await until('the picture is painted', async () => (await width()) === 1);
    await page.getByRole('link', { name: 'archive' }).click();
    await send(page);
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      answer(page).getByRole('link', { name: 'Save archive.zip' }).click(),
    ]);
    expect(readFileSync(await download.path(), 'utf8')).toBe('PK, more or less');
  });
});

describe('files', () => {
  test('are sent from their fields, one or several', async () => {
    const page = await open('#/measure');
    await field(page, 'text').setInputFiles(textFile('one.txt', 'one'));
    await field(page, 'more').setInputFiles([textFile('two.txt', 'two'), textFile('c; d.txt', 'three')]);
    expect(await curl(page)).toContain(`-F 'more[]=@"c; d.txt";type=text/plain'`);
    await send(page);
    await ending(page, 'Complete');
    expect(await result(page)).toEqual({ title: 'title', names: ['one.txt', 'two.txt', 'c; d.txt'], size: 11 });
  });

  test('that must be there stand in the curl line before one is chosen', async () => {
    const page = await open('#/measure');
    expect(await curl(page)).toContain("-F 'text=@FILE'");
    expect(await curl(page)).not.toContain('more');
    await field(page, 'text').setInputFiles(textFile('one.txt', 'one'));
    expect(await curl(page)).not.toContain('FILE');
    await page.getByRole('group', { name: 'Edit as' }).getByRole('radio', { name: 'JSON' }).check();
    await page.getByLabel('Input as JSON').fill('null');
    expect(await curl(page)).not.toContain('one.txt');
    expect(await curl(page)).toContain("-F 'text=@FILE'");
  });

  test('go beside members written as JSON', async () => {
    const page = await open('#/measure');
    await field(page, 'text').setInputFiles(textFile('one.txt', 'one'));
    await page.getByRole('group', { name: 'Edit as' }).getByRole('radio', { name: 'JSON' }).check();
    await page.getByLabel('Input as JSON').fill('{"title":"From JSON"}');
    await send(page);
    await ending(page, 'Complete');
    expect(await result(page)).toMatchObject({ title: 'From JSON', names: ['one.txt'] });
  });

  test('stay out of JSON, which has no word for them', async () => {
    const page = await open('#/measure');
    await field(page, 'text').setInputFiles(textFile('one.txt', 'one'));
    await page.getByRole('group', { name: 'Send as' }).getByRole('radio', { name: 'JSON' }).check();
    expect(await curl(page)).toContain(`--data-raw '{"title":"title"}'`);
    await page.getByRole('radio', { name: 'Multipart' }).check();
    expect(await curl(page)).toContain('one.txt');
  });

  test('that are too large, too many or of the wrong type are told before anything is sent', async () => {
    const page = await open('#/measure');
    await page.getByText('at most 100 bytes · text/plain').first().waitFor();
    await field(page, 'text').setInputFiles(textFile('long.txt', 'x'.repeat(101)));
    await page.getByText('long.txt has 101 bytes; at most 100 bytes are taken.').waitFor();
    await send(page);
    await answer(page).getByText('Nothing sent yet.').waitFor();
    await field(page, 'text').setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer: Buffer.from('a') });
    await page.getByText('a.png is image/png; text/plain is taken.').waitFor();
    await field(page, 'more').setInputFiles(['a', 'b', 'c'].map((name) => textFile(name, name)));
    await page.getByText('3 files; at most 2 are taken.').waitFor();
  });

  test('can be the whole body', async () => {
    const page = await open('#/store');
    await field(page, 'request body').setInputFiles(textFile('it.txt', 'twelve bytes'));
    expect(await curl(page)).toContain('-X PUT');
    await send(page);
    await ending(page, 'Complete');
    expect(await result(page)).toEqual({ stored: 12 });
  });
});

describe('a stream', () => {
  const items = (page: Page): Locator => answer(page).getByLabel('Items of the stream').getByRole('listitem');

  const shown = async (page: Page, count: number): Promise<string[]> => {
    await items(page)
      .nth(count - 1)
      .waitFor();
    return await items(page).allTextContents();
  };

  const start = async (place: string, name: string, accept: string): Promise<Page> => {
    const page = await open(`#/${place}`);
    await field(page, 'name').fill(name);
    await page.getByRole('radio', { name: accept }).check();
    await send(page);
    return page;
  };

  test.each(['NDJSON', 'Server-Sent Events'])('is shown item by item as %s, to its end', async (name) => {
    const page = await start('count', name, name);
    expect(await shown(page, 1)).toEqual(['{"item":1}']);
    steps.pass(name, 1);
    expect(await shown(page, 2)).toEqual(['{"item":1}', '{"item":2}']);
    await answer(page).getByText('2 items so far').waitFor();
    steps.pass(name, 2);
    await shown(page, 3);
    steps.pass(name, 3);
    expect(await ending(page, 'Complete')).toContain('Complete · 3 items');
  });

  test.each(['NDJSON', 'Server-Sent Events'])('that fails as %s ends with its error', async (type) => {
    const name = `no ${type}`;
    for (const item of [1, 2, 3]) steps.pass(name, item);
    const page = await open('#/count');
    await field(page, 'name').fill(name);
    await field(page, 'fails').selectOption('true');
    await page.getByRole('radio', { name: type }).check();
    await send(page);
    expect(await ending(page, 'Ended')).toContain('Ended with error function-error · 3 items');
    await answer(page).getByRole('region', { name: 'Problem' }).getByText('The function ran.').waitFor();
  });

  test('of text grows, and one without a proper end is told from a complete one', async () => {
    const page = await start('spell', 'text', 'Text');
    const text = answer(page).getByLabel('Text of the answer');
    await text.getByText('letter 1.', { exact: true }).waitFor();
    for (const item of [1, 2, 3]) steps.pass('text', item);
    await ending(page, 'Complete');
    expect(await text.textContent()).toBe('letter 1. letter 2. letter 3. ');
    await field(page, 'fails').selectOption('true');
    await send(page);
    expect(await ending(page, 'Cut off')).toContain('the connection ended before the answer did');
  });

  test('is stopped by Stop', async () => {
    const page = await start('count', 'stopped', 'NDJSON');
    await shown(page, 1);
    await page.getByRole('button', { name: 'Stop' }).click();
    expect(await ending(page, 'Stopped')).toContain('Stopped by you · 1 item');
    await page.getByRole('button', { name: 'Send' }).and(page.locator(':enabled')).waitFor();
  });

  test('of very many items keeps the last thousand', async () => {
    const page = await open('#/flood');
    await send(page);
    expect(await ending(page, 'Complete')).toContain('2,500 items');
    expect(await items(page).count()).toBe(1000);
    expect(await items(page).first().textContent()).toBe('1501');
    expect(await items(page).last().textContent()).toBe('2500');
  });
});

test('the example functions can be tried out', async () => {
  const root = join(import.meta.dirname, '..', '..');
  const { url } = await startTestServer(root);
  const page = await openPage(browser, `${url}/docs#/word-count`, { viewport: { width: 1280, height: 740 } });
  await send(page);
  await ending(page, 'Complete');
  expect(await result(page)).toMatchObject({ words: 6, uniqueWords: 4 });
  // The picture in docs/api-page.md.
  if (process.env.UPDATE_DOCS === '1') await page.screenshot({ path: join(root, 'docs', 'docs-page.png') });
  await page.getByRole('link', { name: 'create-pdf' }).click();
  await send(page);
  await ending(page, 'Complete');
  await answer(page).getByTitle('The answer, create-pdf.pdf').waitFor();
});
