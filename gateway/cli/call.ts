/** `fpm-gateway call <function> [json]`: through a running gateway, or with `--local` one of its own. */
import { readFileSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { openGateway } from '../gateway.ts';
import { silentLog } from '../log.ts';
import { moduleImporter } from '../modules.ts';
import { loadProject } from '../project.ts';
import { TraceRing } from '../trace/ring.ts';
import { parentBasedAlwaysOn, Tracer } from '../trace/tracer.ts';
import { complain, failCommand, isTerminal, mendFor, paint, printableLines, say, UsageError } from './terminal.ts';

export interface CallOptions {
  readonly project: string;
  readonly url: string;
  readonly local: boolean;
  readonly json: boolean;
  readonly output: string | undefined;
  readonly timeoutMs: number | undefined;
}

const why = (error: unknown): string => (error instanceof Error ? error.message : String(error));

/** The text itself, `@file`, or `-` for standard input. */
const readInput = async (argument: string): Promise<string> => {
  if (argument === '-') return await text(process.stdin);
  if (!argument.startsWith('@')) return argument;
  try {
    return readFileSync(argument.slice(1), 'utf8');
  } catch (error) {
    throw new UsageError(`The input cannot be read: ${why(error)}`);
  }
};

const request = (name: string, body: string, { url, timeoutMs }: CallOptions): Request => {
  if (!/^https?:/.test(url)) throw new UsageError(`${url} is no HTTP address: give --url http://host:port.`);
  return new Request(`${url.replace(/\/$/, '')}/functions/${encodeURIComponent(name)}`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(timeoutMs === undefined ? {} : { 'x-request-timeout-ms': String(timeoutMs) }),
    },
    body,
  });
};

const send = async (message: Request, options: CallOptions): Promise<Response> => {
  if (options.local) {
    const loaded = await loadProject({
      folder: options.project,
      env: process.env,
      importModule: moduleImporter(0),
    });
    const tracer = new Tracer(new TraceRing(1), parentBasedAlwaysOn, []);
    const gateway = await openGateway(loaded, { log: silentLog, tracer });
    try {
      const response = await gateway.fetch(message);
      // Read before the pools go.
      return new Response(await response.arrayBuffer(), response);
    } finally {
      await gateway.close();
    }
  }
  try {
    return await fetch(message);
  } catch (error) {
    const { cause } = error as { cause?: unknown };
    const advice = 'Start a gateway (npm start), name another with --url, or add --local.';
    throw new UsageError(`There is no answer from ${options.url}: ${why(cause ?? error)}. ${advice}`);
  }
};

/** What JSON leaves as it is and a terminal may take for a command: DEL and the C1 controls. */
const escapeControls = (json: string): string =>
  json.replaceAll(/[\x7f-\x9f]/g, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);

const printResult = async (response: Response, { json, output }: CallOptions): Promise<void> => {
  const type = response.headers.get('content-type') ?? '';
  const bytes = Buffer.from(await response.arrayBuffer());
  if (output !== undefined) {
    try {
      writeFileSync(output, bytes);
    } catch (error) {
      throw new UsageError(`The result cannot be written: ${why(error)}`);
    }
    complain(`${paint(process.stderr, 'green', '✓')} ${bytes.length} bytes of ${type} in ${output}`);
  } else if (type === 'application/json') {
    const pretty = isTerminal(process.stdout) && !json;
    say(pretty ? escapeControls(JSON.stringify(JSON.parse(bytes.toString('utf8')), null, 2)) : bytes.toString('utf8'));
  } else if (isTerminal(process.stdout)) {
    complain(`The result is ${bytes.length} bytes of ${type}: name a file with --output, or pipe it on.`);
    process.exitCode = 1;
  } else {
    process.stdout.write(bytes);
  }
};

interface Problem {
  readonly code?: string;
  readonly title?: string;
  readonly detail?: string;
  readonly executed?: string;
  readonly traceId?: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  readonly data?: unknown;
  readonly debug?: string;
}

const printProblem = async (response: Response, { json }: CallOptions): Promise<void> => {
  process.exitCode = 1;
  const body = await response.text();
  if (json || !response.headers.get('content-type')?.startsWith('application/problem+json')) {
    say(body);
    return;
  }
  const problem = JSON.parse(body) as Problem;
  const mend = mendFor(problem.code ?? '');
  const lines = [
    `${paint(process.stderr, 'red', `✗ ${response.status} ${problem.code}`)}  ${printableLines(problem.detail ?? problem.title ?? '')}`,
    ...(problem.errors ?? []).map(
      ({ pointer, detail }) =>
        `    ${paint(process.stderr, 'cyan', printableLines(pointer) || '(root)')}  ${printableLines(detail)}`,
    ),
    ...(problem.data === undefined ? [] : [`    data: ${escapeControls(JSON.stringify(problem.data))}`]),
    ...(problem.debug === undefined ? [] : [printableLines(problem.debug)]),
    ...(mend === undefined ? [] : [`  → ${mend}`]),
    paint(process.stderr, 'dim', `  executed: ${problem.executed} · trace ${problem.traceId ?? 'none'}`),
  ];
  complain(lines.join('\n'));
};

export const call = async (name: string, argument: string, options: CallOptions): Promise<void> => {
  try {
    const response = await send(request(name, await readInput(argument), options), options);
    await (response.ok ? printResult(response, options) : printProblem(response, options));
  } catch (error) {
    failCommand(error, options.json);
  }
};
