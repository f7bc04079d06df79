/**
 * The version of what the gateway and its clients agree on. A client says its own and hears ours: an answer without it
 * is from another version or from something else at this address, however good it looks.
 */
import { GatewayError } from '../errors.ts';

export const PROTOCOL_HEADER = 'fpm-gateway-protocol';
export const PROTOCOL_VERSION = '1';
/** On answers to our clients: `bytes` where the contract says `binary()`. */
export const OUTPUT_HEADER = 'fpm-gateway-output';

/** Throws `protocol-mismatch`. `sent`: undefined by whom is no client of ours. */
export const assertProtocol = (sent: string | undefined): void => {
  if (sent === undefined || sent === PROTOCOL_VERSION) return;
  const shown = JSON.stringify(sent.slice(0, 100));
  const detail = `The request speaks ${PROTOCOL_HEADER} ${shown}; this gateway speaks ${PROTOCOL_VERSION}. Update the older of the two.`;
  throw new GatewayError('protocol-mismatch', detail);
};
