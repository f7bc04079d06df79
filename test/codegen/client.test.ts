/** The generated PHP client against a real gateway, from another application and from a handler. */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Server } from '../../gateway/server.ts';
import { startTestServer } from '../support/gateway.ts';
import { writePhpTypes } from '../support/generated.ts';
import { wholeFile } from '../support/lifetime.ts';
import { handler, writeProject } from '../support/project.ts';

const run = promisify(execFile);
const RUNTIME = join(import.meta.dirname, '..', '..', 'gateway', 'php');

const contract = (members: string): string => `
import { z } from 'zod';
import { binary, defineFunction, file, stream } from 'fpm-gateway/contract';
const shape = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('circle'), radius: z.number() }), z.strictObject({ kind: z.literal('square'), side: z.number() })]);
const text = file({ maxBytes: 100, mediaTypes: ['text/plain'] });
export default defineFunction({ ${members} });
`;

const FILES = {
  'schemas/grow.ts': contract(`
    input: z.strictObject({ shape, by: z.int().default(2) }), output: z.strictObject({ shape, day: z.iso.date() }),
    errors: { 'too-large': z.strictObject({ most: z.int() }) }`),
  'functions/grow.php': handler(`
    if ($input['by'] > 9) { throw new Failure('too-large', ['most' => 9]); }
    $input['shape']['radius'] *= $input['by'];
    return ['shape' => $input['shape'], 'day' => '2024-02-29'];`),
  'schemas/days.ts': contract(`input: z.array(z.iso.date()).max(9), output: z.array(z.iso.date()).max(9)`),
  'functions/days.php': handler('return $input;'),
  'schemas/steps.ts': contract('input: z.strictObject({ count: z.int().default(2) }), output: stream(shape)'),
  'functions/steps.php': handler(
    `for ($i = 1; $i <= $input['count']; $i++) { yield ['kind' => 'circle', 'radius' => $i]; }`,
  ),
  'schemas/spell.ts': contract('input: z.strictObject({}), output: stream(binary("text/plain"))'),
  'functions/spell.php': handler(`yield 'a'; yield 'b';`),
  'schemas/send.ts': contract(`
    input: z.strictObject({ kind: z.enum(['draft', 'final']), labels: z.record(z.string().max(9), z.int()), main: text.optional(), more: z.array(text).max(3) }),
    contents: ['multipart', 'json'], output: binary('text/plain')`),
  'functions/send.php': handler(`
    $texts = array_map(static fn ($file) => $file->contents(), array_filter([$input['main'] ?? null, ...$input['more']]));
    return new Binary(json_encode([$input['kind'], (object) $input['labels'], $texts]), 'text/plain');`),
  'schemas/rows.ts': contract('input: z.strictObject({}), output: binary("application/json")'),
  'functions/rows.php': handler(`return new Binary('[1]', 'application/json');`),
  'schemas/outer.ts': contract('input: z.strictObject({ radius: z.number() }), output: z.number()'),
  'functions/outer.php': `<?php
    declare(strict_types=1);
    use App\\Functions\\{FunctionsClient, GrowInput, GrowInputShapeCircle, OuterInput};
    return static function (OuterInput $input, FpmGateway\\Call $call): int|float {
      return (new FunctionsClient($call->client()))->grow(new GrowInput(new GrowInputShapeCircle($input->radius), by: 3))->shape->radius;
    };`,
};

// The client is a part of its own.
describe.runIf(existsSync(join(RUNTIME, 'Client', 'Client.php')))('the generated client', () => {
  const file = wholeFile();
  let project: string;
  let server: Server;

  beforeAll(async () => {
    project = writeProject(FILES, file);
    await writePhpTypes(project);
    const env = { FPMG_POOLS__DEFAULT__WORKERS: '2', FPMG_POOLS__DEFAULT__BOOTSTRAP: 'generated/php/autoload.php' };
    server = await startTestServer(project, { env }, file);
  });

  const php = async (body: string): Promise<unknown> => {
    const code = `
      declare(strict_types=1);
      use App\\Functions\\{DaysInput, FunctionsClient, GrowErrorTooLarge, GrowInput, GrowInputShapeCircle, SendInput, SendInputKind, StepsInput};
      use FpmGateway\\Client\\{CallFailed, Client, File};
      require '${RUNTIME}/autoload.php';
      require '${project}/generated/php/autoload.php';
      $functions = new FunctionsClient(Client::connect('${server.url}'));
      echo json_encode((static function (FunctionsClient $functions): mixed { ${body} })($functions));`;
    const { stdout, stderr } = await run('php', [
      '-d',
      'error_reporting=-1',
      '-d',
      'display_errors=stderr',
      '-r',
      code,
    ]);
    expect(stderr).toBe('');
    return JSON.parse(stdout) as unknown;
  };

  test('gives and takes classes', async () => {
    const answer = await php(`
      $grown = $functions->grow(new GrowInput(new GrowInputShapeCircle(radius: 1.5)));
      return [$grown, $grown->shape::class, $grown->day->format('l')];`);
    expect(answer).toEqual([
      { shape: { kind: 'circle', radius: 3 }, day: '2024-02-29' },
      'App\\Functions\\GrowOutputShapeCircle',
      'Thursday',
    ]);
  });

  test('lists are lists, the empty one, too', async () => {
    const days = `array_map(static fn ($day) => $day->format('d.m.'), $functions->days([new DateTimeImmutable('2026-01-31')]))`;
    expect(await php(`return [${days}, $functions->days([])];`)).toEqual([['31.01.'], []]);
  });

  test('declared errors are read with their class', async () => {
    const answer = await php(`
      try {
        $functions->grow(new GrowInput(new GrowInputShapeCircle(1), by: 10));
      } catch (CallFailed $failed) {
        return [$failed->failureCode, GrowErrorTooLarge::fromArray($failed->data)->most];
      }`);
    expect(answer).toEqual(['too-large', 9]);
  });

  test('streams give items of their class, and bytes', async () => {
    const answer = await php(`
      $radii = [];
      foreach ($functions->steps(new StepsInput(3)) as $step) { $radii[] = $step->radius; }
      return [$radii, implode('', iterator_to_array($functions->spell(), false))];`);
    expect(answer).toEqual([[1, 2, 3], 'ab']);
  });

  test('files go along, and without any the input is JSON', async () => {
    const answer = await php(`
      $file = static fn (string $text): File => File::of($text, 'a.txt', 'text/plain');
      $with = new SendInput(SendInputKind::Final, ['a' => 1], more: [$file('two'), $file('three')], main: $file('one'));
      $without = new SendInput(SendInputKind::Draft, [], more: []);
      return [$functions->send($with)->bytes, $functions->send($without)->bytes];`);
    expect(answer).toEqual(['["final",{"a":1},["one","two","three"]]', '["draft",{},[]]']);
  });

  test('bytes are a Binary also where they are JSON', async () => {
    expect(await php(`return [$functions->rows()->bytes, $functions->rows()->mediaType];`)).toEqual([
      '[1]',
      'application/json',
    ]);
  });

  test('a handler calls another function with classes', async () => {
    const body = JSON.stringify({ radius: 2 });
    const headers = { 'content-type': 'application/json' };
    const answer = await fetch(`${server.url}/functions/outer`, { method: 'POST', headers, body });
    expect(await answer.json()).toBe(6);
  });
});
