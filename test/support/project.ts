/** Throw-away projects and gateways for tests: real files, real php-fpm, everything gone afterwards. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { GatewayConfig } from '../../gateway/config.ts';
import { createGateway, type Gateway, type GatewayParts } from '../../gateway/gateway.ts';

/** Below the repository, so that `fpm-gateway/contract` and `zod` resolve as they do for its own functions. */
const BASE = join(import.meta.dirname, '..', '.tmp');

export const temporaryFolder = (): string => {
  mkdirSync(BASE, { recursive: true });
  const folder = mkdtempSync(join(BASE, 't-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};

/** Writes files (path → text) into a new folder that ends with the test. */
export const writeProject = (files: Readonly<Record<string, string>>): string => {
  const folder = temporaryFolder();
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  return folder;
};

/** A contract that takes and gives anything, with more settings as source text: `timeoutMs: 100`. */
export const anyContract = (more = ''): string => `
import { z } from 'zod';
import { defineFunction, binary } from 'fpm-gateway/contract';
export default defineFunction({ input: z.any(), output: z.any(), ${more} });
`;

/** A handler with this body; \`$input\` and \`$call\` are there. */
export const handler = (body: string): string => `<?php
declare(strict_types=1);
use FpmGateway\\{Binary, Call, Failure};
return static function (mixed $input, Call $call): mixed { ${body} };
`;

/** Functions by name: handler body, or [handler body, contract settings]. */
export const functionsProject = (
  functions: Readonly<Record<string, string | readonly [body: string, contract: string]>>,
): string => {
  const files = Object.entries(functions).flatMap(([name, source]) => {
    const [body, contract] = typeof source === 'string' ? [source, ''] : source;
    return [
      [`functions/${name}.php`, handler(body)],
      [`schemas/${name}.ts`, anyContract(contract)],
    ];
  });
  return writeProject(Object.fromEntries(files));
};

/** A gateway in process that ends with the test. */
export const startGateway = async (config: GatewayConfig, parts: GatewayParts): Promise<Gateway> => {
  const gateway = await createGateway(config, { env: {}, ...parts });
  onTestFinished(async () => await gateway.destroy());
  return gateway;
};

/** A JSON POST to a function, without a socket. */
export const post = async (
  gateway: Gateway,
  name: string,
  body: unknown,
  headers: Record<string, string> = {},
): Promise<Response> =>
  await gateway.fetch(
    new Request(`http://localhost/functions/${name}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    }),
  );

/** Waits for a condition, never for a time. */
export const until = async (what: string, condition: () => boolean | Promise<boolean>): Promise<void> => {
  const endMs = performance.now() + 15_000;
  while (!(await condition())) {
    if (performance.now() > endMs) throw new Error(`It did not happen within 15 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
};
