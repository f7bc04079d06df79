/** `fpm-gateway/client`: calls functions from Node, browsers, Bun and Deno. Types come from contracts; zod does not. */
export type { RetryFailedOptions } from './batch-results.ts';
export type { BatchOptions } from './batch-run.ts';
export { CallError, type CallErrorOf, type ClientCode, type GatewayCode, isCallError } from './call-error.ts';
export {
  type Batch,
  type BatchItem,
  type BatchResults,
  type CallResult,
  type Client,
  createClient,
  type ErrorOf,
  type ItemFailure,
  type ItemResult,
  type ItemSuccess,
} from './client.ts';
export type { BatchingOptions, CallOptions, ClientOptions, RetryOptions } from './options.ts';
export type { ErrorsOf, FunctionKind, FunctionShape, InputOf, OutputOf } from './types.ts';
