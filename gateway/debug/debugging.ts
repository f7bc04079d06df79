/**
 * `dev --xdebug`: everything about it in one place. It changes a loaded project (one worker for each pool, no deadlines,
 * ini settings, which reach php-fpm and resident workers alike) and holds what lives beside it: the way to the editor,
 * the folders PHP writes to, the report.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import type { ManagedPoolSettings } from '../config-pools.ts';
import { findPhpFpm } from '../pool/fpm-master.ts';
import { findPhp } from '../pool/php-cli.ts';
import { isAttached } from '../pool/pool.ts';
import { poolUser } from '../pool/pool-user.ts';
import type { Project } from '../project.ts';
import { StartupError } from '../startup.ts';
import { CoverageReport } from './coverage.ts';
import { type Extension, findExtension } from './extension.ts';
import type { DebugOptions } from './options.ts';
import { Relay } from './relay.ts';
import { forDebugging } from './settings.ts';

export interface DebuggingParts {
  readonly project: string;
  /** Says it to the developer. */
  readonly tell: (line: string) => void;
}

const HOOKS = join(import.meta.dirname, '..', 'php', 'Debug');

export class Debugging {
  readonly #options: DebugOptions;
  readonly #parts: DebuggingParts;
  /** Ours, in the temporary folder; others may pass through. */
  readonly #folder: string;
  readonly #relay: Relay | undefined;
  readonly #report: CoverageReport | undefined;
  #closed = false;
  readonly #extensions = new Map<string, Extension>();

  /** Rejects with StartupError. */
  static async open(options: DebugOptions, parts: DebuggingParts): Promise<Debugging> {
    const relay = options.mode === 'debug' ? await openRelay(options, parts) : undefined;
    return new Debugging(options, parts, relay);
  }

  private constructor(options: DebugOptions, parts: DebuggingParts, relay: Relay | undefined) {
    this.#options = options;
    this.#parts = parts;
    this.#relay = relay;
    this.#folder = mkdtempSync(join(tmpdir(), 'fpm-gateway-xdebug-'));
    chmodSync(this.#folder, 0o711);
    // Here, because the pool's user may not be able to read the gateway's own folder.
    this.#copyHooks();
    if (options.mode !== 'coverage') return;
    const onFailed = (error: unknown): void => parts.tell(`${this.output} cannot be written: ${String(error)}`);
    this.#report = new CoverageReport({ project: parts.project, file: this.output, onFailed });
  }

  /** The report, or the folder of profiles. */
  get output(): string {
    const { mode, output } = this.#options;
    if (mode === 'coverage') return join(resolve(this.#parts.project, output ?? 'coverage'), 'clover.xml');
    return output === undefined ? join(this.#folder, 'profiles') : resolve(this.#parts.project, output);
  }

  /** One line about it. */
  get summary(): string {
    const { mode, host, port } = this.#options;
    const tools = [...new Set([...this.#extensions.values()].map(({ name, version }) => `${name} ${version}`.trim()))];
    const what = {
      debug: `breakpoints, to an editor at ${host}:${port}`,
      coverage: `coverage of lines, in ${this.output}`,
      profile: `profiles, in ${this.output}`,
    }[mode];
    return `${tools.join(', ')}: ${what} · one worker for each pool, no deadlines`;
  }

  /** For each release. Throws StartupError: before anything has started. */
  readonly adjust = (project: Project): Project => {
    const { settings, registry } = project;
    const pools = new Set([...registry.functions.values()].map((fn) => fn.pool));
    const managed = [...pools].flatMap((name) => {
      const pool = settings.pools[name];
      return pool === undefined || isAttached(pool) ? [] : [name];
    });
    if (pools.size > 0 && managed.length === 0) {
      const detail =
        '--xdebug sets up the PHP that the gateway runs, and all of these functions are on pools that somebody else runs: set up Xdebug there.';
      throw new StartupError([{ file: 'deploy/gateway.config.ts', property: 'pools', detail }]);
    }
    const ini = managed.length === 0 ? {} : this.#extensionIni(project);
    return forDebugging(project, (name, pool) =>
      managed.includes(name) ? { ...this.#iniOf(pool, this.#folderFor(name, pool)), ...ini } : {},
    );
  };

  /** Idempotent. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#relay?.close();
    this.#report?.close();
    // Profiles are what it was for.
    const keeps = this.#options.mode === 'profile' && hasFiles(join(this.#folder, 'profiles'));
    rmSync(keeps ? join(this.#folder, 'hooks') : this.#folder, { recursive: true, force: true });
  }

  #copyHooks(): void {
    const folder = join(this.#folder, 'hooks');
    cpSync(HOOKS, folder, { recursive: true });
    chmodSync(folder, 0o755);
    for (const file of readdirSync(folder)) chmodSync(join(folder, file), 0o644);
  }

  /** The same for both programs: where one of them has it on already, PHP ignores the second loading. */
  #extensionIni({ settings, registry }: Project): Readonly<Record<string, string>> {
    const phpFpm = findPhpFpm(settings.phpFpm);
    const { ini } = this.#extension(phpFpm);
    const hasResidents = [...registry.functions.values()].some(({ engine }) => engine === 'resident');
    return hasResidents ? { ...ini, ...this.#extension(findPhp(settings.php, phpFpm)).ini } : ini;
  }

  #extension(program: string): Extension {
    const known = this.#extensions.get(program);
    if (known !== undefined) return known;
    const found = findExtension(program, this.#options.mode);
    this.#extensions.set(program, found);
    return found;
  }

  /** What the pool's own settings say of Xdebug goes before what is usual, and not before what makes it work. */
  #iniOf(pool: ManagedPoolSettings, folder: string): Record<string, string> {
    const { mode, ideKey } = this.#options;
    const { ini } = pool;
    const usual = {
      // Each call connects by itself (php/Debug/Hooks.php): not every check and priming.
      'xdebug.start_with_request': mode === 'profile' ? 'yes' : 'default',
      'xdebug.client_host': '127.0.0.1',
      'xdebug.client_port': String(this.#relay?.port ?? 0),
      // gzip, which no viewer reads.
      'xdebug.use_compression': '0',
      // The process's number alone would give all calls of a worker one file.
      'xdebug.profiler_output_name': 'cachegrind.out.%p.%r',
      ...(ideKey === undefined ? {} : { 'xdebug.idekey': ideKey }),
    };
    const own = Object.entries(usual).map(([name, value]) => [name, String(ini[name] ?? value)]);
    return {
      ...Object.fromEntries(own),
      'xdebug.mode': mode,
      'xdebug.output_dir': folder,
      'pcov.enabled': '1',
      'pcov.directory': '/',
      // PHP warns that it cannot have both.
      'opcache.jit': 'disable',
      'opcache.jit_buffer_size': '0',
      ...(mode === 'coverage'
        ? // What it optimizes away has no lines.
          { 'opcache.enable': '0', 'opcache.enable_cli': '0', 'opcache.preload': '' }
        : { 'opcache.preload': String(ini['opcache.preload'] ?? '') }),
      // Forks would write into one file. Without, each resident worker is a process of its own from its start.
      ...(mode === 'profile'
        ? { disable_functions: [ini.disable_functions, 'pcntl_fork'].filter(Boolean).join(',') }
        : {}),
      auto_prepend_file: join(this.#folder, 'hooks', 'prepend.php'),
      'fpmg.prepend': String(ini.auto_prepend_file ?? ''),
      'fpmg.debug': mode,
      'fpmg.debug_folder': folder,
    };
  }

  /** Where the PHP of this pool may write. */
  #folderFor(name: string, { user }: ManagedPoolSettings): string {
    const { mode, output } = this.#options;
    const isChosen = mode === 'profile' && output !== undefined;
    const folder = isChosen
      ? join(this.output, name)
      : join(this.#folder, mode === 'profile' ? 'profiles' : 'pools', name);
    try {
      mkdirSync(folder, { recursive: true });
      if (!isChosen) chmodSync(dirname(folder), 0o711);
    } catch (error) {
      throw new StartupError([{ file: folder, detail: `It cannot be made: ${String(error)}.` }], { cause: error });
    }
    const ids = poolUser(name, user);
    if (ids !== undefined) {
      chownSync(folder, ids.uid, ids.gid);
      const args = ['-c', 'test -w "$1"', 'sh', folder];
      const { status } = spawnSync('/bin/sh', args, { uid: ids.uid, gid: ids.gid, cwd: '/', stdio: 'ignore' });
      if (status !== 0) {
        const detail = `The user ${user} of the pool ${name} cannot write there: a folder above it is closed. Name another with --xdebug-output, or leave it out.`;
        throw new StartupError([{ file: folder, detail }]);
      }
    }
    this.#report?.watch(folder);
    return folder;
  }
}

const hasFiles = (folder: string): boolean =>
  existsSync(folder) && readdirSync(folder, { recursive: true, withFileTypes: true }).some((entry) => entry.isFile());

const openRelay = async ({ host, port }: DebugOptions, { project, tell }: DebuggingParts): Promise<Relay> =>
  await Relay.open({
    host,
    port,
    project,
    onAlone: (alone) =>
      tell(
        alone
          ? `no editor listens at ${host}:${port}: calls run through without stopping (start listening there, or see --xdebug-host and --xdebug-port)`
          : `an editor at ${host}:${port} takes the calls`,
      ),
  });
