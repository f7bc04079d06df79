/** What the fault tests of the FastCGI client share: one connection to a fake peer, and one way to look at an outcome. */
import { onTestFinished } from 'vitest';
import { isGatewayError } from '../../gateway/errors.ts';
import {
  type Address,
  type CgiResponse,
  Connection,
  collect,
  type FastCgiRequest,
  type Progress,
  type Reception,
  type ResponseLimits,
} from '../../gateway/fastcgi/index.ts';

export const LIMITS: ResponseLimits = { headMaxBytes: 16_384, bodyMaxBytes: 1_000_000, stderrMaxBytes: 4096 };

export const connect = async (address: Address): Promise<Connection> => {
  const connection = await Connection.open(address, { timeoutMs: 10_000 });
  onTestFinished(() => connection.destroy());
  return connection;
};

export const request = (more: Partial<FastCgiRequest> = {}): FastCgiRequest => ({
  params: [['REQUEST_METHOD', 'POST']],
  body: Buffer.from('{}'),
  ping: true,
  keepConnection: true,
  ...more,
});

export interface Outcome {
  /** `ok`, or the error's code. */
  readonly code: string;
  readonly executed?: string;
  readonly progress: Progress;
  readonly detail?: string;
  readonly privateDetail?: string | undefined;
  readonly response?: CgiResponse;
}

export const outcomeOf = async ({ exchange, response }: Reception<CgiResponse>): Promise<Outcome> => {
  try {
    return { code: 'ok', response: await response, progress: { ...exchange.progress } };
  } catch (error) {
    if (!isGatewayError(error)) throw error;
    const { code, executed, message: detail, privateDetail } = error;
    return { code, executed, detail, privateDetail, progress: { ...exchange.progress } };
  }
};

export const call = async (
  connection: Connection,
  more: Partial<FastCgiRequest> = {},
  limits: ResponseLimits = LIMITS,
): Promise<Outcome> => await outcomeOf(collect(connection, request(more), limits));

export const bodyText = ({ response }: Outcome): string | undefined => response?.body.toString();
