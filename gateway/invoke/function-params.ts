/** FastCGI parameters that are the same for every call of a function: encoded once, when it is loaded. Pure. */
import { encodeHandlerParams, encodeScriptParams, type PhpPaths } from '../pool/runtime.ts';
import type { GatewayFunction } from './function.ts';

/** Where a script answers: `path` is empty where the function is one script. */
export const scriptUrl = (name: string, path: string): string => `/functions/${name}${path === '' ? '' : `/${path}`}`;

/** Of a function, by script path; a handler has one entry, with an empty path. `inputClass`: what its handler takes. */
export const encodeFunctionParams = (
  paths: PhpPaths,
  fn: GatewayFunction,
  inputClass: string | undefined,
): ReadonlyMap<string, Buffer> => {
  const { name, code, output, files } = fn;
  if (code.kind === 'handler') {
    const streams = output.kind === 'stream' ? (output.item.kind === 'json' ? 'items' : 'bytes') : undefined;
    const handler = { functionName: name, file: code.file, takesFiles: files.size > 0, streams, inputClass } as const;
    return new Map([['', encodeHandlerParams(paths, handler)]]);
  }
  // A stream must reach its reader when the script flushes.
  const buffers = output.kind !== 'stream';
  return new Map(
    [...code.files].map(([path, file]) => [
      path,
      encodeScriptParams(paths, { functionName: name, url: scriptUrl(name, path), file, buffers }),
    ]),
  );
};
