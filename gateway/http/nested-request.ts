/** A call that a concurrent worker makes over its own connection, as the request it would have been over HTTP. */
import { GatewayError } from '../errors.ts';
import type { NestedCall } from '../fastcgi/index.ts';
import { MemoryBody } from './body.ts';
import type { CallPath } from './call-path.ts';
import type { CallRequest } from './call-request.ts';
import { flatHeaders } from './http-answer.ts';

/** The line in front of the body, read. */
export interface NestedHead {
  /** Its path, and a query if it has one. */
  readonly target: string;
  /** By their names in lower case. */
  readonly byName: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const LF = 10;
const PRINTABLE = /^[\t\x20-\x7e]*$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not pass
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;
const TARGET = /^\/[\x21-\x7e]*$/;

const malformed = (why: string): GatewayError =>
  new GatewayError('bad-request', `The call over the worker's connection is malformed: ${why}.`);

const shown = (text: string): string => JSON.stringify(text.slice(0, 100));

/** What follows is read twice by nobody. Throws `bad-request` or `headers-too-large`. */
export const readNestedHead = (message: Buffer, headMaxBytes: number): NestedHead => {
  const end = message.indexOf(LF);
  if ((end === -1 ? message.length : end) > headMaxBytes) {
    const detail = `The line in front of the call's body is larger than ${headMaxBytes} bytes: http.headersMaxBytes.`;
    throw new GatewayError('headers-too-large', detail);
  }
  if (end === -1) throw malformed('it has no line with its path and headers');
  const { path, headers: sent } = parseLine(message.toString('utf8', 0, end));
  if (typeof path !== 'string' || !TARGET.test(path))
    throw malformed('its path is no text that begins with / and is ASCII');
  if (typeof sent !== 'object' || sent === null || Array.isArray(sent)) throw malformed('its headers are no object');
  const byName = sent as Record<string, string>;
  for (const name in byName) {
    const value: unknown = byName[name];
    if (typeof value !== 'string') throw malformed(`the value of its header ${shown(name)} is no text`);
    if (name !== name.toLowerCase()) throw malformed(`the name of its header ${shown(name)} is not in lower case`);
    if (!PRINTABLE.test(value)) byName[name] = asReceived(name, value);
  }
  return { target: path, byName, body: message.subarray(end + 1) };
};

const parseLine = (line: string): { readonly path?: unknown; readonly headers?: unknown } => {
  try {
    const value: unknown = JSON.parse(line);
    if (typeof value === 'object' && value !== null) return value;
  } catch {
    // Told below.
  }
  throw malformed(`its line is no JSON object: ${shown(line)}`);
};

/** Node gives the bytes of headers as Latin-1, and whoever reads one undoes that. */
const asReceived = (name: string, value: string): string => {
  if (CONTROL.test(value)) throw malformed(`its header ${shown(name)} holds a control character`);
  return Buffer.from(value, 'utf8').toString('latin1');
};

export class NestedRequest implements CallRequest {
  readonly method = 'POST';
  readonly scheme = 'http';
  readonly hostRequired = false;
  readonly incoming = undefined;
  /** As over a unix socket of ours, so that it is believed what it says of its caller. */
  readonly peer = undefined;
  /** What is not whole is not answered with at all. */
  readonly cut = undefined;
  readonly caller: NestedCall;
  readonly target: string;
  readonly path: string;
  readonly functionName: string;
  readonly script: string;
  readonly body: MemoryBody;
  readonly #byName: Readonly<Record<string, string>>;

  constructor(call: NestedCall, head: NestedHead, { path, functionName, script }: CallPath) {
    this.caller = call;
    this.target = head.target;
    this.path = path;
    this.functionName = functionName;
    this.script = script;
    this.body = new MemoryBody(head.body);
    this.#byName = head.byName;
  }

  /** Made when asked for, once: a call that waits need not keep it. */
  get headers(): readonly string[] {
    return flatHeaders(this.#byName);
  }

  header(name: string): string | undefined {
    return Object.hasOwn(this.#byName, name) ? this.#byName[name] : undefined;
  }
}
