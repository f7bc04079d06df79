/** Whether a call has an Idempotency-Key, by the rule of its function. Pure. */
import { GatewayError } from '../errors.ts';
import type { GatewayFunction } from './function.ts';

/** Visible ASCII. */
const KEY = /^[\x21-\x7e]{1,255}$/;

const LINK = '</errors/idempotency-key-missing>; rel="describedby"';

const invalid = (detail: string, reason: string): GatewayError =>
  new GatewayError('idempotency-key-invalid', detail, { reason });

/** Undefined: the call has none, or it means nothing. Throws `idempotency-key-missing` or `idempotency-key-invalid`. */
export const keyFor = (
  { name, idempotencyKey, output }: Pick<GatewayFunction, 'name' | 'idempotencyKey' | 'output'>,
  sent: string | undefined,
): string | undefined => {
  if (idempotencyKey === 'off') return undefined;
  if (sent === undefined) {
    if (idempotencyKey !== 'required') return undefined;
    throw new GatewayError('idempotency-key-missing', `${name} wants an Idempotency-Key.`, { headers: { link: LINK } });
  }
  if (!KEY.test(sent)) {
    const met = sent.length > 255 ? `has ${sent.length} characters` : `is ${JSON.stringify(sent)}`;
    throw invalid(`The Idempotency-Key ${met}; it must be one of 1 to 255 visible ASCII characters.`, 'form');
  }
  if (output.kind === 'stream')
    throw invalid(`${name} answers with a stream, which is not kept: call it without an Idempotency-Key.`, 'stream');
  return sent;
};
