/** One item of a batch as it was sent → what to call, or what is wrong with it. Pure. */
import { z } from 'zod';
import { type GatewayError, isGatewayError } from '../errors.ts';
import { parseIJson } from '../ijson.ts';
import type { BatchItem } from '../invoke/batch.ts';
import { validate } from '../invoke/validate.ts';
import { parseTraceparent } from '../trace/traceparent.ts';

export const ID_MAX_CHARS = 128;

const common = {
  id: z.string().min(1).max(ID_MAX_CHARS).optional(),
  input: z.unknown().optional(),
  timeoutMs: z.int().min(1).max(86_400_000).optional(),
  traceparent: z.string().max(200).optional(),
  // What is wrong with it, its function says.
  idempotencyKey: z.string().optional(),
};
const named = z.strictObject({ ...common, function: z.string().max(1000) });
/** Where the path names the function. */
const unnamed = z.strictObject(common);

export interface ItemRules {
  /** Of all items, where the path names it. */
  readonly functionName: string | undefined;
  readonly jsonDepth: number;
  readonly issuesMax: number;
}

export type ReadItem =
  | { readonly kind: 'item'; readonly item: BatchItem }
  | { readonly kind: 'malformed'; readonly id: string | undefined; readonly error: GatewayError };

const idOf = (value: unknown): string | undefined => {
  const id = typeof value === 'object' && value !== null && 'id' in value ? value.id : undefined;
  return typeof id === 'string' && id.length <= ID_MAX_CHARS ? id : undefined;
};

/** `index`: its position in the batch, which is its id where it has none. */
export const readItem = (bytes: Buffer, index: number, rules: ItemRules): ReadItem => {
  const { functionName, jsonDepth, issuesMax } = rules;
  let id: string | undefined;
  try {
    // The item itself is one level more than its input.
    const value = parseIJson(bytes, jsonDepth + 1);
    id = idOf(value);
    const schema = functionName === undefined ? named : unnamed;
    const subject = `item ${index} of the batch`;
    const item = validate(schema, value, { code: 'validation-failed', subject, issuesMax }) as z.infer<typeof named>;
    const { input, timeoutMs, idempotencyKey } = item;
    // As in URLs: `shop/admin/list.php` is a script of `shop`.
    const [, name = '', script = ''] = /^([^/]*)\/?(.*)$/s.exec(functionName ?? item.function) ?? [];
    return {
      kind: 'item',
      item: {
        id: item.id ?? String(index),
        index,
        function: name,
        script,
        input,
        timeoutMs,
        idempotencyKey,
        caller: parseTraceparent(item.traceparent),
        bytes: bytes.length,
      },
    };
  } catch (error) {
    if (!isGatewayError(error)) throw error;
    return { kind: 'malformed', id, error };
  }
};
