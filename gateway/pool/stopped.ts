/** What is refused when its pool has been ended. */
import { GatewayError } from '../errors.ts';

export const stoppedError = (): GatewayError => new GatewayError('shutting-down', 'The gateway has stopped.');
