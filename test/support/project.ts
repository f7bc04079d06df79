/** Throw-away projects: real files that are gone afterwards. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Lifetime, thisTest } from './lifetime.ts';

/** Below the repository, so that `fpm-gateway/contract` and `zod` resolve as they do for its own functions. */
const BASE = join(import.meta.dirname, '..', '.tmp');

/** Writes files (path → text) into a new folder. */
export const writeProject = (files: Readonly<Record<string, string>>, lifetime: Lifetime = thisTest): string => {
  mkdirSync(BASE, { recursive: true });
  const folder = mkdtempSync(join(BASE, 't-'));
  lifetime(() => rmSync(folder, { recursive: true, force: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
};

/** A contract that takes and gives anything, with more settings as source text: `timeoutMs: 100`. */
export const anyContract = (more = ''): string => `
import { z } from 'zod';
import { defineFunction, binary, file, stream } from 'fpm-gateway/contract';
export default defineFunction({ input: z.any(), output: z.any(), ${more} });
`;

/** A handler with this body; \`$input\` and \`$call\` are there. */
export const handler = (body: string): string => `<?php
declare(strict_types=1);
use FpmGateway\\{Binary, Call, Failure};
return static function (mixed $input, Call $call): mixed { ${body} };
`;

/** Functions by name: handler body, or [handler body, contract settings]. A path is a file, written as it is. */
export type Functions = Readonly<Record<string, string | readonly [body: string, contract: string]>>;

export const functionsProject = (functions: Functions, lifetime: Lifetime = thisTest): string => {
  const files = Object.entries(functions).flatMap(([name, source]) => {
    const [body, contract] = typeof source === 'string' ? [source, ''] : source;
    if (name.includes('/')) return [[name, body]];
    return [
      [`functions/${name}.php`, handler(body)],
      [`schemas/${name}.ts`, anyContract(contract)],
    ];
  });
  return writeProject(Object.fromEntries(files), lifetime);
};
