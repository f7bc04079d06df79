/** What a request says of the call it was made in, and whether it waits for its answer. Believed of trusted peers only. */
import { type Caller, staysForever } from '../caller.ts';
import { GatewayError } from '../errors.ts';
import { type Ancestry, CALLER_HEADER, parseCaller } from '../invoke/ancestry.ts';
import type { CallerKey } from '../invoke/rows.ts';
import type { CallRequest } from './call-request.ts';

export interface Origin {
  /** Undefined: no function made this call, or nobody we trust says so. */
  readonly outer: Ancestry | undefined;
  readonly caller: Caller;
  /** With whom the call shares its turns: the function that a trusted peer names, else the peer. */
  readonly callerKey: CallerKey;
}

/** Throws `bad-request`. */
export const originOf = (request: Pick<CallRequest, 'header' | 'caller' | 'peer'>, trusted: boolean): Origin => {
  const onDisconnect = request.header('on-disconnect');
  const finishes = onDisconnect !== undefined && finishesAlways(onDisconnect, trusted);
  // As with traceparent: from elsewhere it is nobody's word, and a call of its own begins.
  const said = trusted ? request.header(CALLER_HEADER) : undefined;
  const outer = said === undefined ? undefined : parseCaller(said, !finishes);
  return {
    outer,
    caller: finishes ? staysForever : request.caller,
    callerKey: outer?.path.at(-1) ?? request.peer ?? '',
  };
};

const finishesAlways = (onDisconnect: string, trusted: boolean): boolean => {
  if (onDisconnect !== 'finish') {
    const shown = JSON.stringify(onDisconnect.slice(0, 100));
    throw new GatewayError('bad-request', `on-disconnect is ${shown}: it must be finish, or left out.`);
  }
  // Ignored, the call would be dropped though its sender relies on it.
  if (!trusted) {
    const detail =
      'on-disconnect: finish is taken from unix sockets, loopback and http.trustedPeers only: wait for the answer, or add the network there.';
    throw new GatewayError('bad-request', detail);
  }
  return true;
};
