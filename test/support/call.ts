/** A call of a function: a JSON POST, over the network or into a gateway of this process. */
import type { Gateway } from '../../gateway/gateway.ts';
import type { SpanEvent } from '../../gateway/trace/record.ts';

type Headers = Readonly<Record<string, string>>;

/** `input`: bytes as they are, anything else as JSON. */
const requestOf = (url: string, name: string, input: unknown, headers: Headers): Request =>
  new Request(`${url}/functions/${name}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: input instanceof Uint8Array ? new Uint8Array(input) : JSON.stringify(input),
  });

export const callUrl = async (url: string, name: string, input: unknown, headers: Headers = {}): Promise<Response> =>
  await fetch(requestOf(url, name, input, headers));

/** `peer`: the address the call seems to come from. */
export const post = async (
  gateway: Gateway,
  name: string,
  input: unknown,
  headers: Headers = {},
  peer?: string,
): Promise<Response> =>
  await gateway.fetch(requestOf('http://localhost', name, input, headers), peer === undefined ? {} : { peer });

export interface Answer {
  readonly status: number;
  readonly type: string | null;
  readonly text: string;
  /** Of a JSON answer. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into any shape
  readonly body: any;
  readonly events: readonly SpanEvent[];
}

/** Its answer, read, and what its trace tells. */
export const ask = async (gateway: Gateway, name: string, input: unknown = null): Promise<Answer> => {
  const response = await post(gateway, name, input);
  const text = await response.text();
  const type = response.headers.get('content-type');
  const [record] = gateway.tracer.ring.get(response.headers.get('trace-id') ?? '');
  const events = record?.spans.flatMap((span) => span.events) ?? [];
  return { status: response.status, type, text, body: type?.includes('json') ? JSON.parse(text) : undefined, events };
};
