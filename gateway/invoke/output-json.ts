/** A checked output as JSON text. */
import { GatewayError } from '../errors.ts';

/** A transform in an output schema may make what JSON has no word for, such as a bigint: throws `contract-error`. */
export const outputJson = (name: string, value: unknown): string => {
  try {
    return JSON.stringify(value) ?? 'null';
  } catch (cause) {
    throw new GatewayError('contract-error', `The parsed output of ${name} cannot be written as JSON.`, {
      executed: 'yes',
      cause,
      privateDetail: String(cause),
    });
  }
};
