/** A php-fpm of somebody else's, behind the fault proxy: for what happens between the gateway and its workers. */
import assert from 'node:assert/strict';
import { chmodSync } from 'node:fs';
import { join } from 'node:path';
import { temporaryFolder } from '../support/lifetime.ts';
import { rawFpm, runtime } from '../support/raw-fpm.ts';
import { FaultProxy } from './fault-proxy.ts';
import type { WorldSpec } from './world.ts';

export interface Attached {
  readonly spec: WorldSpec;
  readonly proxy: FaultProxy;
  /** Where the proxy listens. */
  readonly path: string;
}

/** `pool`: lines of php-fpm's own config. Functions in the attached pool: `away`, `away-large` and `away-again` (idempotent). */
export const attached = (env: Readonly<Record<string, string>>, pool: readonly string[]): Attached => {
  let proxy: FaultProxy | undefined;
  let path = '';
  const spec: WorldSpec = {
    env,
    functions: {
      away: ['return $input;', "pool: 'away', timeoutMs: 2000"],
      'away-large': ["return str_repeat('x', 100_000);", "pool: 'away', timeoutMs: 2000"],
      'away-again': ['return $input;', "pool: 'away', timeoutMs: 2000, idempotent: true"],
    },
    prepare: async ({ lifetime, folder, project }) => {
      // Its workers are of another user.
      chmodSync(project, 0o755);
      const own = temporaryFolder(lifetime);
      const listen = join(folder, 'fpm.sock');
      await rawFpm(own, [listen], 4, { lifetime, pool });
      path = join(folder, 'proxy.sock');
      proxy = await FaultProxy.open({ kind: 'unix', path }, { kind: 'unix', path: listen }, lifetime);
      const settings = { address: `unix:${path}`, workers: 2, root: project, runtime };
      return { FPMG_POOLS__AWAY: JSON.stringify(settings) };
    },
  };
  return {
    spec,
    get proxy() {
      assert.ok(proxy !== undefined, 'the proxy runs');
      return proxy;
    },
    get path() {
      return path;
    },
  };
};
