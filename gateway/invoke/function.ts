/** One function of a release: its contract with every setting resolved. What calls, lists and OpenAPI read. */
import { z } from 'zod';
import type { Settings } from '../config.ts';
import type { Contract, DeclaredError, Method } from '../contract.ts';
import { isBinaryOutput } from '../contract.ts';
import { isCode } from '../errors.ts';
import { issueProblem, type StartupProblem } from '../startup.ts';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

export type FunctionOutput =
  | { readonly kind: 'json'; readonly schema: z.ZodType; readonly jsonSchema: JsonSchema }
  | { readonly kind: 'binary'; readonly mediaType: string };

export interface DeclaredFailure {
  readonly status: number;
  readonly schema: z.ZodType;
  readonly jsonSchema: JsonSchema;
}

export interface GatewayFunction {
  readonly name: string;
  readonly summary: string | undefined;
  readonly description: string | undefined;
  readonly input: z.ZodType;
  readonly inputJsonSchema: JsonSchema;
  readonly output: FunctionOutput;
  readonly errors: ReadonlyMap<string, DeclaredFailure>;
  /** File below `functions/`. */
  readonly handler: string;
  readonly pool: string;
  readonly methods: readonly Method[];
  readonly timeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly idempotent: boolean;
  readonly retry: { readonly attempts: number; readonly baseMs: number; readonly maxMs: number };
  readonly concurrency: number | undefined;
}

const isZod = (value: unknown): value is z.ZodType => typeof value === 'object' && value !== null && '_zod' in value;

const zodType = z.custom<z.ZodType>(isZod, { error: 'must be a zod 4 schema' });
const milliseconds = z
  .int()
  .min(1)
  .max(24 * 3_600_000);

const contractSchema = z.strictObject({
  summary: z.string().max(200).optional(),
  description: z.string().max(10_000).optional(),
  input: zodType,
  output: z.custom<Contract['output']>((value) => isZod(value) || isBinaryOutput(value), {
    error: "must be a zod 4 schema or binary('type/subtype')",
  }),
  errors: z
    .record(
      z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, { error: 'is not an error code: a to z, 0 to 9 and -' }),
      z.union([zodType, z.strictObject({ status: z.int().min(400).max(499), data: zodType })], {
        error: 'must be a zod 4 schema, or { status: 400 to 499, data: a zod 4 schema }',
      }),
    )
    .optional(),
  handler: z
    .string()
    .regex(/^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}\.php$/, { error: 'must be a .php file below functions/' })
    .optional(),
  pool: z.string().optional(),
  engine: z.literal('fpm', { error: "must be 'fpm', the one engine of this version" }).optional(),
  methods: z
    .array(z.enum(['POST', 'PUT', 'PATCH', 'DELETE']))
    .min(1)
    .optional(),
  timeoutMs: milliseconds.optional(),
  queueTimeoutMs: z
    .int()
    .min(0)
    .max(24 * 3_600_000)
    .optional(),
  idempotent: z.boolean().optional(),
  retry: z
    .strictObject({
      attempts: z.int().min(1).max(10).optional(),
      baseMs: z.int().min(0).max(60_000).optional(),
      maxMs: z.int().min(0).max(60_000).optional(),
    })
    .optional(),
  concurrency: z.int().min(1).max(100_000).optional(),
});

const toJsonSchema = (schema: z.ZodType, io: 'input' | 'output'): JsonSchema =>
  z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any' }) as JsonSchema;

const declaredFailure = (error: DeclaredError): DeclaredFailure => {
  const { status, schema } = isZod(error)
    ? { status: 422, schema: error }
    : { status: error.status, schema: error.data };
  return { status, schema, jsonSchema: toJsonSchema(schema, 'output') };
};

export interface ContractSource {
  readonly name: string;
  /** For messages: `schemas/create-pdf.ts`. */
  readonly file: string;
  readonly exported: unknown;
}

/** Checks what a contract file exports and resolves its settings. Pure. */
export const resolveFunction = (
  source: ContractSource,
  settings: Settings,
): { fn: GatewayFunction; problems: [] } | { fn: undefined; problems: StartupProblem[] } => {
  const { name, file, exported } = source;
  if (exported === undefined) {
    const detail = 'It has no default export: write `export default defineFunction({ … })`.';
    return { fn: undefined, problems: [{ file, detail }] };
  }
  const parsed = contractSchema.safeParse(exported);
  if (!parsed.success)
    return { fn: undefined, problems: parsed.error.issues.map((issue) => issueProblem(file, issue)) };
  const contract = parsed.data as Contract;
  const problems: StartupProblem[] = [];
  for (const code of Object.keys(contract.errors ?? {}).filter(isCode)) {
    problems.push({
      file,
      property: `errors.${code}`,
      detail: `The gateway itself uses the code ${code}; choose another.`,
    });
  }
  const override = settings.functions[name] ?? {};
  const { defaults } = settings;
  const retry = {
    attempts: override.retry?.attempts ?? contract.retry?.attempts ?? defaults.retry.attempts,
    baseMs: override.retry?.baseMs ?? contract.retry?.baseMs ?? defaults.retry.baseMs,
    maxMs: override.retry?.maxMs ?? contract.retry?.maxMs ?? defaults.retry.maxMs,
  };
  if (retry.baseMs > retry.maxMs) {
    problems.push({
      file,
      property: 'retry',
      detail: `baseMs (${retry.baseMs}) is larger than maxMs (${retry.maxMs}).`,
    });
  }
  const fn = attempt(
    problems,
    file,
    (): GatewayFunction => ({
      name,
      summary: contract.summary,
      description: contract.description,
      input: contract.input,
      inputJsonSchema: toJsonSchema(contract.input, 'input'),
      output: isBinaryOutput(contract.output)
        ? { kind: 'binary', mediaType: contract.output.mediaType }
        : { kind: 'json', schema: contract.output, jsonSchema: toJsonSchema(contract.output, 'output') },
      errors: new Map(Object.entries(contract.errors ?? {}).map(([code, error]) => [code, declaredFailure(error)])),
      handler: contract.handler ?? `${name}.php`,
      pool: override.pool ?? contract.pool ?? 'default',
      methods: contract.methods ?? ['POST'],
      timeoutMs: override.timeoutMs ?? contract.timeoutMs ?? defaults.timeoutMs,
      queueTimeoutMs: override.queueTimeoutMs ?? contract.queueTimeoutMs ?? defaults.queueTimeoutMs,
      idempotent: contract.idempotent ?? false,
      retry,
      concurrency: override.concurrency ?? contract.concurrency,
    }),
  );
  return fn === undefined || problems.length > 0 ? { fn: undefined, problems } : { fn, problems: [] };
};

const attempt = <T>(problems: StartupProblem[], file: string, make: () => T): T | undefined => {
  try {
    return make();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    problems.push({ file, detail: `A schema in it cannot be expressed as JSON Schema: ${why}` });
    return undefined;
  }
};
