/** What a contract file may say, member by member. Pure. */
import { z } from 'zod';
import { DISCONNECTS, KEY_RULES, PRIORITIES } from '../config.ts';
import type { Contract } from '../contract.ts';
import { isBinaryOutput, isStreamOutput } from '../contract.ts';

export const isZod = (value: unknown): value is z.ZodType =>
  typeof value === 'object' && value !== null && '_zod' in value;

const zodType = z.custom<z.ZodType>(isZod, { error: 'must be a zod 4 schema' });
const milliseconds = z
  .int()
  .min(1)
  .max(24 * 3_600_000);

/** Calls of one worker: their request ids, and those of calls that others wait for, have room on one connection. */
export const CONCURRENCY_MAX = 10_000;

const phpFile = (where: string) =>
  z
    .string()
    .regex(/^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}\.php$/, { error: `must be a .php file below ${where}` });

/** A type, or a family of them: without one nothing could be told from what a handler returns. */
const MEDIA_TYPE = /^(?:[\w.+-]+|\*)\/(?:[\w.+-]+|\*)(?:\s*;.*)?$/;

const isOutput = (value: unknown): boolean =>
  isZod(value) || (isBinaryOutput(value) && MEDIA_TYPE.test(String(value.mediaType)));

/** Framing and identity are ours (RFC 9110, 7.6.1): a script's word in them would desynchronise the connection. */
const OWN_HEADERS = new Set([
  'connection',
  'content-length',
  'date',
  'host',
  'keep-alive',
  'proxy',
  'proxy-authenticate',
  'proxy-authorization',
  'request-id',
  'server-timing',
  'status',
  'te',
  'trace-id',
  'traceparent',
  'trailer',
  'transfer-encoding',
  'upgrade',
]);

const headerNames = z
  .array(
    z
      .string()
      .regex(/^[A-Za-z0-9-]{1,100}$/, { error: 'is not a header name: letters, digits and -' })
      .transform((name) => name.toLowerCase())
      .refine((name) => !OWN_HEADERS.has(name), { error: "is the gateway's own header" }),
  )
  .max(100);

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'] as const;

const methodComplaint = (method: unknown): string =>
  method === 'HEAD'
    ? 'GET brings HEAD with it: leave HEAD out'
    : `${JSON.stringify(method)} is none of GET, POST, PUT, PATCH, DELETE and, for scripts, OPTIONS`;

const members = z.strictObject({
  summary: z.string().max(200).optional(),
  description: z.string().max(10_000).optional(),
  input: zodType,
  output: z.custom<Contract['output']>((value) => isOutput(value) || (isStreamOutput(value) && isOutput(value.item)), {
    error: "must be a zod 4 schema, binary('type/subtype'), or stream() of one of them",
  }),
  errors: z
    .record(
      z.string().regex(/^[a-z][a-z0-9-]{0,63}$/, { error: 'is not an error code: a to z, 0 to 9 and -' }),
      z.union([zodType, z.strictObject({ status: z.int().min(400).max(499), data: zodType })], {
        error: 'must be a zod 4 schema, or { status: 400 to 499, data: a zod 4 schema }',
      }),
    )
    .optional(),
  handler: phpFile('functions/').optional(),
  script: phpFile('functions/').optional(),
  scripts: z
    .strictObject({
      folder: z
        .string()
        .regex(/^(?!.*\.\.)[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}$/, { error: 'must be a folder below functions/' }),
      files: z.array(phpFile('the folder')).min(1).max(1000),
    })
    .optional(),
  pool: z.string().optional(),
  engine: z.enum(['fpm', 'resident'], { error: "must be 'fpm' or 'resident'" }).optional(),
  methods: z
    .array(z.enum(METHODS, { error: ({ input }) => methodComplaint(input) }))
    .min(1)
    .optional(),
  contents: z
    .array(z.enum(['json', 'form', 'multipart', 'raw']))
    .min(1)
    .optional(),
  requestHeaders: headerNames.optional(),
  responseHeaders: headerNames.optional(),
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
  concurrency: z.int().min(1).max(CONCURRENCY_MAX).optional(),
  inFlightMax: z.int().min(1).max(100_000).optional(),
  priority: z.enum(PRIORITIES).optional(),
  onDisconnect: z.enum(DISCONNECTS).optional(),
  idempotencyKey: z.enum(KEY_RULES).optional(),
});

const SCRIPT_ONLY = ['requestHeaders', 'responseHeaders'] as const;

export const contractSchema = members.superRefine((contract, { addIssue }) => {
  const complain = (property: string, message: string): void => addIssue({ code: 'custom', path: [property], message });
  const kinds = (['handler', 'script', 'scripts'] as const).filter((kind) => contract[kind] !== undefined);
  if (kinds.length > 1)
    complain(kinds[1] ?? '', `A function has one of handler, script and scripts; this has ${kinds.join(' and ')}.`);
  const isScript = contract.script !== undefined || contract.scripts !== undefined;
  if (isScript && contract.errors !== undefined)
    complain('errors', 'A script cannot throw declared errors: it sends a status. Use a handler.');
  if (contract.concurrency !== undefined && contract.engine !== 'resident')
    complain(
      'concurrency',
      "Only a resident worker runs several calls at once: say engine: 'resident'. To cap the calls of a function, say inFlightMax.",
    );
  if (isScript) return;
  for (const property of SCRIPT_ONLY.filter((name) => contract[name] !== undefined))
    complain(property, 'Only scripts see headers: set script, or leave it out.');
  if (contract.methods?.includes('OPTIONS'))
    complain('methods', 'OPTIONS is answered by the gateway; only a script may take it.');
});
