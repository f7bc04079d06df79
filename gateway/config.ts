/**
 * Every setting that is not a function: one zod schema with its defaults and reasons.
 * Precedence: environment > deploy/gateway.config.ts > contract > default. Inner code gets resolved plain values.
 */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { parseAddress } from './fastcgi/address.ts';

const ms = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);
const bytes = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);
const MAX_MS = 24 * 3_600_000;
const MAX_BYTES = 2 ** 31;

/** A value php-fpm's ini parser reads back as it was written: no quotes, line ends or `${…}` expansion. */
const iniText = z
  .string()
  .max(4096)
  .regex(/^(?:(?!\$\{)[^"\\\0\r\n])*$/, {
    error:
      'must not hold double quotes, backslashes, line ends, NUL or a dollar sign with a brace: php-fpm would read it differently',
  });
const iniName = z.string().regex(/^[A-Za-z0-9._-]{1,100}$/, { error: 'is not an ini setting name' });
const envName = z.string().regex(/^[A-Za-z_][A-Za-z0-9_]{0,99}$/, { error: 'is not an environment variable name' });

/** The gateway depends on these; another value would break its protocol or its safety. */
const OWNED_INI = ['output_buffering', 'cgi.fix_pathinfo', 'user_ini.filename', 'enable_post_data_reading'];

const retry = z.strictObject({
  attempts: z.int().min(1).max(10).optional(),
  baseMs: ms(0, 60_000).optional(),
  maxMs: ms(0, 60_000).optional(),
});

const poolCommon = {
  /** Calls that may wait for a worker; one more gets 503 `overloaded`. */
  queueMax: z.int().min(0).max(100_000).default(1000),
  /** Connecting to a worker and hearing from it that it is ours. */
  connectTimeoutMs: ms(10, 60_000).default(1000),
  /** A kept connection unused for this long is closed, so that FPM may let its worker go. */
  idleMs: ms(1000, 3_600_000).default(30_000),
  /** File below the project that handlers need first, such as `vendor/autoload.php`. */
  bootstrap: z.string().max(1000).optional(),
};

/** A pool whose php-fpm the gateway starts and watches. */
const managedPool = z.strictObject({
  kind: z.literal('managed'),
  ...poolCommon,
  /** PHP processes, each serving one call at a time. The default suits calls that wait; CPU-bound ones want cores + 1. */
  workers: z
    .int()
    .min(1)
    .max(1000)
    .default(() => Math.max(4, 2 * availableParallelism())),
  /** `static` keeps all workers; `dynamic` and `ondemand` start them with load and let idle ones go after `idleMs`. */
  pm: z.enum(['static', 'dynamic', 'ondemand']).default('static'),
  ini: z
    .record(iniName, z.union([iniText, z.number(), z.boolean()]))
    .refine((ini) => !OWNED_INI.some((name) => Object.hasOwn(ini, name)), {
      error: `must not set ${OWNED_INI.join(', ')}: the gateway depends on its own values`,
    })
    .default({}),
  /** The only environment variables PHP sees. */
  env: z.record(envName, iniText).default({}),
  /** Whom the workers run as when the gateway is root; ignored otherwise. Never root. */
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, { error: 'is not a user name' })
    .refine((user) => user !== 'root', { error: 'must not be root: PHP never runs as root' })
    .default('www-data'),
});

const addressText = z.string().refine((text) => parseAddress(text) !== undefined, {
  error: 'is not an address: write unix:/path/to.sock or tcp://host:port',
});

/** A pool whose php-fpm somebody else runs. */
const attachedPool = z.strictObject({
  kind: z.literal('attached'),
  ...poolCommon,
  /** php-fpm that somebody else runs: `unix:/run/php/fpm.sock`, `tcp://10.0.0.5:9000`, or several of them. */
  address: z.union([addressText, z.array(addressText).min(1).max(100)]),
  /** Workers behind each address that are ours alone: at most its pm.max_children. */
  workers: z.int().min(1).max(1000),
  /** This project's path as those workers see it. */
  root: z.string().startsWith('/', { error: 'must be an absolute path' }),
  /** The PHP runtime's folder as those workers see it; default: where it lies inside `root`. */
  runtime: z.string().startsWith('/', { error: 'must be an absolute path' }).optional(),
});

/** An address makes a pool an attached one: the kind follows from it, so that mistakes are told of the right one. */
const poolSchema = z.preprocess(
  (pool) => (isPlainObject(pool) ? { ...pool, kind: 'address' in pool ? 'attached' : 'managed' } : pool),
  z.discriminatedUnion('kind', [managedPool, attachedPool]),
);

const isPlainObject = (value: unknown): value is object => typeof value === 'object' && value !== null;

const name = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, {
  error: 'is not a pool name: a to z, 0 to 9 and -, at most 32 characters, starting with a letter',
});

const functionOverride = z.strictObject({
  pool: z.string().optional(),
  timeoutMs: ms(1, MAX_MS).optional(),
  queueTimeoutMs: ms(0, MAX_MS).optional(),
  concurrency: z.int().min(1).max(100_000).optional(),
  retry: retry.optional(),
});

export const configSchema = z.strictObject({
  /** The public listener. */
  http: z
    .strictObject({
      host: z.string().max(255).default('127.0.0.1'),
      port: z.int().min(0).max(65_535).default(8080),
      /** Listen on this unix socket instead of host and port. */
      socket: z.string().startsWith('/', { error: 'must be an absolute path' }).optional(),
      /** Host names answered; empty: any. */
      allowedHosts: z.array(z.string().max(255)).max(100).default([]),
      /** Peers besides loopback and unix sockets whose `traceparent` is honoured: CIDR blocks. */
      trustedPeers: z
        .array(z.union([z.cidrv4(), z.cidrv6()]))
        .max(100)
        .default([]),
      /** `server-timing` tells about load: `trusted` peers only, `always` or `never`. */
      serverTiming: z.enum(['trusted', 'always', 'never']).default('trusted'),
      headersTimeoutMs: ms(100, 300_000).default(10_000),
      requestTimeoutMs: ms(100, 300_000).default(30_000),
      keepAliveTimeoutMs: ms(0, 3_600_000).default(60_000),
      headersMaxBytes: bytes(1024, 1_048_576).default(16_384),
      maxConnections: z.int().min(1).max(1_000_000).default(10_000),
      maxRequestsPerSocket: z.int().min(0).max(1_000_000).default(10_000),
    })
    .prefault({}),
  /** Traces; metrics and the console later. Apart from the public listener: behind a proxy every peer looks local. */
  admin: z
    .strictObject({
      enabled: z.boolean().default(true),
      host: z.string().max(255).default('127.0.0.1'),
      port: z.int().min(0).max(65_535).default(8081),
      /** Required to bind elsewhere than loopback: `Authorization: Bearer …`. */
      token: z.string().min(16, { error: 'needs at least 16 characters' }).max(1000).optional(),
    })
    .prefault({}),
  limits: z
    .strictObject({
      bodyMaxBytes: bytes(1, MAX_BYTES).default(1_048_576),
      /** php's json_decode ends at 512; recursive schemas overflow the stack far later. */
      jsonDepth: z.int().min(1).max(500).default(64),
      responseMaxBytes: bytes(1024, MAX_BYTES).default(8 * 1_048_576),
      stderrMaxBytes: bytes(0, 16 * 1_048_576).default(65_536),
      /** Broken rules listed in one answer: 100,000 of them took 334 ms and 30 MB. */
      issuesMax: z.int().min(1).max(1000).default(20),
    })
    .prefault({}),
  /** For contracts that say nothing. */
  defaults: z
    .strictObject({
      timeoutMs: ms(1, MAX_MS).default(30_000),
      queueTimeoutMs: ms(0, MAX_MS).default(5000),
      retry: z
        .strictObject({
          attempts: z.int().min(1).max(10).default(3),
          baseMs: ms(0, 60_000).default(20),
          maxMs: ms(0, 60_000).default(1000),
        })
        .prefault({}),
    })
    .prefault({}),
  pools: z.record(name, poolSchema).default({}),
  /** Overrides what the contract of that function says. */
  functions: z.record(z.string(), functionOverride).default({}),
  trace: z.strictObject({ ringMax: z.int().min(1).max(100_000).default(500) }).prefault({}),
  log: z.strictObject({ level: z.enum(['debug', 'info', 'warn', 'error', 'silent']).default('info') }).prefault({}),
  /** Sockets and staged code. Default: /run/fpm-gateway for root, else $XDG_RUNTIME_DIR or the temporary folder. */
  runtimeDir: z.string().startsWith('/', { error: 'must be an absolute path' }).optional(),
  /** The php-fpm program; default: the newest found. */
  phpFpm: z.string().optional(),
  /** Tell callers what PHP said: messages, files, lines. For development. */
  exposeErrors: z.boolean().default(false),
  /** How long running calls may take after SIGTERM. */
  shutdownGraceMs: ms(0, 3_600_000).default(30_000),
});

type PoolConfig = Omit<z.input<typeof managedPool>, 'kind'> | Omit<z.input<typeof attachedPool>, 'kind'>;

/** What `deploy/gateway.config.ts` may say. */
export type GatewayConfig = Omit<z.input<typeof configSchema>, 'pools'> & {
  readonly pools?: Readonly<Record<string, PoolConfig>>;
};
/** Every setting, with a value. */
export type Settings = z.output<typeof configSchema>;
export type ManagedPoolSettings = z.output<typeof managedPool>;
export type AttachedPoolSettings = z.output<typeof attachedPool>;
export type PoolSettings = ManagedPoolSettings | AttachedPoolSettings;

/** Types the settings file: `export default defineConfig({ … })`. */
export const defineConfig = (config: GatewayConfig): GatewayConfig => config;
