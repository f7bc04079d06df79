/** `fpm-gateway/fastcgi`: a FastCGI client for Node without dependencies, usable alone. See docs/fastcgi.md. */
export { type Address, formatAddress, parseAddress } from '../address.ts';
export { type CgiResponse, collect, type Over, type Reception, type ResponseLimits } from './collect.ts';
export { Connection, type ConnectOptions } from './connection.ts';
export type { Exchange, ExchangeSink } from './due.ts';
export { giveBack } from './memory.ts';
export { NestedCall } from './nested-call.ts';
export type { BegunRequests, ConcurrentPeer } from './nested-calls.ts';
export { encodeParams, type Params } from './params.ts';
export type { Progress } from './progress.ts';
export type { FastCgiRequest, LargeBody } from './request.ts';
export type { CgiHead } from './response.ts';
export { type StreamedResponse, stream } from './stream.ts';
