/** One function of a release: its contract with every setting resolved. What calls, lists and OpenAPI read. */
import { z } from 'zod';
import type { Settings } from '../config.ts';
import type { BinaryOutput, Content, Contract, DeclaredError, Engine, Method, Priority } from '../contract.ts';
import { isBinaryOutput, isStreamOutput } from '../contract.ts';
import { isCode } from '../errors.ts';
import type { FunctionCode } from '../pool/runtime.ts';
import { issueProblem, type StartupProblem } from '../startup.ts';
import { contractSchema, isZod } from './contract-rules.ts';
import { type FileField, fileFields } from './files.ts';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

/** What one answer, or one piece of a stream, is. */
export type WholeOutput =
  | { readonly kind: 'json'; readonly schema: z.ZodType; readonly jsonSchema: JsonSchema }
  | { readonly kind: 'binary'; readonly mediaType: string };

export type FunctionOutput = WholeOutput | { readonly kind: 'stream'; readonly item: WholeOutput };

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
  readonly code: FunctionCode;
  readonly pool: string;
  readonly engine: Engine;
  /** Members of the input that are files; the name is empty where the whole input is one. */
  readonly files: ReadonlyMap<string, FileField>;
  readonly contents: readonly Content[];
  /** In lower case, besides the usual ones. */
  readonly requestHeaders: readonly string[];
  readonly responseHeaders: readonly string[];
  readonly methods: readonly Method[];
  readonly timeoutMs: number;
  readonly queueTimeoutMs: number;
  readonly idempotent: boolean;
  readonly retry: { readonly attempts: number; readonly baseMs: number; readonly maxMs: number };
  /** Calls that one worker runs at once; more than 1: in concurrent workers. */
  readonly concurrency: number;
  /** Calls running or waiting at once. */
  readonly inFlightMax: number | undefined;
  readonly priority: Priority;
  /** What becomes of a call whose caller leaves while it runs. */
  readonly onDisconnect: 'cancel' | 'finish';
  readonly idempotencyKey: 'required' | 'optional' | 'off';
  /** Somebody may look at its calls in a debugger: not even what a caller allows ends them. */
  readonly debugged: boolean;
}

export const toJsonSchema = (schema: z.ZodType, io: 'input' | 'output'): JsonSchema =>
  z.toJSONSchema(schema, { io, target: 'draft-2020-12', unrepresentable: 'any' }) as JsonSchema;

const declaredFailure = (error: DeclaredError): DeclaredFailure => {
  const { status, schema } = isZod(error)
    ? { status: 422, schema: error }
    : { status: error.status, schema: error.data };
  return { status, schema, jsonSchema: toJsonSchema(schema, 'output') };
};

const wholeOutput = (output: z.ZodType | BinaryOutput): WholeOutput =>
  isBinaryOutput(output)
    ? { kind: 'binary', mediaType: output.mediaType }
    : { kind: 'json', schema: output, jsonSchema: toJsonSchema(output, 'output') };

const functionOutput = ({ output }: Contract): FunctionOutput =>
  isStreamOutput(output) ? { kind: 'stream', item: wholeOutput(output.item) } : wholeOutput(output);

const functionCode = (name: string, { handler, script, scripts }: Contract): FunctionCode => {
  if (scripts !== undefined) {
    const folder = scripts.folder.replace(/\/+$/, '');
    return { kind: 'script', files: new Map(scripts.files.map((path) => [path, `${folder}/${path}`])) };
  }
  if (script !== undefined) return { kind: 'script', files: new Map([['', script]]) };
  return { kind: 'handler', file: handler ?? `${name}.php` };
};

/** A browser sends forms across origins without asking, so handlers, which need none, take JSON alone. */
const usualContents = (
  code: FunctionCode,
  files: ReadonlyMap<string, FileField>,
  { required = [] }: JsonSchema,
): readonly Content[] => {
  if (files.has('')) return ['raw'];
  // Nothing else can carry a file.
  if (required.some((name) => files.has(name))) return ['multipart'];
  if (code.kind === 'script') return ['form', 'multipart', 'json'];
  return files.size > 0 ? ['multipart', 'json'] : ['json'];
};

const contentProblems = (
  file: string,
  contents: readonly Content[],
  files: ReadonlyMap<string, FileField>,
): StartupProblem[] => {
  const [only] = files.values();
  if (contents.includes('raw') && (files.size !== 1 || only?.many)) {
    const detail = 'A raw body becomes the one file of the input: give it exactly one file() that is no list.';
    return [{ file, property: 'contents', detail }];
  }
  if (!files.has('') || contents.every((content) => content === 'raw')) return [];
  const detail = "An input that is a file() itself is the raw body: leave contents out, or say ['raw'].";
  return [{ file, property: 'contents', detail }];
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
  const fn = attempt(problems, file, (): GatewayFunction => {
    const inputJsonSchema = toJsonSchema(contract.input, 'input');
    const { files, problems: wrongFiles } = fileFields(inputJsonSchema, settings.limits);
    const code = functionCode(name, contract);
    const engine = override.engine ?? contract.engine ?? 'fpm';
    if (code.kind === 'script' && engine === 'resident') {
      const property = override.engine === undefined ? 'engine' : `functions.${name}.engine`;
      const detail = "A script needs a process of its own for each call: say 'fpm', or write a handler.";
      problems.push({ file, property, detail });
    }
    if (override.concurrency !== undefined && engine !== 'resident') {
      const detail =
        'Only a resident worker runs several calls at once. To cap the calls of a function, say inFlightMax.';
      problems.push({ file, property: `functions.${name}.concurrency`, detail });
    }
    const idempotencyKey = override.idempotencyKey ?? contract.idempotencyKey ?? 'optional';
    if (idempotencyKey === 'required' && isStreamOutput(contract.output)) {
      const property = override.idempotencyKey === undefined ? 'idempotencyKey' : `functions.${name}.idempotencyKey`;
      const detail = "A stream is not kept, so it cannot be given again: leave it out, or say 'off'.";
      problems.push({ file, property, detail });
    }
    const contents = contract.contents ?? usualContents(code, files, inputJsonSchema);
    problems.push(...wrongFiles.map((wrong) => ({ file, ...wrong })), ...contentProblems(file, contents, files));
    return {
      name,
      summary: contract.summary,
      description: contract.description,
      input: contract.input,
      inputJsonSchema,
      output: functionOutput(contract),
      errors: new Map(Object.entries(contract.errors ?? {}).map(([code, error]) => [code, declaredFailure(error)])),
      code,
      files,
      contents,
      requestHeaders: contract.requestHeaders ?? [],
      responseHeaders: contract.responseHeaders ?? [],
      pool: override.pool ?? contract.pool ?? 'default',
      engine,
      methods: contract.methods ?? ['POST'],
      timeoutMs: override.timeoutMs ?? contract.timeoutMs ?? defaults.timeoutMs,
      queueTimeoutMs: override.queueTimeoutMs ?? contract.queueTimeoutMs ?? defaults.queueTimeoutMs,
      idempotent: contract.idempotent ?? false,
      retry,
      concurrency: engine === 'resident' ? (override.concurrency ?? contract.concurrency ?? 1) : 1,
      inFlightMax: override.inFlightMax ?? contract.inFlightMax,
      priority: override.priority ?? contract.priority ?? 'normal',
      onDisconnect: override.onDisconnect ?? contract.onDisconnect ?? (contract.idempotent ? 'cancel' : 'finish'),
      idempotencyKey,
      debugged: false,
    };
  });
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
