/** Functions for tests of the client, with contracts of their own, and their types as a generated file has them. */
import type { Server } from '../../gateway/server.ts';
import type { Lifetime } from './lifetime.ts';
import { handler, writeProject } from './project.ts';

export interface TestFunctions {
  greet: {
    kind: 'json';
    input: { name: string };
    output: { hello: string };
    errors: { 'nobody-there': { tried: string } };
  };
  nothing: { kind: 'json'; input: { note?: string }; output: number; errors: Record<never, never> };
  pixel: { kind: 'binary'; input: { size: number }; output: Blob; errors: Record<never, never> };
  document: { kind: 'binary'; input: { size?: number }; output: Blob; errors: Record<never, never> };
  sleep: { kind: 'json'; input: { ms: number }; output: number; errors: Record<never, never> };
  archive: { kind: 'json'; input: Blob; output: number; errors: Record<never, never> };
  attach: {
    kind: 'json';
    input: {
      title: string;
      count: number;
      tags: readonly string[];
      place: { city: string; lines: readonly { n: number }[] };
      document: Blob;
      pictures?: readonly Blob[];
    };
    output: unknown;
    errors: Record<never, never>;
  };
  count: {
    kind: 'stream';
    input: { to: number; failAt?: number };
    output: { n: number };
    errors: { stuck: { at: number } };
  };
  letters: {
    kind: 'bytes';
    input: { chunks: number; dieAt?: number };
    output: Uint8Array;
    errors: Record<never, never>;
  };
  'pages/list.php': { kind: 'binary'; input: { from?: number }; output: Blob; errors: Record<never, never> };
  'pages/go.php': { kind: 'binary'; input: { from?: number }; output: Blob; errors: Record<never, never> };
  'pages/gone.php': { kind: 'binary'; input: { from?: number }; output: Blob; errors: Record<never, never> };
}

const contract = (members: string): string => `
import { binary, defineFunction, file, stream } from 'fpm-gateway/contract';
import { z } from 'zod';
export default defineFunction({ ${members} });
`;

const TEXT = "file({ maxBytes: 1000, mediaTypes: ['text/plain'] })";

export const clientFiles: Readonly<Record<string, string>> = {
  'schemas/greet.ts': contract(`
    input: z.strictObject({ name: z.string().max(9) }), output: z.strictObject({ hello: z.string() }),
    errors: { 'nobody-there': { status: 410, data: z.strictObject({ tried: z.string() }) } },`),
  'functions/greet.php': handler(`
    if ($input['name'] === 'nobody') throw new Failure('nobody-there', ['tried' => 'nobody']);
    return ['hello' => $input['name']];`),
  'schemas/nothing.ts': contract(`input: z.strictObject({ note: z.string().max(9).optional() }), output: z.int(),`),
  'functions/nothing.php': handler('return count($input);'),
  'schemas/pixel.ts': contract(`input: z.strictObject({ size: z.int() }), output: binary('image/x-test'),`),
  'functions/pixel.php': handler(`return new Binary(str_repeat('x', $input['size']), 'image/x-test');`),
  'schemas/document.ts': contract(
    `input: z.strictObject({ size: z.int().optional() }), output: binary('application/json'),`,
  ),
  'functions/document.php': handler(`return new Binary('{"a": 1}', 'application/json');`),
  'schemas/sleep.ts': contract(`input: z.strictObject({ ms: z.int() }), output: z.int(), timeoutMs: 60_000,`),
  'functions/sleep.php': handler(`usleep($input['ms'] * 1000); return $input['ms'];`),
  'schemas/archive.ts': contract(
    `input: file({ maxBytes: 1000, mediaTypes: ['application/pdf'] }), output: z.int(), contents: ['raw'],`,
  ),
  'functions/archive.php': handler('return $input->size;'),
  'schemas/attach.ts': contract(`
    input: z.strictObject({
      title: z.string().max(99), count: z.int(), tags: z.array(z.string().max(9)).max(9),
      place: z.strictObject({ city: z.string().max(99), lines: z.array(z.strictObject({ n: z.int() })).max(9) }),
      document: ${TEXT}, pictures: z.array(${TEXT}).max(3).optional(),
    }),
    output: z.any(),`),
  'functions/attach.php': handler(`
    ['document' => $document, 'pictures' => $pictures] = $input;
    return [
      ...$input,
      'document' => ['name' => $document->name, 'contents' => $document->contents()],
      'pictures' => array_map(fn ($file) => $file->contents(), $pictures),
    ];`),
  'schemas/count.ts': contract(`
    input: z.strictObject({ to: z.int(), failAt: z.int().optional() }), output: stream(z.strictObject({ n: z.int() })),
    errors: { stuck: z.strictObject({ at: z.int() }) }, timeoutMs: 60_000,`),
  'functions/count.php': handler(`
    for ($n = 1; $n <= $input['to']; ++$n) {
      if ($n === ($input['failAt'] ?? 0)) throw new Failure('stuck', ['at' => $n]);
      yield ['n' => $n];
    }`).replace('): mixed {', '): Generator {'),
  'schemas/letters.ts': contract(`
    input: z.strictObject({ chunks: z.int(), dieAt: z.int().optional() }), output: stream(binary('text/x-letters')),`),
  'functions/letters.php': handler(`
    for ($n = 1; $n <= $input['chunks']; ++$n) {
      if ($n === ($input['dieAt'] ?? 0)) posix_kill(getmypid(), SIGKILL);
      yield str_repeat('x', 1000);
    }`).replace('): mixed {', '): Generator {'),
  'schemas/pages.ts': contract(`
    scripts: { folder: 'pages', files: ['list.php', 'go.php', 'gone.php'] },
    input: z.strictObject({ from: z.int().default(1) }), output: binary('text/html'),`),
  'functions/pages/list.php': `<?php echo 'list from ', json_decode(file_get_contents('php://input'))->from;`,
  'functions/pages/go.php': `<?php header('location: /elsewhere', true, 303);`,
  'functions/pages/gone.php': `<?php http_response_code(404); echo 'gone';`,
};

export const clientProject = (lifetime: Lifetime): string => writeProject(clientFiles, lifetime);

/** Workers that have a call. */
export const taken = ({ gateway }: Server): number =>
  gateway.pools().reduce((sum, { backends }) => backends.reduce((part, backend) => part + backend.taken, sum), 0);
