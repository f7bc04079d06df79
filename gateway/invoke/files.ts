/** Which members of an input are files, read from the contract's JSON Schema. Pure. */
import type { Settings } from '../config.ts';
import type { StartupProblem } from '../startup.ts';
import { FILE_KEYWORD, type FileRules } from '../upload.ts';
import type { JsonSchema } from './function.ts';

export interface FileField extends FileRules {
  /** A list of files, of at most `maxCount`. */
  readonly many: boolean;
  readonly maxCount: number;
}

type Problem = Omit<StartupProblem, 'file'>;

const isSchema = (value: unknown): value is JsonSchema => typeof value === 'object' && value !== null;

const rulesOf = (schema: unknown): FileRules | undefined =>
  isSchema(schema) ? (schema[FILE_KEYWORD] as FileRules | undefined) : undefined;

/** Whether a file is declared anywhere in it. */
const holdsFile = (value: unknown): boolean =>
  isSchema(value) && (rulesOf(value) !== undefined || Object.values(value).some(holdsFile));

const fieldOf = (schema: unknown): FileField | undefined => {
  const single = rulesOf(schema);
  if (single !== undefined) return { ...single, many: false, maxCount: 1 };
  if (!isSchema(schema) || schema.type !== 'array') return undefined;
  const each = rulesOf(schema.items);
  return each && { ...each, many: true, maxCount: schema.maxItems ?? Number.POSITIVE_INFINITY };
};

const problemOf = (property: string, field: FileField, limits: Settings['limits']): Problem | undefined => {
  const { maxBytes, mediaTypes, maxCount } = field;
  if (!Number.isInteger(maxBytes) || maxBytes < 1)
    return { property, detail: `maxBytes (${maxBytes}) must be a whole number above 0.` };
  const wrong = mediaTypes.find((type) => !/^(?:\*\/\*|[a-z0-9.+-]+\/(?:\*|[a-z0-9.+-]+))$/.test(type));
  if (mediaTypes.length === 0 || wrong !== undefined) {
    return {
      property,
      detail: `mediaTypes must name types such as 'image/png' or 'image/*', in lower case${wrong === undefined ? '' : `, not ${JSON.stringify(wrong)}`}.`,
    };
  }
  if (!Number.isFinite(maxCount))
    return { property, detail: 'A list of files needs a bound: z.array(file(…)).max(10).' };
  if (maxBytes <= limits.uploadMaxBytes) return undefined;
  const detail = `maxBytes is ${maxBytes}, but limits.uploadMaxBytes ends a request after ${limits.uploadMaxBytes}: raise that (FPMG_LIMITS__UPLOAD_MAX_BYTES), or lower maxBytes.`;
  return { property, detail };
};

/** The file members of an input, and what is wrong with them. */
export const fileFields = (
  input: JsonSchema,
  limits: Settings['limits'],
): { files: ReadonlyMap<string, FileField>; problems: readonly Problem[] } => {
  const files = new Map<string, FileField>();
  const problems: Problem[] = [];
  const whole = fieldOf(input);
  if (whole !== undefined && !whole.many) files.set('', whole);
  for (const [name, schema] of Object.entries(input.properties ?? {})) {
    const field = fieldOf(schema);
    if (field !== undefined) files.set(name, field);
    else if (holdsFile(schema))
      problems.push({
        property: `input.${name}`,
        detail: 'A file is a member of the input itself, or a list there; not deeper.',
      });
  }
  if (files.size === 0 && problems.length === 0 && holdsFile(input))
    problems.push({
      property: 'input',
      detail: 'A file is a member of an object input (z.object, z.strictObject), or the input itself.',
    });
  for (const [name, field] of files) {
    const problem = problemOf(name === '' ? 'input' : `input.${name}`, field, limits);
    if (problem !== undefined) problems.push(problem);
  }
  return { files, problems };
};
