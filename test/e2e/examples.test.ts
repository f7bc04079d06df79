import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import config from '../../deploy/gateway.config.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { post } from '../support/call.ts';
import { startGateway } from '../support/gateway.ts';
import { wholeFile } from '../support/lifetime.ts';

const project = join(import.meta.dirname, '..', '..');
const file = wholeFile();
let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway(config, { project }, file);
});

const bytesOf = async (response: Response): Promise<Buffer> => Buffer.from(await response.arrayBuffer());

test('no contract of the example project has an unbounded member', () => {
  expect(gateway.warnings).toEqual([]);
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

describe('resize-image', () => {
  /** A GIF of one transparent pixel. */
  const pixel = 'R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7';

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
    const response = await post(gateway, 'sleep', { ms: 60_000 }, { 'x-request-timeout-ms': '100' });
    expect(response.status).toBe(504);
    expect(await response.json()).toMatchObject({ code: 'function-timeout', executed: 'unknown' });
  });
});
