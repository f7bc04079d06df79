/** How the gateway asks the PHP runtime for something: the FastCGI parameters of its operations. Pure. */
import { encodeParams } from '../fastcgi/params.ts';
import { PREENCODED_REQUEST_ID } from '../fastcgi/request.ts';

/** Where the project and the runtime lie, as the workers see them. */
export interface PhpPaths {
  /** The project: `functions/` is below it. */
  readonly root: string;
  /** The folder of `run.php` and `run-script.php`. */
  readonly runtime: string;
  /** Absolute, or empty for none. */
  readonly bootstrap: string;
}

/** The PHP files a function runs, below `functions/`. */
export type FunctionCode =
  | { readonly kind: 'handler'; readonly file: string }
  /** By the path behind the function's name in the URL, which is empty for the function itself. */
  | { readonly kind: 'script'; readonly files: ReadonlyMap<string, string> };

export const codeFiles = (code: FunctionCode): readonly string[] =>
  code.kind === 'handler' ? [code.file] : [...code.files.values()];

/** `check` loads a handler, `lint` reads a script without running it, `call-with` makes an object of the input. */
type Operation = 'prime' | 'check' | 'lint' | 'call' | 'call-with';

export type Param = readonly [name: string, value: string];

const COMMON: readonly Param[] = [
  ['GATEWAY_INTERFACE', 'CGI/1.1'],
  ['SERVER_SOFTWARE', 'fpm-gateway'],
];

/**
 * All parameters PHP may get: a list of ours, never a copy of the caller's names. `PHP_VALUE` and its like would
 * change the worker for every later call.
 */
const operationParams = (paths: PhpPaths, operation: Operation): Param[] => [
  ...COMMON,
  ['SERVER_PROTOCOL', 'HTTP/1.1'],
  ['REQUEST_METHOD', 'POST'],
  ['SCRIPT_FILENAME', `${paths.runtime}/run.php`],
  ['SCRIPT_NAME', '/run.php'],
  ['FPMG_OPERATION', operation],
  ['FPMG_BOOTSTRAP', paths.bootstrap],
];

/** Where workers see a file of `functions/`. */
export const codePath = (paths: PhpPaths, file: string): string => `${paths.root}/functions/${file}`;

export const primeParams = (paths: PhpPaths, attemptId: string): Param[] => [
  ...operationParams(paths, 'prime'),
  ['FPMG_ATTEMPT_ID', attemptId],
];

export const checkParams = (paths: PhpPaths, kind: 'handler' | 'script', file: string, attemptId: string): Param[] => [
  ...operationParams(paths, kind === 'handler' ? 'check' : 'lint'),
  ['FPMG_HANDLER', codePath(paths, file)],
  ['FPMG_ATTEMPT_ID', attemptId],
];

/** What is the same for every call of one handler, encoded once. */
export const encodeHandlerParams = (paths: PhpPaths, handler: HandlerCode): Buffer =>
  encodeParams(PREENCODED_REQUEST_ID, [
    ...operationParams(paths, handler.inputClass === undefined ? 'call' : 'call-with'),
    ['REQUEST_URI', `/functions/${handler.functionName}`],
    ['FPMG_FUNCTION', handler.functionName],
    ['FPMG_HANDLER', codePath(paths, handler.file)],
    ...(handler.takesFiles ? [] : [['CONTENT_TYPE', 'application/json'] as const]),
    ...(handler.streams === undefined ? [] : [['FPMG_STREAM', handler.streams] as const]),
    ...(handler.inputClass === undefined ? [] : [['FPMG_INPUT', handler.inputClass] as const]),
  ]);

export interface HandlerCode {
  readonly functionName: string;
  readonly file: string;
  /** Its body is not always JSON: each call says what it is. */
  readonly takesFiles: boolean;
  /** What its contract promises a stream of. */
  readonly streams: 'items' | 'bytes' | undefined;
  /** The PHP class its handler takes instead of an array. */
  readonly inputClass: string | undefined;
}

/** Resident workers know their handlers: a call says which, in one parameter, because PHP code takes each apart. */
export const RESIDENT_PRIME: readonly Param[] = [['FPMG_OPERATION', 'prime']];

export const residentCallParams = (functionName: string, call: CallParams): Param[] => [
  ['FPMG_CALL', `${functionName} ${call.attemptId} ${describeCall(call)}`],
];

/** The same for a script. */
export const encodeScriptParams = (paths: PhpPaths, { functionName, url, file, buffers }: ScriptCode): Buffer =>
  encodeParams(PREENCODED_REQUEST_ID, [
    ...COMMON,
    ['SCRIPT_FILENAME', `${paths.runtime}/run-script.php`],
    ['SCRIPT_NAME', url],
    ['DOCUMENT_URI', url],
    ['DOCUMENT_ROOT', `${paths.root}/functions`],
    ['REDIRECT_STATUS', '200'],
    ['FPMG_FUNCTION', functionName],
    ['FPMG_SCRIPT', codePath(paths, file)],
    ['FPMG_BUFFERS', buffers ? '1' : ''],
  ]);

export interface ScriptCode {
  readonly functionName: string;
  /** Its path in URLs. */
  readonly url: string;
  readonly file: string;
  /** What it prints may wait until it ends. */
  readonly buffers: boolean;
}

export interface CallParams {
  /** `<call id>.<number of the attempt>`. */
  readonly attemptId: string;
  readonly budgetMs: number;
  readonly traceparent: string;
  /** The functions outside of this call, the outermost first; none: it was not made by one. */
  readonly outer: readonly string[];
}

/** What PHP needs to know of the call, and to make calls itself: `<budgetMs> <traceparent>[ <outer>]`. */
const describeCall = ({ budgetMs, traceparent, outer }: CallParams): string => {
  const plain = `${budgetMs.toFixed(3)} ${traceparent}`;
  return outer.length === 0 ? plain : `${plain} ${outer.join(',')}`;
};

/** What differs from call to call of a handler: in few parameters, each of which takes PHP its time. */
export const callParams = (call: CallParams): Param[] => [
  ['FPMG_ATTEMPT_ID', call.attemptId],
  ['FPMG_CALL', describeCall(call)],
];

/** A script gets the trace context as the header it is for everybody else. */
export const scriptCallParams = (call: CallParams): Param[] => [
  ['FPMG_ATTEMPT_ID', call.attemptId],
  ['FPMG_CALL', describeCall(call)],
  ['HTTP_TRACEPARENT', call.traceparent],
];
