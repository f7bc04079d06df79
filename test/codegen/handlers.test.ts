/** Handlers that take generated classes and return them, in real php-fpm. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import type { GatewayConfig } from '../../gateway/config.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import { formatProblem, StartupError } from '../../gateway/startup.ts';
import { startGateway } from '../support/gateway.ts';
import { writePhpTypes } from '../support/generated.ts';
import { type Lifetime, thisTest, wholeFile } from '../support/lifetime.ts';
import { anyContract, writeProject } from '../support/project.ts';

const BOOTSTRAP: GatewayConfig = { pools: { default: { workers: 1, bootstrap: 'generated/php/autoload.php' } } };

const contract = (members: string): string => `
import { z } from 'zod';
import { defineFunction, file, stream } from 'fpm-gateway/contract';
const line = z.strictObject({ text: z.string().max(20), cents: z.int().min(0) });
const invoice = z.strictObject({
  day: z.iso.date(), kind: z.enum(['bill', 'refund']).default('bill'), lines: z.array(line).max(5), note: z.string().max(20).nullish() });
const total = z.strictObject({ invoice, cents: z.int(), byText: z.record(z.string().max(20), z.int()) });
export default defineFunction({ ${members} });
`;

const php = (parameter: string, body: string): string => `<?php
declare(strict_types=1);
use App\\Functions\\{BillErrorEmpty, BillInput, BillOutput, BillOutputInvoice, BillOutputInvoiceKind, BillOutputInvoiceLinesItem};
use App\\Functions\\{LinesInput, LinesItem, MeasureInput};
use FpmGateway\\{Call, Failure, UploadedFile};
return static function (${parameter}) { ${body} };
`;

const FILES = {
  'schemas/bill.ts': contract(
    `input: invoice, output: total, errors: { empty: z.strictObject({ day: z.iso.date() }) }`,
  ),
  'functions/bill.php': php(
    'BillInput $bill, Call $call',
    `if ($bill->lines === []) { throw new Failure('empty', new BillErrorEmpty($bill->day)); }
     $invoice = new BillOutputInvoice(
       day: $bill->day->modify('+1 day'),
       kind: BillOutputInvoiceKind::from($bill->kind->value),
       lines: array_map(static fn ($line) => new BillOutputInvoiceLinesItem($line->text, $line->cents), $bill->lines),
       note: $bill->note,
     );
     return new BillOutput(invoice: $invoice, cents: array_sum(array_column($bill->lines, 'cents')), byText: []);`,
  ),
  'schemas/lines.ts': contract(`input: z.strictObject({ count: z.int().max(9).default(2) }), output: stream(line)`),
  'functions/lines.php': php(
    'LinesInput $input',
    'for ($i = 1; $i <= $input->count; $i++) { yield new LinesItem("line $i", $i); }',
  ),
  'schemas/measure.ts': contract(`
    input: z.strictObject({ title: z.string().max(9), text: file({ maxBytes: 100, mediaTypes: ['text/plain'] }) }), output: z.any()`),
  'functions/measure.php': php('MeasureInput $input', 'return [$input->title, $input->text->contents()];'),
  'schemas/whole.ts': contract(`input: file({ maxBytes: 100, mediaTypes: ['text/plain'] }), output: z.any()`),
  'functions/whole.php': php('UploadedFile $input', 'return $input->contents();'),
  'schemas/plain.ts': anyContract(),
  'functions/plain.php': php('array $input', `return [$input, getenv('FPMG_INPUT'), getenv('FPMG_OPERATION')];`),
};

const generated = async (lifetime: Lifetime): Promise<string> => {
  const project = writeProject(FILES, lifetime);
  await writePhpTypes(project);
  return project;
};

const file = wholeFile();
let gateway: Gateway;

beforeAll(async () => {
  gateway = await startGateway(BOOTSTRAP, { project: await generated(file) }, file);
});

test('a handler takes a generated class and returns one', async () => {
  const lines = [
    { text: 'Tea', cents: 250 },
    { text: 'Milk', cents: 50 },
  ];
  expect(await gateway.invoke('bill', { day: '2024-02-28', lines })).toEqual({
    invoice: { day: '2024-02-29', kind: 'bill', lines },
    cents: 300,
    byText: {},
  });
  const noted = { day: '2026-12-31', kind: 'refund', lines, note: null };
  expect(await gateway.invoke('bill', noted)).toMatchObject({ invoice: { ...noted, day: '2027-01-01' } });
});

test('a declared error carries a generated class', async () => {
  const failed = gateway.invoke('bill', { day: '2026-01-31', lines: [] });
  await expect(failed).rejects.toMatchObject({ code: 'empty', data: { day: '2026-01-31' } });
});

test('a handler yields generated items', async () => {
  const items: unknown[] = [];
  for await (const item of (await gateway.invoke('lines', {})) as AsyncIterable<unknown>) items.push(item);
  expect(items).toEqual([
    { text: 'line 1', cents: 1 },
    { text: 'line 2', cents: 2 },
  ]);
});

test('files are members of the class; a file that is the whole input stays an UploadedFile', async () => {
  const body = new FormData();
  body.append('title', 'Note');
  body.append('text', new File(['Be kind.'], 'note.txt', { type: 'text/plain' }));
  const measured = await gateway.fetch(new Request('http://localhost/functions/measure', { method: 'POST', body }));
  expect(await measured.json()).toEqual(['Note', 'Be kind.']);
  const headers = { 'content-type': 'text/plain' };
  const whole = { method: 'POST', body: 'Be brief.', headers };
  const answer = await gateway.fetch(new Request('http://localhost/functions/whole', whole));
  expect(await answer.json()).toBe('Be brief.');
});

test('a handler that takes an array is called as ever: no parameter more', async () => {
  expect(await gateway.invoke('plain', { a: 1 })).toEqual([{ a: 1 }, false, 'call']);
});

describe('stops the start, and says where and why', () => {
  const problemsOf = async (handlers: Readonly<Record<string, string>>): Promise<string[]> => {
    const files = Object.entries(handlers).flatMap(([name, text]) => [
      [`functions/${name}.php`, text],
      [`schemas/${name}.ts`, anyContract()],
    ]);
    const project = writeProject(Object.fromEntries(files));
    try {
      await startGateway({ pools: { default: { workers: 1 } } }, { project });
    } catch (error) {
      if (error instanceof StartupError) return error.problems.map(formatProblem).sort();
      throw error;
    }
    throw new Error('It started.');
  };

  test('a class that is not there, or cannot be made of an array', async () => {
    expect(
      await problemsOf({
        absent: '<?php\n\nreturn static fn (App\\Functions\\AbsentInput $input) => 1;\n',
        call: '<?php\nreturn static fn (FpmGateway\\Call $call) => 1;\n',
        date: '<?php\nreturn static fn (DateTimeImmutable $input) => 1;\n',
        hidden:
          '<?php\nclass Hidden { private static function fromArray(array $data): self { return new self(); } }\nreturn static fn (Hidden $input) => 1;\n',
        own: '<?php\nclass Own { public function fromArray(array $data): self { return $this; } }\nreturn static fn (Own $input) => 1;\n',
      }),
    ).toEqual([
      expect.stringMatching(
        /^functions\/absent\.php\n.*line 3 takes App\\Functions\\AbsentInput .*no such class.*bootstrap/,
      ),
      expect.stringMatching(/^functions\/call\.php\n.*takes FpmGateway\\Call .*no public static function fromArray/),
      expect.stringMatching(/^functions\/date\.php\n.*takes DateTimeImmutable .*no public static function fromArray/),
      expect.stringMatching(/^functions\/hidden\.php\n.*takes Hidden .*no public static function fromArray/),
      expect.stringMatching(/^functions\/own\.php\n.*takes Own .*no public static function fromArray/),
    ]);
  });

  test('a class whose file does not compile is told with its own line', async () => {
    const project = await generated(thisTest);
    writeFileSync(
      join(project, 'generated/php/BillInput.php'),
      '<?php\nnamespace App\\Functions;\nfinal class BillInput {\n',
    );
    await expect(startGateway(BOOTSTRAP, { project })).rejects.toThrow(/^generated\/php\/BillInput\.php:4\n.*Unclosed/);
  });
});

test('a handler of one’s own class with fromArray needs nothing generated', async () => {
  const handler = `<?php
    final class Point {
      public function __construct(public readonly int $x, public readonly int $y) {}
      public static function fromArray(array $data): self { return new self($data['x'], $data['y']); }
    }
    return static fn (Point $point): int => $point->x * $point->y;`;
  const project = writeProject({ 'functions/area.php': handler, 'schemas/area.ts': anyContract() });
  const own = await startGateway({ pools: { default: { workers: 1 } } }, { project });
  expect(await own.invoke('area', { x: 6, y: 7 })).toBe(42);
});
