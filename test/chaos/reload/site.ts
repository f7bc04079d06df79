/** Releases of a project that say which version they are, in three places that must agree. */
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Below the repository, so that `fpm-gateway/contract` and `zod` resolve as they do for its own functions. */
const BASE = join(import.meta.dirname, '..', '..', '.tmp');

const contract = (version: number, more: string): string => `
import { z } from 'zod';
import { defineFunction } from 'fpm-gateway/contract';
export default defineFunction({ input: z.strictObject({ contract: z.int().default(${version}) }), output: z.any(), ${more} });
`;

const handler = (version: number, body: string): string => `<?php
declare(strict_types=1);
use FpmGateway\\Call;
return static function (mixed $input, Call $call): mixed {
    $own = [$input['contract'], ${version}, require __DIR__ . '/../lib/version.php'];
    ${body}
};
`;

const filesOf = (version: number): Record<string, string> => ({
  'lib/version.php': `<?php return ${version};\n`,
  'schemas/version.ts': contract(version, ''),
  'functions/version.php': handler(version, 'usleep(2000); return $own;'),
  'schemas/outer.ts': contract(version, ''),
  // What it calls belongs to the same release, however long ago that was replaced.
  'functions/outer.php': handler(
    version,
    "usleep(2000); return [...$own, ...$call->invoke('version', new stdClass())];",
  ),
  'schemas/stays.ts': contract(version, "engine: 'resident'"),
  'functions/stays.php': handler(version, 'return $own;'),
});

/** Ways in which a release can be broken, each of which must be refused. */
const BREAKS: readonly ((files: Record<string, string>) => void)[] = [
  (files) => (files['functions/version.php'] = '<?php nonsense nonsense'),
  (files) => (files['schemas/version.ts'] = 'export default defineFunction('),
  (files) => delete files['functions/outer.php'],
  (files) => (files['deploy/gateway.config.ts'] = 'export default { limits: { bodyMaxBytes: 0 } };'),
  (files) => (files['functions/stays.php'] = '<?php throw new RuntimeException("as it loads");'),
  (files) => (files['schemas/Bad Name.ts'] = contract(0, '')),
];

export class Site {
  /** The link that deploys switch. */
  readonly current: string;
  readonly #base: string;
  #deploys = 0;

  constructor() {
    mkdirSync(BASE, { recursive: true });
    this.#base = mkdtempSync(join(BASE, 'reload-'));
    this.current = join(this.#base, 'current');
    this.deploy(0, undefined);
  }

  /** A folder of its own, to which the link is switched at once. `broken`: the way it is. */
  deploy(version: number, broken: number | undefined): void {
    this.#deploys += 1;
    const files = filesOf(version);
    if (broken !== undefined) BREAKS[broken % BREAKS.length]?.(files);
    const folder = join(this.#base, `deploy-${this.#deploys}`);
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    const link = join(this.#base, `link-${this.#deploys}`);
    symlinkSync(folder, link);
    renameSync(link, this.current);
  }

  remove(): void {
    rmSync(this.#base, { recursive: true, force: true });
  }
}
