/** What a file is: its bytes decide, and the caller's word counts only where bytes prove nothing. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { provenMediaType } from '../../gateway/http/sniff.ts';
import { cleanFileName } from '../../gateway/http/uploads.ts';
import { PNG } from '../support/multipart.ts';

const html = '<!doctype html><script>alert(1)</script>';
const svg = '<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>';
const xmlSvg = `<?xml version="1.0"?>${svg}`;
const pdf = '%PDF-1.7\n%\xe2\xe3\xcf\xd3\n';

describe('the believed media type', () => {
  test.each<[string, string | Buffer, string | undefined, string]>([
    ['a PNG', PNG, 'image/png', 'image/png'],
    ['a PNG that says nothing', PNG, undefined, 'image/png'],
    ['a PNG that says it is text', PNG, 'text/plain', 'image/png'],
    ['a PNG that says it is a PDF', PNG, 'application/pdf', 'image/png'],
    ['a PDF that says it is a PNG', pdf, 'image/png', 'application/pdf'],
    ['HTML that says it is a PNG', html, 'image/png', 'application/octet-stream'],
    ['HTML that says it is a PNG, with a parameter', html, 'IMAGE/PNG; x=1', 'application/octet-stream'],
    ['SVG that says it is a PNG', svg, 'image/png', 'application/octet-stream'],
    ['SVG with an XML declaration that says it is a PNG', xmlSvg, 'image/png', 'application/xml'],
    ['text that says it is a JPEG', 'hello', 'image/jpeg', 'application/octet-stream'],
    ['nothing that says it is a PNG', '', 'image/png', 'application/octet-stream'],
    ['half a PNG signature', PNG.subarray(0, 4), 'image/png', 'application/octet-stream'],
    ['an Ogg that says it is Opus, which has parameters', 'hello', 'audio/ogg', 'application/octet-stream'],
    ['HTML', html, 'text/html', 'text/html'],
    ['SVG', svg, 'image/svg+xml', 'image/svg+xml'],
    ['SVG with an XML declaration', xmlSvg, 'image/svg+xml', 'image/svg+xml'],
    ['XML that says it is text/xml', '<?xml version="1.0"?><a/>', 'text/xml', 'text/xml'],
    ['XML that says it is text', '<?xml version="1.0"?><a/>', 'text/plain', 'application/xml'],
    ['CSV', 'a,b\n1,2\n', 'text/csv; charset=utf-8', 'text/csv'],
    ['CSV that begins like a bitmap', 'BMW,320\n', 'text/csv', 'text/csv'],
    ['text that begins like a program', 'MZ is no program\n', 'text/plain', 'text/plain'],
    ['text that begins like a GIF', 'GIF89a=1;alert(1)', 'text/javascript', 'text/javascript'],
    [
      'a script that is a GIF to those who look at six bytes',
      'GIF89a=1;alert(1)',
      'image/gif',
      'application/octet-stream',
    ],
    ['JSON', '{"a":1}', 'application/json', 'application/json'],
    ['nothing at all', '', undefined, 'application/octet-stream'],
    ['bytes that say they are text', '\0\x01\x02', 'text/plain', 'text/plain'],
    ['a type that is none', 'hello', 'nonsense', 'application/octet-stream'],
    ['a type with a line end', 'hello', 'text/plain\r\nx', 'application/octet-stream'],
    ['a family', 'hello', 'image/*', 'application/octet-stream'],
    ['text cut within a character', Buffer.from('BMé').subarray(0, 3), 'text/plain', 'text/plain'],
  ])('%s', async (_what, bytes, declared, believed) => {
    const sample = typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes;
    expect(await provenMediaType(sample, declared)).toBe(believed);
  });

  test('whatever the bytes, there is an answer, and it is an essence', async () => {
    const starts = [
      'PK\x03\x04',
      '\x1f\x8b\x08',
      'RIFF',
      '\x1aE\xdf\xa3',
      'ftyp',
      '%PDF',
      '\0\0\0\x18ftyp',
      'OggS',
      'ID3',
      'II*\0',
      '\xff\xfb',
      'BM',
    ];
    const start = fc.constantFrom(...starts).map((text) => Buffer.from(text, 'latin1'));
    await fc.assert(
      fc.asyncProperty(start, fc.uint8Array({ maxLength: 300 }), async (magic, rest) => {
        expect(await provenMediaType(Buffer.concat([magic, rest]), undefined)).toMatch(/^[a-z0-9.+-]+\/[a-z0-9.+-]+$/);
      }),
      { numRuns: 300 },
    );
  });
});

describe('file names', () => {
  test.each([
    ['photo.jpg', 'photo.jpg'],
    ['C:\\Users\\me\\photo.jpg', 'photo.jpg'],
    ['/etc/passwd', 'passwd'],
    ['../../etc/passwd', 'passwd'],
    ['..\\..\\boot.ini', 'boot.ini'],
    ['a/b\\c', 'c'],
    ['folder/', 'file'],
    ['', 'file'],
    ['.', 'file'],
    ['..', 'file'],
    ['/..', 'file'],
    ['   ', 'file'],
    ['.htaccess', '.htaccess'],
    ['x.php\0.png', 'x.php.png'],
    ['a\r\nb\tc\x7f\x85', 'abc'],
    ['gpj.\u202Eexe', 'gpj.exe'],
    ['e\u0301.txt', '\u00e9.txt'],
    ['日本語.txt', '日本語.txt'],
    [`${'a'.repeat(300)}.txt`, 'a'.repeat(200)],
    ['😀'.repeat(300), '😀'.repeat(200)],
  ])('%j', (sent, name) => expect(cleanFileName(sent)).toBe(name));

  test('whatever is sent, it is one name that says nothing to a file system', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 400 }), (sent) => {
        const name = cleanFileName(sent);
        expect(name).not.toMatch(/[/\\\p{Cc}]/u);
        expect(['', '.', '..']).not.toContain(name);
        expect([...name].length).toBeLessThanOrEqual(200);
      }),
    );
  });
});
