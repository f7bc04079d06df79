/** The application as a project of the gateway, and as a document root for a web server: the same files. */
import { chmodSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Bench } from '../bench.ts';
import { linkPackages } from '../generated.ts';
import { REPOSITORY } from '../peers/gateway.ts';
import type { Workload } from '../workloads.ts';
import { moduleName, writeApplication } from './generate.ts';

/** One request of a shop: routed, validated, three objects made, two rows read, an event told. */
export const QUOTE: Workload = {
  name: 'quote',
  title: 'a quote: routed, validated, two rows of SQLite, an event',
  body: '{"id":7,"quantity":12}',
  answer: { json: { number: 'CS-GADGET-000007', title: 'A gadget, number 7', available: true, cents: 23_187 } },
};

const ROUTE = `/${moduleName(0).toLowerCase()}/quote`;
/** Behind nginx, whose `/app/` leads to index.php. */
export const QUOTE_PATH = `/app${ROUTE}`;

const CONTRACT = `
import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  input: z.strictObject({ id: z.int().min(1), quantity: z.int().min(1) }),
  output: z.strictObject({ number: z.string().max(40), title: z.string().max(200), available: z.boolean(), cents: z.int() }),
  idempotent: true,
});
`;

const HANDLER = `<?php

declare(strict_types=1);

use App\\Kernel\\Application;
use FpmGateway\\Call;

/** @param array{id: int, quantity: int} $input */
return static fn (array $input, Call $call, Application $app): array => $app->handle('customer', 'POST', '${ROUTE}', $input);
`;

const CONFIG = `
import { defineConfig } from 'fpm-gateway';
export default defineConfig({ pools: { default: { bootstrap: 'app/bootstrap.php' } } });
`;

export interface ApplicationProject {
  readonly folder: string;
  /** nginx's document root. */
  readonly root: string;
  readonly modules: number;
}

export const makeProject = async ({ life, folder: parent }: Bench, modules: number): Promise<ApplicationProject> => {
  const folder = mkdtempSync(join(parent, `app-${modules}-`));
  // PHP's user reads it.
  chmodSync(folder, 0o755);
  for (const part of ['schemas', 'functions', 'deploy', 'data']) mkdirSync(join(folder, part), { recursive: true });
  linkPackages(folder, REPOSITORY);
  const root = join(folder, 'app');
  const tables = writeApplication(root, modules);
  writeFileSync(join(folder, 'schemas', `${QUOTE.name}.ts`), CONTRACT);
  writeFileSync(join(folder, 'functions', `${QUOTE.name}.php`), HANDLER);
  writeFileSync(join(folder, 'deploy', 'gateway.config.ts'), CONFIG);
  await life.run({
    command: 'php',
    args: [join(root, 'database.php'), join(folder, 'data', 'shop.sqlite'), ...tables],
  });
  return { folder, root, modules };
};
