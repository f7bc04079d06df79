import { createHash } from 'node:crypto';
import { appendFileSync, renameSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import config from '../../deploy/gateway.config.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { post } from '../support/call.ts';
import { eachEngine } from '../support/engines.ts';
import { openFolder, wholeFile } from '../support/lifetime.ts';
import { until } from '../support/until.ts';

const project = join(import.meta.dirname, '..', '..');
eachEngine(({ startGateway }) => {
  const file = wholeFile();
  const logs = openFolder(file);
  let gateway: Gateway;

  beforeAll(async () => {
    const env = { FPMG_POOLS__STREAMS__ENV: JSON.stringify({ LOG_DIR: logs }) };
    gateway = await startGateway(config, { project, env }, file);
  });

  /** A request as a browser or curl makes it. */
  const send = async (path: string, init: RequestInit = {}): Promise<Response> =>
    await gateway.fetch(new Request(`http://localhost/functions/${path}`, init));

  const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

  test('no contract of the example project has an unbounded member', () => {
    // What handlers do is told of their files, under the resident engine.
    expect(gateway.warnings.filter(({ file }) => file.startsWith('schemas/'))).toEqual([]);
  });

  test('echo says hello to the very name it got', async () => {
    for (const name of ['Ada', 'Ἀθηνᾶ', '🦉 \u0000 "quoted" </script>', ' '.repeat(200)]) {
      const response = await post(gateway, 'echo', { name });
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ hello: name });
    }
  });

  describe('create-pdf', () => {
    const invoice = {
      number: '2026-0042',
      issueDate: '2026-11-21',
      dueDate: '2026-12-21',
      seller: { name: 'Lumen & Vale Studio', address: ['18 Harbour Lane', 'Bristol'], vatId: 'GB 123456789' },
      buyer: { name: 'Ada Lovelace', address: ['London'] },
      currency: 'EUR',
      lines: [{ description: 'Design', quantity: 7.5, unitPriceCents: 64_000, vatPercent: 20 }],
    };

    test('makes a PDF of an invoice', async () => {
      const response = await post(gateway, 'create-pdf', invoice);
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('application/pdf');
      const pdf = await bytesOf(response);
      expect(pdf.toString('latin1', 0, 5)).toBe('%PDF-');
      expect(pdf.toString('latin1').trimEnd().endsWith('%%EOF')).toBe(true);
    });

    test('of as many pages as its lines need', async () => {
      const pages = async (count: number): Promise<number> => {
        const lines = Array.from({ length: count }, () => invoice.lines[0]);
        const pdf = await bytesOf(await post(gateway, 'create-pdf', { ...invoice, lines }));
        return pdf.toString('latin1').match(/\/Type \/Page\b/g)?.length ?? 0;
      };
      expect(await pages(1)).toBe(1);
      expect(await pages(120)).toBeGreaterThan(2);
    });

    test('declares that an invoice without lines is none', async () => {
      const response = await post(gateway, 'create-pdf', { ...invoice, lines: [] });
      expect(response.status).toBe(422);
      expect(await response.json()).toMatchObject({ code: 'no-lines', executed: 'yes', data: { number: '2026-0042' } });
    });

    test('refuses an invoice that is due before it is issued, and PHP does not run', async () => {
      const response = await post(gateway, 'create-pdf', { ...invoice, dueDate: '2026-01-01' });
      expect(response.status).toBe(422);
      expect(await response.json()).toMatchObject({
        code: 'validation-failed',
        executed: 'no',
        errors: [{ pointer: '/dueDate' }],
      });
    });
  });

  /** A GIF of one transparent pixel. */
  const pixel = 'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';

  describe('resize-image', () => {
    test('answers in the media type asked for', async () => {
      const response = await post(gateway, 'resize-image', {
        image: pixel,
        width: 64,
        height: 32,
        fit: 'cover',
        format: 'png',
      });
      expect(response.status).toBe(200);
      expect(response.headers.get('content-type')).toBe('image/png');
      const png = await bytesOf(response);
      expect(png.subarray(1, 4).toString()).toBe('PNG');
      // Width and height of the IHDR chunk.
      expect([png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual([64, 32]);
    });

    test('applies the defaults of its contract: webp', async () => {
      const response = await post(gateway, 'resize-image', { image: pixel, width: 8 });
      expect(response.headers.get('content-type')).toBe('image/webp');
    });

    test('declares what is no image', async () => {
      const response = await post(gateway, 'resize-image', {
        image: Buffer.from('plain text').toString('base64'),
        width: 8,
      });
      expect(response.status).toBe(422);
      expect(await response.json()).toMatchObject({ code: 'not-an-image' });
    });

    test('refuses a picture of a billion pixels before it is decoded', async () => {
      const bomb = Buffer.from(pixel, 'base64');
      bomb.writeUInt16LE(0xffff, 6);
      bomb.writeUInt16LE(0xffff, 8);
      const response = await post(gateway, 'resize-image', { image: bomb.toString('base64'), width: 8 });
      expect(response.status).toBe(422);
      expect(await response.json()).toMatchObject({ code: 'image-too-large', data: { width: 65_535, height: 65_535 } });
    });
  });

  describe('word-count', () => {
    test('counts', async () => {
      const response = await post(gateway, 'word-count', { text: 'To be, or not to be.', top: 2 });
      expect(await response.json()).toMatchObject({
        characters: 20,
        words: 6,
        uniqueWords: 4,
        sentences: 1,
        lines: 1,
        top: [
          { word: 'to', count: 2 },
          { word: 'be', count: 2 },
        ],
      });
    });

    test('declares that there is nothing to count', async () => {
      const response = await post(gateway, 'word-count', { text: '…!' });
      expect(response.status).toBe(422);
      expect(await response.json()).toMatchObject({ code: 'no-words', data: { characters: 2 } });
    });
  });

  describe('sleep', () => {
    test('sleeps', async () => {
      const response = await post(gateway, 'sleep', { ms: 5 });
      expect(response.status).toBe(200);
      const { sleptMs } = (await response.json()) as { sleptMs: number };
      expect(sleptMs).toBeGreaterThanOrEqual(5);
    });

    test('is stopped at the time limit of the caller', async () => {
      const response = await post(gateway, 'sleep', { ms: 60_000 }, { 'x-request-timeout-ms': '1000' });
      expect(response.status).toBe(504);
      expect(await response.json()).toMatchObject({ code: 'function-timeout', executed: 'unknown' });
    });
  });

  describe('legacy-form', () => {
    const form = {
      name: 'Ada <b>',
      email: 'ada@example.org',
      topic: 'order',
      copies: '2',
      message: 'Hello there, all',
    };
    const submit = async (fields: Record<string, string>): Promise<Response> =>
      await send('legacy-form', { method: 'POST', body: new URLSearchParams(fields) });

    test('shows itself, takes what is sent, redirects, thanks, and knows the name from its cookie', async () => {
      const shown = await send('legacy-form');
      expect([shown.status, shown.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      expect(await shown.text()).toContain('<form method="post" action="/functions/legacy-form">');

      const answered = await submit({ ...form, newsletter: 'on' });
      expect([answered.status, answered.headers.get('location')]).toEqual([303, '/functions/legacy-form?sent=1']);
      const [cookie] = answered.headers.getSetCookie();
      expect(cookie).toMatch(/^contact_name=Ada%20%3Cb%3E; .*HttpOnly; SameSite=Lax$/);

      const thanked = await send('legacy-form?sent=1', { headers: { cookie: cookie?.split(';')[0] ?? '' } });
      expect(await thanked.text()).toContain('Thank you, Ada &lt;b&gt;.');
    });

    test('takes the same form as multipart', async () => {
      const body = new FormData();
      for (const [name, text] of Object.entries(form)) body.append(name, text);
      expect((await send('legacy-form', { method: 'POST', body })).status).toBe(303);
    });

    test('says itself what is missing, and keeps what was typed', async () => {
      const answer = await submit({ ...form, email: '"><script>', message: 'short' });
      const html = await answer.text();
      expect(answer.status).toBe(422);
      expect(html).toContain('Please give an address');
      expect(html).toContain('at least ten characters');
      expect(html).toContain('value="&quot;&gt;&lt;script&gt;"');
      expect(html).toContain('<option value="order" selected>');
    });

    test('never sees what its contract refuses', async () => {
      const answer = await submit({ ...form, copies: '1000' });
      expect([answer.status, await answer.json()]).toEqual([
        422,
        expect.objectContaining({ code: 'validation-failed', executed: 'no' }),
      ]);
    });

    test('takes nothing from a page of another origin', async () => {
      const headers = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site' };
      const answer = await send('legacy-form', { method: 'POST', body: new URLSearchParams(form), headers });
      expect([answer.status, await answer.json()]).toEqual([
        403,
        expect.objectContaining({ code: 'forbidden-origin' }),
      ]);
    });
  });

  describe('upload-avatar', () => {
    const picture = async (format: string, width: number, height: number): Promise<Buffer> =>
      await bytesOf(await post(gateway, 'resize-image', { image: pixel, width, height, fit: 'cover', format }));
    const upload = async (bytes: Buffer, type: string, nickname = 'ada'): Promise<Response> => {
      const form = new FormData();
      form.append('nickname', nickname);
      form.append('avatar', new File([new Uint8Array(bytes)], '../Ada Portrait.png', { type }));
      // Whole: Node's own stream of a form fails behind our back when it is not read to its end.
      const whole = new Response(form);
      const headers = { 'content-type': whole.headers.get('content-type') ?? '' };
      return await send('upload-avatar', { method: 'POST', headers, body: await whole.arrayBuffer() });
    };

    test.each(['png', 'jpeg', 'webp'])('tells what a %s is', async (format) => {
      const bytes = await picture(format, 80, 64);
      const answer = await upload(bytes, `image/${format}`);
      expect([answer.status, await answer.json()]).toEqual([
        200,
        {
          nickname: 'ada',
          width: 80,
          height: 64,
          type: `image/${format}`,
          bytes: bytes.length,
          sha256: createHash('sha256').update(bytes).digest('hex'),
          fileName: 'Ada Portrait.png',
        },
      ]);
    });

    test('declares a picture that is too small', async () => {
      const answer = await upload(await picture('png', 80, 63), 'image/png');
      expect(await answer.json()).toMatchObject({ code: 'picture-too-small', data: { width: 80, height: 63 } });
    });

    test('declares one that is cut off, also where GD would draw the rest', async () => {
      const cut = async (format: string): Promise<Buffer> => (await picture(format, 400, 400)).subarray(0, -40);
      for (const format of ['png', 'jpeg', 'webp']) {
        const answer = await upload(await cut(format), `image/${format}`);
        expect(await answer.json()).toMatchObject({ code: 'broken-picture', executed: 'yes' });
      }
    });

    test.each([
      ['a GIF', Buffer.from(pixel, 'base64'), 'is image/gif; image/png, image/jpeg, image/webp is taken'],
      ['a GIF that says it is a PNG', Buffer.from(pixel, 'base64'), 'is image/gif;'],
      ['text that says it is a PNG', Buffer.from('<?php echo 1;'), 'is application/octet-stream;'],
    ])('refuses %s before PHP runs', async (what, bytes, why) => {
      const answer = await upload(bytes, what === 'a GIF' ? 'image/gif' : 'image/png');
      expect([answer.status, await answer.json()]).toEqual([
        422,
        expect.objectContaining({
          code: 'validation-failed',
          executed: 'no',
          errors: [expect.objectContaining({ pointer: '/avatar', detail: expect.stringContaining(why) })],
        }),
      ]);
    });

    test('refuses a file that is too large, by its name and its limit', async () => {
      const answer = await upload(Buffer.alloc(5 * 1_048_576 + 1), 'image/png');
      expect([answer.status, await answer.json()]).toEqual([
        413,
        expect.objectContaining({ code: 'file-too-large', detail: expect.stringMatching(/"avatar".*5242880/) }),
      ]);
    });
  });

  describe('tail-log', () => {
    const write = (name: string, text: string): string => {
      const path = join(logs, name);
      writeFileSync(path, text);
      return path;
    };

    /** Its items one by one, as they come. */
    const follow = async (query: string): Promise<{ next: () => Promise<string | undefined>; leave: () => void }> => {
      const response = await send(`tail-log?${query}`);
      expect(response.headers.get('content-type')).toBe('application/x-ndjson');
      const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
      let text = '';
      const next = async (): Promise<string | undefined> => {
        while (!text.includes('\n')) {
          const piece = await reader?.read();
          if (piece?.value === undefined) return undefined;
          text += piece.value;
        }
        const line = text.slice(0, text.indexOf('\n'));
        text = text.slice(line.length + 1);
        return JSON.parse(line).line;
      };
      return { next, leave: () => void reader?.cancel() };
    };

    const busyWorkers = (): number | undefined =>
      gateway.pools().find(({ name }) => name === 'streams')?.backends[0]?.taken;

    test('gives the last lines there are, then each one as it is written, also after a rotation', async () => {
      const log = write('shop.log', 'one\ntwo\nthree\nfo');
      const { next, leave } = await follow('name=shop.log&lines=2');
      expect([await next(), await next()]).toEqual(['two', 'three']);
      appendFileSync(log, 'ur\r\n');
      expect(await next()).toBe('four');
      appendFileSync(log, `${'é'.repeat(3000)}\n\xff\n`);
      expect(await next()).toBe('é'.repeat(2000));
      await next();
      renameSync(log, `${log}.1`);
      write('shop.log', 'five\n');
      expect(await next()).toBe('five');
      leave();
    });

    test('a reader that leaves frees its worker', async () => {
      write('left.log', 'one\n');
      const { next, leave } = await follow('name=left.log');
      await next();
      expect(busyWorkers()).toBeGreaterThan(0);
      leave();
      await until('no worker is busy', () => busyWorkers() === 0);
    });

    test('ends well at its time limit, and at once when it is not to follow', async () => {
      write('short.log', 'one\ntwo\n');
      const headers = { 'x-request-timeout-ms': '1000', accept: 'text/event-stream' };
      for (const query of ['', '&follow=no']) {
        const answer = await send(`tail-log?name=short.log&lines=1${query}`, { headers });
        expect(await answer.text()).toMatch(/^data: \{"line":"two",.*\}\n\nevent: end\ndata: \{\}\n\n$/);
      }
    });

    test('follows an empty log, and answers POST', async () => {
      write('empty.log', '');
      const answer = await post(gateway, 'tail-log', { name: 'empty.log', follow: false });
      expect([answer.status, await answer.text()]).toEqual([200, '']);
    });

    test.each(['../package.json', '..%2fsecret.log', '%2fetc%2fpasswd', '.hidden.log', 'a..log', 'x.log%00.txt'])(
      'refuses the name %s before PHP runs',
      async (name) => {
        const answer = await send(`tail-log?name=${name}`);
        expect(await answer.json()).toMatchObject({ executed: 'no', status: expect.toBeOneOf([400, 422]) });
      },
    );

    test('a link out of the folder, a folder and a missing file are no logs', async () => {
      symlinkSync(join(project, 'LICENSE'), join(logs, 'link.txt'));
      for (const name of ['link.txt', 'missing.log']) {
        const answer = await send(`tail-log?name=${name}`);
        expect([answer.status, await answer.json()]).toEqual([
          422,
          expect.objectContaining({ code: 'no-such-log', data: { name } }),
        ]);
      }
    });
  });

  describe('export-csv', () => {
    test('writes a row for each day, as a stream of text/csv', async () => {
      const answer = await send('export-csv?from=2026-12-31&to=2027-01-01&separator=;');
      expect([answer.status, answer.headers.get('content-type')]).toEqual([200, 'text/csv']);
      expect(await answer.text()).toBe(
        'date;weekday;iso_week;day_of_year\r\n2026-12-31;Thursday;2026-W53;365\r\n2027-01-01;Friday;2026-W53;1\r\n',
      );
    });

    test('a hundred years: as many rows as days', async () => {
      const answer = await post(gateway, 'export-csv', { from: '1901-01-01', to: '2000-12-31' });
      expect((await answer.text()).split('\r\n')).toHaveLength(1 + 36_525 + 1);
    });
  });
});
