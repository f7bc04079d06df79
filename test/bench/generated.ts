/** Projects made for one section: contracts and settings as text, packages as if they were installed. */
import { chmodSync, mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { REPOSITORY } from './peers/gateway.ts';

/** Contracts find `fpm-gateway` and `zod` in the project's node_modules. */
export const linkPackages = (project: string, gatewayPackage: string): void => {
  mkdirSync(join(project, 'node_modules'), { recursive: true });
  symlinkSync(gatewayPackage, join(project, 'node_modules', 'fpm-gateway'));
  symlinkSync(join(REPOSITORY, 'node_modules', 'zod'), join(project, 'node_modules', 'zod'));
};

export interface Generated {
  /** Where the run keeps what it writes. */
  readonly parent: string;
  readonly name: string;
  /** By path below the project. */
  readonly files: Readonly<Record<string, string>>;
  readonly gatewayPackage?: string;
}

export const generateProject = ({ parent, name, files, gatewayPackage }: Generated): string => {
  const project = mkdtempSync(join(parent, `${name}-`));
  // PHP's user reads it.
  chmodSync(project, 0o755);
  linkPackages(project, gatewayPackage ?? REPOSITORY);
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    writeFileSync(join(project, path), text);
  }
  return project;
};

/** Members of a contract that are TypeScript already: `engine: 'resident', idempotent: true`. */
export const contractOf = (members: string): string => `
import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({ ${members} });
`;

export const configOf = (settings: object): string => `
import { defineConfig } from 'fpm-gateway';

export default defineConfig(${JSON.stringify(settings, undefined, 2)});
`;
