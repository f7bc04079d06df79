/** The php-fpm configuration of a pool we run, from typed settings. Pure: each fixed value says why. */
import type { ManagedPoolSettings } from '../config-pools.ts';
import type { UploadNeeds } from './uploads.ts';

export interface FpmConfigInput {
  readonly pool: string;
  readonly instanceId: string;
  readonly socket: string;
  /** Workers that start when calls would wait for each other for ever. */
  readonly reserve: { readonly socket: string; readonly workers: number } | undefined;
  readonly settings: ManagedPoolSettings;
  /** By `poolEnvironment`. */
  readonly env: Readonly<Record<string, string>>;
  /** The longest `timeoutMs` of the pool's functions. */
  readonly longestCallMs: number;
  /** Set when the master is root. */
  readonly user: { readonly name: string; readonly gid: number } | undefined;
}

const ENV_PREFIX = 'FPMG_ENV_';

/**
 * The master's environment, which the configuration refers to: no secret is written into a file, and no value is
 * read as php-fpm's own syntax (it takes one that begins with `$` as a variable's name).
 */
export const masterEnvironment = (env: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(env).map(([name, value]) => [`${ENV_PREFIX}${name}`, value]));

/** Sockets of the gateway that a pool's PHP may use; undefined: it has none. */
export interface PoolSockets {
  /** Where functions call functions. */
  readonly gateway: string | undefined;
  /** What the pool's workers share. */
  readonly cache: string | undefined;
  /** A folder of their own where workers ask for time to clean up; absent: they cannot. */
  readonly grace?: string;
}

/** All variables that PHP sees. */
export const poolEnvironment = (
  { env }: ManagedPoolSettings,
  { gateway, cache, grace }: PoolSockets,
): Readonly<Record<string, string>> => ({
  ...(gateway === undefined ? {} : { FPMG_GATEWAY: `unix:${gateway}` }),
  ...(cache === undefined ? {} : { FPMG_CACHE: `unix:${cache}` }),
  ...(grace === undefined ? {} : { FPMG_GRACE: grace }),
  ...env,
});

const seconds = (ms: number): number => Math.ceil(ms / 1000);

export const requestTerminateSeconds = (
  longestCallMs: number,
  { idleMs }: Pick<ManagedPoolSettings, 'idleMs'>,
): number => seconds(longestCallMs + 1.5 * idleMs) + 10;

/**
 * FPM's own `dynamic` forks once a second, by ones and twos: a burst would wait seconds in its backlog. Its `ondemand`
 * forks with each connection, and ends who has none: the gateway opens and closes them as load asks for workers.
 */
const processManager = ({
  minWorkers,
  maxWorkers,
  idleMs,
}: Pick<ManagedPoolSettings, 'minWorkers' | 'maxWorkers' | 'idleMs'>): string[] => {
  const children = `pm.max_children = ${maxWorkers}`;
  if (minWorkers === maxWorkers) return ['pm = static', children];
  return ['pm = ondemand', children, `pm.process_idle_timeout = ${seconds(idleMs)}s`];
};

const backlogOf = (workers: number): string => `listen.backlog = ${2 * workers}`;

export const renderFpmConfig = (input: FpmConfigInput): string => {
  const { pool, instanceId, socket, reserve, settings, longestCallMs } = input;
  const lines = [
    '; Rendered by fpm-gateway at start: changes here are lost.',
    '[global]',
    'daemonize = no',
    '; It is opened though --force-stderr keeps it unused; the default, /var/log/php-fpm.log, fails for ordinary users.',
    'error_log = /dev/null',
    'log_limit = 8192',
    '; The default, 0, kills running calls on stop.',
    `process_control_timeout = ${seconds(longestCallMs) + 1}s`,
    '; The instance is part of the process title: orphans of a crashed gateway are found by it.',
    `[${pool}@${instanceId}]`,
    `listen = ${socket}`,
    ...processManager(settings),
    '; Nothing waits here: the gateway never opens more connections than there are workers.',
    backlogOf(settings.maxWorkers),
    ...commonLines(input),
  ];
  if (reserve !== undefined)
    lines.push(
      '; Workers in reserve, for calls that all others wait for: none runs until one is needed.',
      `[${pool}.reserve@${instanceId}]`,
      `listen = ${reserve.socket}`,
      ...processManager({ minWorkers: 0, maxWorkers: reserve.workers, idleMs: settings.idleMs }),
      backlogOf(reserve.workers),
      ...commonLines(input),
    );
  return `${lines.join('\n')}\n`;
};

/** The same for both kinds of workers: a call must not notice on which it runs. */
const commonLines = ({ settings, env, longestCallMs, user }: FpmConfigInput): readonly string[] => [
  'listen.mode = 0600',
  ...(user === undefined ? [] : [`user = ${user.name}`, `group = ${user.gid}`]),
  '; A backstop for a gateway that died. The clock also runs while a kept connection idles, which is swept twice in idleMs.',
  `request_terminate_timeout = ${requestTerminateSeconds(longestCallMs, settings)}s`,
  'request_terminate_timeout_track_finished = yes',
  'rlimit_core = 0',
  '; What workers write to their stderr reaches the gateway log, by way of the master, which each call wakes for it.',
  `catch_workers_output = ${settings.catchOutput ? 'yes' : 'no'}`,
  'decorate_workers_output = no',
  '; PHP sees only the variables listed here.',
  'clear_env = yes',
  ...Object.keys(env).map((name) => `env[${name}] = $${ENV_PREFIX}${name}`),
  'security.limit_extensions = .php',
];

export interface PhpIniInput {
  readonly settings: ManagedPoolSettings;
  readonly uploads: UploadNeeds;
  readonly uploadDir: string;
  /** Where compiled code outlives its processes; undefined: nowhere. */
  readonly codeCache: string | undefined;
  /** Settings of `runtimePreload`; none: the runtime is loaded by each call. */
  readonly preload: Readonly<Record<string, string>>;
}

/** The runtime's classes are in every worker from its start: a third of what a short call costs PHP is saved. */
export const runtimePreload = (
  runtime: string,
  user: { readonly name: string } | undefined,
): Record<string, string> => ({
  'opcache.preload': `${runtime}/preload.php`,
  // A master that is root must name one; another is warned of it.
  ...(user === undefined ? {} : { 'opcache.preload_user': user.name }),
});

/** Later ones win: the pool's own `ini` may change the first group, never what follows it. */
export const phpIni = ({
  settings,
  uploads,
  uploadDir,
  codeCache,
  preload,
}: PhpIniInput): Readonly<Record<string, string>> => ({
  memory_limit: '128M',
  // They count CPU time only; the gateway's deadline counts all and stops the worker.
  max_execution_time: '0',
  // The clock for reading input, 60 s in Debian's php.ini, would not stop where execution has no limit of its own.
  max_input_time: '-1',
  expose_php: '0',
  // Errors belong in the trace (STDERR), not in the answer.
  display_errors: '0',
  log_errors: '1',
  error_log: '',
  html_errors: '0',
  // Arguments in stack traces are how secrets get into logs.
  'zend.exception_ignore_args': '1',
  'opcache.enable': '1',
  // One release, one version of the code: changes take effect with the next release (a restart, or `dev`).
  'opcache.validate_timestamps': '0',
  // Its default keeps files younger than 2 s out of the cache: they would be read anew for each call.
  'opcache.file_update_protection': '0',
  'opcache.max_accelerated_files': '10000',
  realpath_cache_ttl: '600',
  // 1,200 classes took 106 ms of CPU from there, 350 ms from their source.
  ...(codeCache === undefined ? {} : { 'opcache.file_cache': codeCache }),
  ...preload,
  ...Object.fromEntries(Object.entries(settings.ini).map(([name, value]) => [name, iniValue(value)])),
  // The runtime buffers; php.ini's 4096 would hold back what it flushes.
  output_buffering: '0',
  'cgi.fix_pathinfo': '0',
  // No per-folder settings: an uploaded .user.ini would change the worker.
  'user_ini.filename': '',
  // The signal that has PHP clean up would start this clock, 2 s of CPU, and it runs on into the worker's next calls.
  hard_timeout: '0',
  enable_post_data_reading: '1',
  // The gateway has checked sizes and numbers before; PHP must not refuse, or silently drop, what it let through.
  file_uploads: '1',
  upload_tmp_dir: uploadDir,
  upload_max_filesize: String(uploads.uploadMaxBytes),
  post_max_size: String(uploads.postMaxBytes),
  max_file_uploads: String(uploads.uploadsMax),
  max_input_vars: String(uploads.inputVarsMax),
  max_input_nesting_level: String(uploads.nestingMax),
  // Scripts tell on STDERR how they ended.
  'fastcgi.logging': '1',
});

/**
 * For workers of the resident engine, which is PHP's command line program. The same as under php-fpm, but: opcache is
 * off there by default, and nothing is preloaded, because the application itself is loaded before the workers are forked.
 */
export const residentIni = (input: Omit<PhpIniInput, 'preload'>): Readonly<Record<string, string>> => ({
  'opcache.enable_cli': '1',
  ...phpIni({ ...input, preload: {} }),
  'opcache.preload': '',
});

/** `128M` → bytes; without an end for -1. */
export const iniBytes = (value: string): number => {
  const [, digits, unit = ''] = /^\s*(-?\d+)\s*([kmg]?)/i.exec(value) ?? [];
  if (digits === undefined || Number(digits) < 0) return Number.POSITIVE_INFINITY;
  return Number(digits) * 1024 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase());
};

const iniValue = (value: string | number | boolean): string =>
  typeof value === 'boolean' ? (value ? '1' : '0') : String(value);

/** On the command line, because settings such as opcache's are read only when the master starts. */
export const iniArguments = (ini: Readonly<Record<string, string>>): string[] =>
  Object.entries(ini).flatMap(([name, value]) => ['-d', `${name}="${value}"`]);
