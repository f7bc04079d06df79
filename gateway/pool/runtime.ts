/** How the gateway asks the PHP runtime for something: the FastCGI parameters of its three operations. Pure. */
import { encodeParams } from '../fastcgi/params.ts';
import { PREENCODED_REQUEST_ID } from '../fastcgi/request.ts';

/** Where the project and the runtime lie, as the workers see them. */
export interface PhpPaths {
  /** The project: `functions/` is below it. */
  readonly root: string;
  /** The folder of `run.php`. */
  readonly runtime: string;
  /** Absolute, or empty for none. */
  readonly bootstrap: string;
}

type Operation = 'prime' | 'check' | 'call';

/**
 * All parameters PHP may get: a list of ours, never a copy of the caller's names. `PHP_VALUE` and its like would
 * change the worker for every later call.
 */
const operationParams = (paths: PhpPaths, operation: Operation): [string, string][] => [
  ['GATEWAY_INTERFACE', 'CGI/1.1'],
  ['SERVER_SOFTWARE', 'fpm-gateway'],
  ['SERVER_PROTOCOL', 'HTTP/1.1'],
  ['REQUEST_METHOD', 'POST'],
  ['CONTENT_TYPE', 'application/json'],
  ['SCRIPT_FILENAME', `${paths.runtime}/run.php`],
  ['SCRIPT_NAME', '/run.php'],
  ['FPMG_OPERATION', operation],
  ['FPMG_BOOTSTRAP', paths.bootstrap],
];

export const handlerPath = (paths: PhpPaths, handler: string): string => `${paths.root}/functions/${handler}`;

export const primeParams = (paths: PhpPaths, attemptId: string): [string, string][] => [
  ...operationParams(paths, 'prime'),
  ['FPMG_ATTEMPT_ID', attemptId],
];

export const checkParams = (paths: PhpPaths, handler: string, attemptId: string): [string, string][] => [
  ...operationParams(paths, 'check'),
  ['FPMG_HANDLER', handlerPath(paths, handler)],
  ['FPMG_ATTEMPT_ID', attemptId],
];

/** What is the same for every call of one function, encoded once. */
export const encodeFunctionParams = (paths: PhpPaths, functionName: string, handler: string): Buffer =>
  encodeParams(PREENCODED_REQUEST_ID, [
    ...operationParams(paths, 'call'),
    ['REQUEST_URI', `/functions/${functionName}`],
    ['FPMG_FUNCTION', functionName],
    ['FPMG_HANDLER', handlerPath(paths, handler)],
  ]);

export interface CallParams {
  readonly callId: string;
  readonly attemptId: string;
  readonly attempt: number;
  readonly budgetMs: number;
  readonly traceparent: string;
}

/** What differs from call to call. */
export const callParams = (call: CallParams): [string, string][] => [
  ['FPMG_CALL_ID', call.callId],
  ['FPMG_ATTEMPT_ID', call.attemptId],
  ['FPMG_ATTEMPT', String(call.attempt)],
  ['FPMG_BUDGET_MS', call.budgetMs.toFixed(3)],
  ['FPMG_TRACEPARENT', call.traceparent],
];
