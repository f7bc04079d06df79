/** zod → our errors: capped, with JSON Pointers, and never an exception of the schema's own let through. Pure. */
import type { z } from 'zod';
import { type Code, GatewayError, type Issue } from '../errors.ts';

const escapePointer = (key: PropertyKey): string => String(key).replaceAll('~', '~0').replaceAll('/', '~1');

/** RFC 6901. */
export const pointer = (path: readonly PropertyKey[]): string => path.map((key) => `/${escapePointer(key)}`).join('');

const toIssue = (issue: z.core.$ZodIssue): Issue => ({
  pointer: pointer(issue.path),
  detail: issue.message.slice(0, 500),
  keyword: issue.code,
});

export interface ValidateOptions {
  /** Code of a value that does not match. */
  readonly code: Code;
  /** What is checked, for the message: `input of create-pdf`. */
  readonly subject: string;
  readonly issuesMax: number;
}

/** The parsed value; throws GatewayError with `code`, `json-too-deep`, or `contract-error` for a throwing schema. */
export const validate = (schema: z.ZodType, value: unknown, options: ValidateOptions): unknown => {
  const { code, subject, issuesMax } = options;
  const executed = code === 'validation-failed' ? 'no' : 'yes';
  let result: z.ZodSafeParseResult<unknown>;
  try {
    result = schema.safeParse(value);
  } catch (thrown) {
    // A recursive schema overflows the stack instead of reporting an issue.
    if (thrown instanceof RangeError) {
      throw new GatewayError(executed === 'no' ? 'json-too-deep' : code, `The ${subject} is nested too deeply.`, {
        executed,
      });
    }
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    throw new GatewayError('contract-error', `The schema of the ${subject} threw instead of deciding.`, {
      executed,
      cause: thrown,
      privateDetail: why,
    });
  }
  if (result.success) return result.data;
  const { issues } = result.error;
  const shown = issues.slice(0, issuesMax).map(toIssue);
  const first = shown[0];
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  throw new GatewayError(
    code,
    `The ${subject} does not match its contract: ${first?.pointer || '(root)'}: ${first?.detail}${more}.`,
    {
      executed,
      issues: shown,
      truncated: issues.length > issuesMax,
    },
  );
};
