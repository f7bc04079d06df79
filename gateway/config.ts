/**
 * Every setting that is not a function: one zod schema with its defaults and reasons.
 * Precedence: environment > deploy/gateway.config.ts > contract > default. Inner code gets resolved plain values.
 */
import { z } from 'zod';
import { UNIX_PATH_MAX_BYTES } from './address.ts';
import { type PoolConfig, poolSchema } from './config-pools.ts';
import { absolutePath, bytes, MAX_BYTES, MAX_MS, ms } from './config-values.ts';

/** Whose calls wait for a worker first. */
export const PRIORITIES = ['high', 'normal', 'low'] as const;
/** What becomes of a call whose caller leaves while it runs. */
export const DISCONNECTS = ['cancel', 'finish'] as const;
/** Whether callers name their operations. */
export const KEY_RULES = ['required', 'optional', 'off'] as const;

const retry = z.strictObject({
  attempts: z.int().min(1).max(10).optional(),
  baseMs: ms(0, 60_000).optional(),
  maxMs: ms(0, 60_000).optional(),
});

const name = z.string().regex(/^[a-z][a-z0-9-]{0,31}$/, {
  error: 'is not a pool name: a to z, 0 to 9 and -, at most 32 characters, starting with a letter',
});

const functionOverride = z.strictObject({
  pool: z.string().optional().describe('its pool'),
  engine: z.enum(['fpm', 'resident']).optional().describe('`fpm`, or `resident` where it is a handler'),
  timeoutMs: ms(1, MAX_MS).optional().describe('how long PHP may run'),
  queueTimeoutMs: ms(0, MAX_MS).optional().describe('how long a call may wait for a worker'),
  concurrency: z
    .int()
    .min(1)
    .max(10_000)
    .optional()
    .describe('calls of it that one resident worker runs at once; 1: each has its worker to itself'),
  inFlightMax: z.int().min(1).max(100_000).optional().describe('calls of it running or waiting at once'),
  retry: retry.optional().describe('`attempts`, `baseMs`, `maxMs`'),
  priority: z.enum(PRIORITIES).optional().describe('whose calls wait for a worker first: `high`, `normal` or `low`'),
  onDisconnect: z
    .enum(DISCONNECTS)
    .optional()
    .describe('what becomes of a call whose caller leaves while it runs: `cancel` or `finish`'),
  idempotencyKey: z.enum(KEY_RULES).optional().describe('`required`, `optional` or `off`'),
});

export const configSchema = z.strictObject({
  http: z
    .strictObject({
      host: z.string().max(255).default('127.0.0.1').describe('address of the public listener; short form `HOST`'),
      port: z.int().min(0).max(65_535).default(8080).describe('its port, 0 for any free one; short form `PORT`'),
      socket: absolutePath.optional().describe('listen on this unix socket instead'),
      allowedHosts: z.array(z.string().max(255)).max(100).default([]).describe('host names answered; empty: any'),
      trustedPeers: z
        .array(z.union([z.cidrv4(), z.cidrv6()]))
        .max(100)
        .default([])
        .describe(
          'networks besides loopback and unix sockets whose `traceparent`, `x-forwarded-*`, `fpm-gateway-caller` and `on-disconnect` are believed: CIDR blocks',
        ),
      serverTiming: z
        .enum(['trusted', 'always', 'never'])
        .default('trusted')
        .describe('who gets `server-timing`, which tells about load'),
      headersTimeoutMs: ms(100, 300_000).default(10_000).describe('for the headers of a request to arrive'),
      requestTimeoutMs: ms(100, 300_000).default(30_000).describe('for a whole request to arrive'),
      uploadTimeoutMs: ms(100, MAX_MS).default(600_000).describe('for a whole request with files to arrive'),
      idleWriteTimeoutMs: ms(100, 3_600_000)
        .default(30_000)
        .describe('a reader that takes nothing of a stream for this long is cut off, and PHP stopped'),
      heartbeatMs: ms(100, 3_600_000)
        .default(15_000)
        .describe('after this long without an item a comment goes out on a Server-Sent Events stream'),
      allowedOrigins: z
        .array(z.string().regex(/^https?:\/\/[^/\s]+$/, { error: 'is not an origin: https://host, without a path' }))
        .max(100)
        .default([])
        .describe('other origins whose pages may send forms and files; browsers do so without asking'),
      docs: z.boolean().default(true).describe('the API page at `/docs`'),
      keepAliveTimeoutMs: ms(0, 3_600_000).default(60_000).describe('how long an idle connection is kept'),
      headersMaxBytes: bytes(1024, 1_048_576).default(16_384).describe('request line and headers'),
      maxConnections: z.int().min(1).max(1_000_000).default(10_000).describe('connections open at once'),
      maxRequestsPerSocket: z
        .int()
        .min(0)
        .max(1_000_000)
        .default(10_000)
        .describe('requests on one connection; 0: any number'),
    })
    .prefault({}),
  // Apart from the public listener, because behind a proxy every peer looks local.
  admin: z
    .strictObject({
      enabled: z.boolean().default(true).describe('the listener for traces and pools'),
      host: z.string().max(255).default('127.0.0.1').describe('its address; another than loopback needs a token'),
      port: z.int().min(0).max(65_535).default(8081).describe('its port, 0 for any free one'),
      token: z
        .string()
        .min(16, { error: 'needs at least 16 characters' })
        .max(1000)
        .optional()
        .describe('asked for as `Authorization: Bearer …`'),
    })
    .prefault({}),
  internal: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('functions of managed pools can call functions: PHP finds the way in the variable `FPMG_GATEWAY`'),
      socket: absolutePath
        .refine((path) => Buffer.byteLength(path) <= UNIX_PATH_MAX_BYTES, {
          error: `is longer than the ${UNIX_PATH_MAX_BYTES} bytes that the system allows for a socket`,
        })
        .optional()
        .describe(
          'listen on this unix socket, too, for other services of this machine; whoever may enter its folder may call, and is trusted',
        ),
    })
    .prefault({}),
  limits: z
    .strictObject({
      bodyMaxBytes: bytes(1, MAX_BYTES).default(1_048_576).describe('request body, without its files'),
      uploadMaxBytes: bytes(1, MAX_BYTES)
        .default(64 * 1_048_576)
        .describe('all files of one request; contracts with larger ones are refused at start'),
      spoolAfterBytes: bytes(0, 16 * 1_048_576)
        .default(262_144)
        .describe('a file larger than this waits on disk, not in memory'),
      spoolMaxBytes: bytes(0, 2 ** 40)
        .default(8 * 1_073_741_824)
        .describe('disk space for all waiting files; more get 503 `overloaded`'),
      fieldsMax: z
        .int()
        .min(1)
        .max(100_000)
        .default(1000)
        .describe("fields of one request, query and files included; PHP's `max_input_vars` follows"),
      buffersMaxBytes: bytes(1_048_576, 2 ** 36)
        .default(256 * 1_048_576)
        .describe('request bodies held in memory at once, of all requests; more get 503 `overloaded`'),
      // php's json_decode ends at 512; recursive schemas overflow the stack far later.
      jsonDepth: z.int().min(1).max(500).default(64).describe('nesting of the request body'),
      responseMaxBytes: bytes(1024, MAX_BYTES)
        .default(8 * 1_048_576)
        .describe('result of a function; a stream may be longer'),
      itemMaxBytes: bytes(1024, MAX_BYTES).default(1_048_576).describe('one item of a stream'),
      stderrMaxBytes: bytes(0, 16 * 1_048_576)
        .default(65_536)
        .describe('PHP warnings kept for the trace of a call, besides their last 4 KiB'),
      callDepthMax: z
        .int()
        .min(1)
        .max(32)
        .default(8)
        .describe('functions that call functions, the outermost included; 1: none may'),
      // 100,000 of them took 334 ms and 30 MB.
      issuesMax: z.int().min(1).max(1000).default(20).describe('broken rules listed in one answer'),
    })
    .prefault({}),
  batch: z
    .strictObject({
      itemsMax: z.int().min(1).max(10_000_000).default(100_000).describe('items of one batch'),
      maxBytes: bytes(1, 2 ** 40)
        .default(1_073_741_824)
        .describe('body of one batch; each item has `limits.bodyMaxBytes`'),
      timeoutMs: ms(1, MAX_MS).default(600_000).describe('for a whole batch: to arrive and to run'),
      concurrency: z.int().min(1).max(10_000).default(64).describe('items in flight at once, where it does not say'),
      concurrencyMax: z.int().min(1).max(10_000).default(1000).describe('the most it may ask for'),
      keptMaxBytes: bytes(65_536, 2 ** 40)
        .default(268_435_456)
        .describe('results of one batch that wait for their reader, on disk past 1 MB; then no further item begins'),
    })
    .prefault({}),
  defaults: z
    .strictObject({
      timeoutMs: ms(1, MAX_MS).default(30_000).describe('for contracts that say nothing: how long PHP may run'),
      queueTimeoutMs: ms(0, MAX_MS).default(5000).describe('how long a call may wait for a worker'),
      retry: z
        .strictObject({
          attempts: z.int().min(1).max(10).default(3).describe('attempts in all'),
          baseMs: ms(0, 60_000).default(20).describe('first delay of the full-jitter backoff'),
          maxMs: ms(0, 60_000).default(1000).describe('longest delay'),
        })
        .prefault({}),
    })
    .prefault({}),
  overload: z
    .strictObject({
      lagMaxMs: ms(0, 60_000)
        .default(500)
        .describe(
          'when the gateway itself is behind by more than this, new calls get 503 `overloaded` at once, and `/readyz` says 503 past a second; 0: never',
        ),
      descriptorsFree: z
        .int()
        .min(0)
        .max(1_000_000)
        .default(64)
        .describe(
          'open files are kept below the limit of the process by so many: new connections get 503 `overloaded` then',
        ),
    })
    .prefault({}),
  breaker: z
    .strictObject({
      errorRate: z
        .number()
        .min(0)
        .max(1)
        .default(0.5)
        .describe(
          'share of calls that time out, lose their worker or find none, from which on a function, or a pool, gets no calls for a while (503 `circuit-open`); 0: never',
        ),
      callsMin: z.int().min(1).max(1_000_000).default(20).describe('so many calls within `windowMs` it takes to judge'),
      windowMs: ms(100, 3_600_000).default(10_000).describe('how far back it looks'),
      openMs: ms(10, 3_600_000)
        .default(5000)
        .describe(
          'how long it stays open before one call at a time tries again; twice as long each time that fails, up to ten times',
        ),
    })
    .prefault({}),
  idempotency: z
    .strictObject({
      ttlMs: ms(1000, 30 * MAX_MS)
        .default(MAX_MS)
        .describe('how long the answer to an Idempotency-Key is kept'),
      keysMax: z
        .int()
        .min(1)
        .max(100_000_000)
        .default(1_000_000)
        .describe('keys kept at once; more get 507 `storage-full`'),
      maxBytes: bytes(1_048_576, 2 ** 40)
        .default(1_073_741_824)
        .describe('disk space for their answers'),
    })
    .prefault({}),
  reload: z
    .strictObject({
      watchMs: ms(0, 3_600_000)
        .default(10_000)
        .describe('a new release that fails within this time makes room for the one before it by itself; 0: never'),
      errorRate: z
        .number()
        .min(0.01)
        .max(1)
        .default(0.5)
        .describe('it fails when so many of the calls of one of its functions do, and they did not before'),
      callsMin: z.int().min(1).max(1_000_000).default(5).describe('so many failed calls it takes to judge'),
    })
    .prefault({}),
  pools: z.record(name, poolSchema).default({}),
  functions: z.record(z.string(), functionOverride).default({}),
  trace: z
    .strictObject({
      enabled: z
        .boolean()
        .default(true)
        .describe('record calls; without, they have ids and a `traceparent` as ever, and nothing is kept or exported'),
      ringMax: z.int().min(1).max(100_000).default(500).describe('recent calls kept for the admin listener'),
    })
    .prefault({}),
  log: z
    .strictObject({
      level: z
        .enum(['debug', 'info', 'warn', 'error', 'silent'])
        .default('info')
        .describe('least severe line written: `debug`, `info`, `warn`, `error` or `silent`'),
    })
    .prefault({}),
  runtimeDir: absolutePath
    .optional()
    .describe(
      'for sockets and staged code; default: /run/fpm-gateway for root, else below $XDG_RUNTIME_DIR or the temporary folder',
    ),
  spoolDir: absolutePath
    .optional()
    .describe('for files that wait on disk, here and in PHP; default: /var/tmp, or the temporary folder'),
  stateDir: absolutePath
    .optional()
    .describe(
      'for what outlives the gateway: idempotency keys; default: /var/lib/fpm-gateway for root, else $XDG_STATE_HOME/fpm-gateway or ~/.local/state/fpm-gateway',
    ),
  phpFpm: z.string().optional().describe('the php-fpm program; default: the newest found'),
  php: z
    .string()
    .optional()
    .describe('the PHP program of resident workers; default: the one of the same version as php-fpm'),
  searchLeaks: z
    .enum(['sampled', 'often'])
    .default('sampled')
    .describe(
      'how often resident workers compare all of their state behind a call: on the first calls of each function and then for about 1 % of the time, or `often`; on in `dev`',
    ),
  exposeErrors: z.boolean().default(false).describe('tell callers what PHP said: messages, files, lines; on in `dev`'),
  shutdownDelayMs: ms(0, 3_600_000)
    .default(0)
    .describe(
      'after SIGTERM it serves on for so long while `/readyz` says 503, so that a load balancer turns away first',
    ),
  shutdownGraceMs: ms(0, 3_600_000).default(30_000).describe('how long running calls may take after SIGTERM'),
});

/** What `deploy/gateway.config.ts` may say. */
export type GatewayConfig = Omit<z.input<typeof configSchema>, 'pools'> & {
  readonly pools?: Readonly<Record<string, PoolConfig>>;
};
/** Every setting, with a value. */
export type Settings = z.output<typeof configSchema>;

/** Types the settings file: `export default defineConfig({ … })`. */
export const defineConfig = (config: GatewayConfig): GatewayConfig => config;
