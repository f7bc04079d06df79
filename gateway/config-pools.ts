/** What the settings of a pool may say: who runs its workers, how many, with what limits. */
import { availableParallelism } from 'node:os';
import { z } from 'zod';
import { parseAddress } from './address.ts';
import { absolutePath, bytes, MAX_BYTES, MAX_MS, ms } from './config-values.ts';

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

const poolCommon = {
  queueMax: z
    .int()
    .min(0)
    .max(100_000)
    .default(1000)
    .describe('calls that may wait for a worker; one more gets 503 `overloaded`'),
  queueTargetMs: ms(0, MAX_MS)
    .default(100)
    .describe(
      'overload begins where the queue has not been empty for as long as this: then calls that would wait longer are refused at once, and the newest go first; 0: every call may wait for its `queueTimeoutMs`',
    ),
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

export interface SizeMembers {
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
export const poolSchema = z.preprocess(
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

export type PoolConfig =
  | (Omit<z.input<typeof managedPool>, 'kind'> & { readonly address?: never })
  | Omit<z.input<typeof attachedPool>, 'kind'>;

export type ManagedPoolSettings = z.output<typeof managedPool>;
export type ResidentSettings = z.output<typeof resident>;
export type AttachedPoolSettings = z.output<typeof attachedPool>;
export type PoolSettings = ManagedPoolSettings | AttachedPoolSettings;
