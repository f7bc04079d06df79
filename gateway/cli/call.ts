/** `fpm-gateway call <function> [json]`: through a running gateway, or with `--local` one of its own. */
import { Caches } from '../cache/caches.ts';
import { openGateway } from '../gateway.ts';
import { silentLog } from '../log.ts';
import { moduleImporter } from '../modules.ts';
import { loadProject } from '../project.ts';
import { TraceRing } from '../trace/ring.ts';
import { parentBasedAlwaysOn, Tracer } from '../trace/tracer.ts';
import { printAnswer } from './answer.ts';
import { type CallRequest, callRequest } from './request.ts';
import { complain, failCommand, paint, UsageError, why } from './terminal.ts';

export interface CallOptions extends Omit<CallRequest, 'name' | 'input'> {
  readonly project: string;
  readonly local: boolean;
  readonly json: boolean;
  readonly output: string | undefined;
}

type Fetch = (request: Request) => Promise<Response>;

const throughGateway =
  (url: string): Fetch =>
  async (request) => {
    try {
      return await fetch(request);
    } catch (error) {
      const { cause } = error as { cause?: unknown };
      const advice = 'Start a gateway (npm start), name another with --url, or add --local.';
      throw new UsageError(`There is no answer from ${url}: ${why(cause ?? error)}. ${advice}`);
    }
  };

/** The gateway lives until its answer has been read. */
const withLocalGateway = async (
  project: string,
  signal: AbortSignal,
  use: (fetch: Fetch) => Promise<void>,
): Promise<void> => {
  const loaded = await loadProject({ folder: project, env: process.env, importModule: moduleImporter(0) });
  const tracer = new Tracer(new TraceRing(1), parentBasedAlwaysOn, [], true);
  const gateway = await openGateway(loaded, { log: silentLog, tracer, caches: new Caches() });
  const destroy = (): void => void gateway.destroy();
  signal.addEventListener('abort', destroy);
  try {
    await use(async (request) => await gateway.fetch(request));
  } finally {
    await gateway.close();
  }
};

/** The exit status of a program that Ctrl-C ended. */
const INTERRUPTED = 130;

export const call = async (name: string, input: string, options: CallOptions): Promise<void> => {
  const { local, project, url, json } = options;
  const left = new AbortController();
  const { signal } = left;
  // Once: a second one ends the process at once.
  const leave = (): void => left.abort();
  process.once('SIGINT', leave);
  const use = async (fetch: Fetch): Promise<void> => {
    const response = await fetch(await callRequest({ ...options, name, input }, signal));
    if (!signal.aborted) await printAnswer(response, { ...options, signal });
  };
  try {
    if (local) await withLocalGateway(project, signal, use);
    else await use(throughGateway(url));
  } catch (error) {
    if (!signal.aborted) failCommand(error, json);
  } finally {
    process.off('SIGINT', leave);
  }
  if (!signal.aborted) return;
  process.exitCode = INTERRUPTED;
  complain(
    paint(
      process.stderr,
      'dim',
      '  left: the gateway stops a stream; of another call its contract says (onDisconnect)',
    ),
  );
};
