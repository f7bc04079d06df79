/** Scripts behind the gateway and behind nginx, to ask both the same. */
import { chmodSync } from 'node:fs';
import { type Answered, type Asked, exchange } from './exchange.ts';
import { startTestServer } from './gateway.ts';
import { type Lifetime, thisTest } from './lifetime.ts';
import { startNginx } from './nginx.ts';
import { writeProject } from './project.ts';

export interface Sites {
  readonly project: string;
  ask(path: string, asked?: Partial<Asked>): Promise<{ readonly gateway: Answered; readonly nginx: Answered }>;
}

/** One for which nginx, too, has a name. */
const HOST = ['Host', 'site.example'] as const;

/** A contract for scripts, with more settings as source text. */
export const scriptContract = (settings: string): string => `
import { z } from 'zod';
import { binary, defineFunction, file, stream } from 'fpm-gateway/contract';
export default defineFunction({ input: z.looseObject({}), output: binary('*/*'), ${settings} });
`;

/** Scripts by the name of their function: PHP behind `<?php`, or [PHP, contract settings]. A path is a file for others. */
export const scriptProject = (
  scripts: Readonly<Record<string, string | readonly [source: string, settings: string]>>,
  lifetime: Lifetime = thisTest,
): string => {
  const files = Object.entries(scripts).flatMap(([name, script]) => {
    const [source, settings] = typeof script === 'string' ? [script, ''] : script;
    if (name.includes('/')) return [[name, `<?php ${source}`]];
    return [
      [`functions/${name}.php`, `<?php ${source}`],
      [`schemas/${name}.ts`, scriptContract(`script: '${name}.php', ${settings}`)],
    ];
  });
  return writeProject(Object.fromEntries(files), lifetime);
};

/**
 * `scripts`: by path below \`functions/site/\`, each at \`/functions/site/<path>\`, as for any web server that has the
 * project as its document root. Files whose name begins with _ are there for them to include.
 */
export const siteProject = (
  scripts: Readonly<Record<string, string>>,
  settings: string,
  lifetime: Lifetime = thisTest,
): string => {
  const files = Object.keys(scripts).filter((path) => !/(?:^|\/)_/.test(path));
  const list = `scripts: { folder: 'site', files: ${JSON.stringify(files)} }`;
  const written = Object.entries(scripts).map(([path, source]) => [`functions/site/${path}`, source]);
  const contract = scriptContract(`${list}, ${settings}`);
  const project = writeProject({ ...Object.fromEntries(written), 'schemas/site.ts': contract }, lifetime);
  // PHP's user reads it in place, so that both have the same paths.
  chmodSync(project, 0o755);
  return project;
};

export const startSites = async (project: string, lifetime: Lifetime = thisTest): Promise<Sites> => {
  const env = { FPMG_POOLS__DEFAULT__WORKERS: '1' };
  const [server, nginx] = await Promise.all([
    startTestServer(project, { env }, lifetime),
    startNginx(project, lifetime),
  ]);
  const ask: Sites['ask'] = async (path, { method = 'GET', headers = [], body = '' } = {}) => {
    const all = headers.some(([name]) => name === 'Host') ? headers : [HOST, ...headers];
    const asked = { method, headers: all, body };
    return {
      gateway: await exchange(`${server.url}/functions/site/${path}`, asked),
      nginx: await exchange(`${nginx.url}/functions/site/${path}`, asked),
    };
  };
  return { project, ask };
};
