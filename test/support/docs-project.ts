/** Functions of every kind the API page can show. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Lifetime, openFolder } from './lifetime.ts';
import { handler, writeProject } from './project.ts';

const contract = (members: string): string => `
import { z } from 'zod';
import { binary, defineFunction, file, stream } from 'fpm-gateway/contract';
export default defineFunction({ ${members} });
`;

/** A white pixel. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mP8/x8AAwMCAO+ip1sAAAAASUVORK5CYII=';

/** PHP that writes item after item, each when a test lets it. */
export class Steps {
  readonly folder: string;

  constructor(lifetime: Lifetime) {
    this.folder = openFolder(lifetime);
  }

  /** Lets a stream of this name go beyond its item. */
  pass(name: string, item: number): void {
    writeFileSync(join(this.folder, `${name}-${item}`), '');
  }

  /** Handler source: `$item` counts from 1 to 3; `$input['name']` says whose steps. */
  looping(body: string): string {
    const passed = `'${this.folder}/' . $input['name'] . '-' . $item`;
    return `foreach ([1, 2, 3] as $item) { ${body} while (!is_file(${passed})) { usleep(1000); clearstatcache(); } }`;
  }
}

const INVOICE = `z.strictObject({
  number: z.string().min(1).max(40),
  date: z.iso.date(),
  currency: z.enum(['EUR', 'USD']).default('USD'),
  paid: z.boolean().optional(),
  buyer: z.strictObject({ name: z.string().min(1).max(80), email: z.email().max(80).optional() }),
  lines: z.array(z.strictObject({ text: z.string().max(80), cents: z.int().min(0).max(1000) })).max(3),
  discount: z.strictObject({ percent: z.number().min(0).max(50).multipleOf(0.5) }).optional(),
  extra: z.union([z.string().max(10), z.array(z.int()).max(2)]).optional(),
})`;

export const docsProject = (steps: Steps, lifetime: Lifetime): string =>
  writeProject(
    {
      'schemas/greet.ts': contract(`
        summary: 'Say <b>hello</b>',
        description: '<script>document.title = "taken"</script><img src=x onerror="document.title = 1">',
        input: z.strictObject({ name: z.string().min(2).max(20), loud: z.boolean().optional(), tags: z.array(z.string().max(9)).max(3).optional() }),
        output: z.strictObject({ text: z.string().max(100), tags: z.array(z.string().max(9)).max(3) }),
        methods: ['GET', 'POST'],
        contents: ['json', 'form'],`),
      'functions/greet.php': handler(
        `return ['text' => ($input['loud'] ?? false ? 'HELLO ' : 'Hello ') . $input['name'], 'tags' => $input['tags'] ?? []];`,
      ),
      'schemas/invoice.ts': contract(`input: ${INVOICE}, output: ${INVOICE},`),
      'functions/invoice.php': handler('return $input;'),
      'schemas/measure.ts': contract(`
        input: z.strictObject({
          title: z.string().max(40),
          text: file({ maxBytes: 100, mediaTypes: ['text/plain'] }),
          more: z.array(file({ maxBytes: 100, mediaTypes: ['text/*'] })).max(2).optional(),
        }),
        contents: ['multipart', 'json'],
        output: z.strictObject({ title: z.string().max(40), names: z.array(z.string().max(200)).max(3), size: z.int() }),`),
      'functions/measure.php': handler(`
        $files = [$input['text'], ...($input['more'] ?? [])];
        return ['title' => $input['title'], 'names' => array_column($files, 'name'), 'size' => array_sum(array_column($files, 'size'))];`),
      'schemas/store.ts': contract(`
        input: file({ maxBytes: 1000, mediaTypes: ['text/plain'] }), output: z.strictObject({ stored: z.int() }), methods: ['PUT'],`),
      'functions/store.php': handler(`return ['stored' => $input->size];`),
      'schemas/count.ts': contract(`
        input: z.strictObject({ name: z.string().max(40), fails: z.boolean().default(false) }),
        output: stream(z.strictObject({ item: z.int() })),`),
      'functions/count.php': handler(
        `${steps.looping(`yield ['item' => $item];`)} if ($input['fails']) { throw new RuntimeException('no more'); }`,
      ),
      'schemas/spell.ts': contract(`
        input: z.strictObject({ name: z.string().max(40), fails: z.boolean().default(false) }), output: stream(z.string().max(10)),`),
      'functions/spell.php': handler(
        `${steps.looping(`yield "letter $item. ";`)} if ($input['fails']) { throw new RuntimeException('no more'); }`,
      ),
      'schemas/flood.ts': contract('input: z.strictObject({}), output: stream(z.int()),'),
      'functions/flood.php': handler('for ($i = 1; $i <= 2500; $i++) { yield $i; }'),
      'schemas/pixel.ts': contract(`input: z.strictObject({}), output: binary('image/png'),`),
      'functions/pixel.php': handler(`return new Binary(base64_decode('${PNG}'), 'image/png');`),
      'schemas/archive.ts': contract(`input: z.strictObject({}), output: binary('application/zip'),`),
      'functions/archive.php': handler(`return new Binary('PK, more or less', 'application/zip');`),
      'schemas/legacy.ts': contract(`
        scripts: { folder: 'legacy', files: ['go.php', 'report.php', 'sub/list.php'] },
        input: z.looseObject({ year: z.int().min(2000).max(2100) }), output: binary('text/plain'), methods: ['GET', 'POST'],`),
      'functions/legacy/go.php': `<?php header('Location: ' . $_REQUEST['to']);`,
      'functions/legacy/report.php': `<?php header('Content-Type: text/plain'); echo "report of {$_REQUEST['year']}";`,
      'functions/legacy/sub/list.php': `<?php header('Content-Type: text/plain'); echo "list of {$_REQUEST['year']}";`,
    },
    lifetime,
  );
