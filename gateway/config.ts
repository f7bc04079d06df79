/**
 * Every setting that is not a function: one zod schema with its defaults and reasons.
 * Precedence: environment > deploy/gateway.config.ts > contract > default. Inner code gets resolved plain values.
 */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { parseAddress, UNIX_PATH_MAX_BYTES } from './address.ts';

const ms = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);
const bytes = (minimum: number, maximum: number) => z.int().min(minimum).max(maximum);
const absolutePath = z.string().startsWith('/', { error: 'must be an absolute path' });
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
const OWNED_INI = [
  'output_buffering',
  'cgi.fix_pathinfo',
  'user_ini.filename',
  'enable_post_data_reading',
  'file_uploads',
  'upload_tmp_dir',
  'upload_max_filesize',
  'post_max_size',
  'max_file_uploads',
  'max_input_vars',
  'max_input_nesting_level',
];

const retry = z.strictObject({
  attempts: z.int().min(1).max(10).optional(),
  baseMs: ms(0, 60_000).optional(),
  maxMs: ms(0, 60_000).optional(),
});

const poolCommon = {
  queueMax: z
    .int()
    .min(0)
    .max(100_000)
    .default(1000)
    .describe('calls that may wait for a worker; one more gets 503 `overloaded`'),
  connectTimeoutMs: ms(10, 60_000)
    .default(1000)
    .describe('for connecting to a worker and hearing from it that it is ours'),
  idleMs: ms(1000, 3_600_000)
    .default(30_000)
    .describe('a kept connection unused for this long is closed, so that FPM may let its worker go'),
  bootstrap: z
    .string()
    .max(1000)
    .optional()
    .describe('file below the project that handlers need first, such as `vendor/autoload.php`'),
};

const workersInAll = z.int().min(1).max(1000);

/** How many workers: always as many (`workers`), or as load asks for. */
const size = {
  workers: workersInAll
    .optional()
    .describe(
      'PHP processes, each serving one call at a time, all of them always there; default: twice the cores, at least 4',
    ),
  minWorkers: z
    .int()
    .min(0)
    .max(1000)
    .optional()
    .describe(
      'instead of `workers`: so many stay when nobody calls; 0: the pool sleeps then; default: 1 where `maxWorkers` is given',
    ),
  maxWorkers: workersInAll
    .optional()
    .describe('instead of `workers`: so many there may be; default: twice the cores, at least 4 and `minWorkers`'),
};

interface SizeMembers {
  readonly workers?: number | undefined;
  readonly minWorkers?: number | undefined;
  readonly maxWorkers?: number | undefined;
  readonly pm?: 'static' | 'dynamic' | 'ondemand' | undefined;
}

export interface PoolSize {
  /** That stay when nobody calls. 0: it sleeps then. */
  readonly minWorkers: number;
  readonly maxWorkers: number;
}

const usualWorkers = (): number => Math.max(4, 2 * availableParallelism());

const ofShortForm = ({ workers, pm }: SizeMembers): PoolSize => {
  const maxWorkers = workers ?? usualWorkers();
  if (pm === 'ondemand') return { minWorkers: 0, maxWorkers };
  return { minWorkers: pm === 'dynamic' ? Math.ceil(maxWorkers / 4) : maxWorkers, maxWorkers };
};

const ofBounds = ({ minWorkers, maxWorkers }: SizeMembers): PoolSize => ({
  minWorkers: minWorkers ?? 1,
  maxWorkers: maxWorkers ?? Math.max(usualWorkers(), minWorkers ?? 0),
});

/** Inner code knows two numbers, however they were said. */
const resolveSize = <T extends SizeMembers>(
  members: T,
  context: z.core.$RefinementCtx<T>,
): Omit<T, keyof SizeMembers> & PoolSize => {
  const { workers, minWorkers, maxWorkers, pm, ...rest } = members;
  const isBounded = minWorkers !== undefined || maxWorkers !== undefined;
  const refuse = (member: keyof SizeMembers, message: string): void => {
    context.issues.push({ code: 'custom', path: [member], message, input: members[member] });
  };
  const twice = 'says again how many workers there are, beside minWorkers and maxWorkers: leave it out';
  if (isBounded && workers !== undefined) refuse('workers', twice);
  if (isBounded && pm !== undefined) refuse('pm', twice);
  const size = isBounded ? ofBounds(members) : ofShortForm(members);
  if (size.minWorkers > size.maxWorkers)
    refuse(
      'minWorkers',
      `is ${size.minWorkers}, more than maxWorkers, which is ${size.maxWorkers}: lower it, or raise maxWorkers`,
    );
  return { ...rest, ...size };
};

/** For members that exist, but elsewhere: that they are not known here tells no way out. */
const misplaced = (cures: Readonly<Record<string, string>>) => ({
  error: ({ code, keys }: z.core.$ZodRawIssue): string | undefined => {
    if (code !== 'unrecognized_keys' || !Array.isArray(keys)) return undefined;
    const names = keys.map(String);
    if (!names.some((name) => Object.hasOwn(cures, name))) return undefined;
    return names.map((name) => `${name} ${cures[name] ?? 'is no member of it'}`).join('; ');
  },
});

const NEVER_SCALES = 'is for pools the gateway runs itself, one with an address neither sleeps nor scales: say workers';
const IN_THE_POOL = 'is one for all workers of a pool: say it beside resident, not in it';

/** Workers of the resident engine. They are there when the pool has functions that say `engine: 'resident'`. */
const residentMembers = z.strictObject(
  {
    ...size,
    concurrentWorkers: workersInAll
      .default(() => availableParallelism())
      .describe('PHP processes for functions with `concurrency`, each running many calls at once; default: the cores'),
    callMemoryBytes: bytes(16_384, MAX_BYTES)
      .default(262_144)
      .describe(
        'memory that must be left before a worker begins a call beside others; else it goes to another worker, or waits',
      ),
    callsMax: z
      .int()
      .min(1)
      .max(1_000_000_000)
      .default(100_000)
      .describe('calls after which a worker is replaced, give or take a tenth'),
    memoryMaxBytes: bytes(1_048_576, MAX_BYTES)
      .default(96 * 1_048_576)
      .describe(
        'a worker that holds more than this between calls is replaced, or more than three quarters of `memory_limit`',
      ),
    ageMaxMs: ms(1000, 30 * MAX_MS)
      .default(3_600_000)
      .describe('age at which a worker is replaced, give or take a tenth'),
    bootstrapTimeoutMs: ms(100, 600_000)
      .default(30_000)
      .describe('for the bootstrap and the handler files to load before the first call'),
    leaks: z
      .enum(['warn', 'recycle', 'fpm', 'off'])
      .default('warn')
      .describe(
        'what becomes of state that a call leaves behind and that cannot be put back: `warn` tells of it, `recycle` replaces the worker, too, `fpm` moves the function to php-fpm until the next release; `off` looks for none',
      ),
  },
  misplaced({
    pm: 'is for php-fpm workers: say minWorkers and maxWorkers',
    idleMs: IN_THE_POOL,
    sleepAfterMs: IN_THE_POOL,
  }),
);

const resident = residentMembers.transform((members, context) => resolveSize(members, context));

/** A pool whose php-fpm the gateway starts and watches. */
const managedMembers = z.strictObject({
  kind: z.literal('managed'),
  ...poolCommon,
  ...size,
  pm: z
    .enum(['static', 'dynamic', 'ondemand'])
    .optional()
    .describe(
      'short for a `minWorkers` of all `workers` (`static`, the default), of a quarter of them (`dynamic`) or of none (`ondemand`)',
    ),
  sleepAfterMs: ms(100, MAX_MS)
    .default(60_000)
    .describe('where `minWorkers` is 0: without a call for this long, all of its processes end until the next one'),
  ini: z
    .record(iniName, z.union([iniText, z.number(), z.boolean()]))
    .refine((ini) => !OWNED_INI.some((name) => Object.hasOwn(ini, name)), {
      error: `must not set ${OWNED_INI.join(', ')}: the gateway depends on its own values`,
    })
    .default({})
    .describe('php.ini settings of this pool'),
  catchOutput: z
    .boolean()
    .default(true)
    .describe(
      "what PHP writes to `php://stderr` reaches the gateway's log; php-fpm's master is woken for it at the end of each call",
    ),
  env: z.record(envName, iniText).default({}).describe('the only environment variables PHP sees'),
  cache: z
    .strictObject({
      // Small values lie in Node's own heap, which has bounds of its own.
      maxBytes: bytes(65_536, 2 ** 30)
        .default(16 * 1_048_576)
        .describe('what its workers share in `$call->cache`: keys, values and 200 bytes more for each'),
      entriesMax: z.int().min(1).max(10_000_000).default(100_000).describe('entries in it at once'),
      valueMaxBytes: bytes(1024, 64 * 1_048_576)
        .default(1_048_576)
        .describe('one value of it, as it is encoded; no more than what `maxBytes` has room for'),
    })
    .prefault({}),
  user: z
    .string()
    .regex(/^[a-z_][a-z0-9_-]{0,31}$/, { error: 'is not a user name' })
    .refine((user) => user !== 'root', { error: 'must not be root: PHP never runs as root' })
    .default('www-data')
    .describe('whom the workers run as when the gateway is root; ignored otherwise; never root'),
  resident: resident.prefault({}),
});

const managedPool = managedMembers.transform((members, context) => resolveSize(members, context));

const addressText = z.string().refine((text) => parseAddress(text) !== undefined, {
  error: 'is not an address: write unix:/path/to.sock or tcp://host:port',
});

/** A pool whose php-fpm somebody else runs. */
const attachedPool = z.strictObject(
  {
    kind: z.literal('attached'),
    ...poolCommon,
    address: z
      .union([addressText, z.array(addressText).min(1).max(100)])
      .describe('where php-fpm listens: `unix:/run/php/fpm.sock`, `tcp://10.0.0.5:9000`, or several of them'),
    workers: workersInAll.describe('workers behind each address that are ours alone: at most its pm.max_children'),
    root: absolutePath.describe("this project's path as those workers see it"),
    runtime: absolutePath
      .optional()
      .describe("the PHP runtime's folder as those workers see it; default: where it lies inside `root`"),
  },
  misplaced({ minWorkers: NEVER_SCALES, maxWorkers: NEVER_SCALES, sleepAfterMs: NEVER_SCALES, pm: NEVER_SCALES }),
);

/** An address makes a pool an attached one: the kind follows from it, so that mistakes are told of the right one. */
const poolSchema = z.preprocess(
  (pool) => {
    if (!isPlainObject(pool)) return pool;
    return 'address' in pool ? { ...pool, kind: 'attached' } : { ...withResidentSize(pool), kind: 'managed' };
  },
  z.discriminatedUnion('kind', [managedPool, attachedPool]),
);

const isPlainObject = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null;

/** A pool that may sleep, or follows load, does so as a whole, unless its `resident` says otherwise. */
const withResidentSize = (pool: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> => {
  const { minWorkers, maxWorkers, resident = {} } = pool;
  const isSaid = isPlainObject(resident) && ['workers', 'minWorkers', 'maxWorkers'].some((form) => form in resident);
  if ((minWorkers === undefined && maxWorkers === undefined) || !isPlainObject(resident) || isSaid) return pool;
  // Told once, of the pool.
  if (Number(minWorkers) > Number(maxWorkers)) return pool;
  const size = { ...(minWorkers !== undefined && { minWorkers }), ...(maxWorkers !== undefined && { maxWorkers }) };
  return { ...pool, resident: { ...resident, ...size } };
};

/** Two ways to say one thing: what the environment says in one of them replaces what the config says in the other. */
export const OTHER_FORMS: Readonly<Record<string, readonly string[]>> = {
  workers: ['minWorkers', 'maxWorkers'],
  pm: ['minWorkers', 'maxWorkers'],
  minWorkers: ['workers', 'pm'],
  maxWorkers: ['workers', 'pm'],
};

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
  shutdownGraceMs: ms(0, 3_600_000).default(30_000).describe('how long running calls may take after SIGTERM'),
});

type PoolConfig =
  | (Omit<z.input<typeof managedPool>, 'kind'> & { readonly address?: never })
  | Omit<z.input<typeof attachedPool>, 'kind'>;

/** What `deploy/gateway.config.ts` may say. */
export type GatewayConfig = Omit<z.input<typeof configSchema>, 'pools'> & {
  readonly pools?: Readonly<Record<string, PoolConfig>>;
};
/** Every setting, with a value. */
export type Settings = z.output<typeof configSchema>;
export type ManagedPoolSettings = z.output<typeof managedPool>;
export type ResidentSettings = z.output<typeof resident>;
export type AttachedPoolSettings = z.output<typeof attachedPool>;
export type PoolSettings = ManagedPoolSettings | AttachedPoolSettings;

/** Types the settings file: `export default defineConfig({ … })`. */
export const defineConfig = (config: GatewayConfig): GatewayConfig => config;
