/** How far an attempt came, and what that proves about execution. Pure. */
import type { Executed } from '../errors.ts';

export interface Progress {
  /** `nothing`: the kernel took no byte. `partial`: it may not have taken all of it yet. */
  sent: 'nothing' | 'partial' | 'complete';
  /** `unused`: no ping was written in front. */
  ping: 'unused' | 'unanswered' | 'answered';
  /** STDOUT and STDERR bytes of this request. */
  bytesReceived: number;
  /** END_REQUEST seen: the only proof of a complete answer. */
  ended: boolean;
  /** The peer closed or reset and everything it had sent was read (`isReadToEnd`). Our own `destroy()` never sets this. */
  readToEnd: boolean;
}

export const newProgress = (ping: boolean): Progress => ({
  sent: 'nothing',
  ping: ping ? 'unanswered' : 'unused',
  bytesReceived: 0,
  ended: false,
  readToEnd: false,
});

/**
 * Whether this socket error came behind everything the peer had sent. The kernel delivers what arrived before a reset;
 * on a real network, though, a lost segment is not sent again by a peer that has reset. A failed write there drops what
 * lies unread (on one machine the connection is read on behind it), and a timeout (ETIMEDOUT) says nothing of the peer:
 * they prove nothing.
 */
export const isReadToEnd = (
  error: { readonly syscall?: string | undefined; readonly code?: string | undefined },
  sameMachine: boolean,
): boolean => sameMachine && error.syscall === 'read' && error.code === 'ECONNRESET';

/**
 * Whether the script ran, for an attempt that is over.
 *
 * php-fpm reads a connection strictly in order and answers a ping when a worker reaches it. So a connection read to
 * its end without that answer proves that the request behind the ping was never begun. Our own close proves nothing:
 * an answer may be lying unread in the socket, and php-fpm runs requests whose sender has gone.
 */
export const executedBy = (progress: Progress): Executed => {
  if (progress.sent === 'nothing') return 'no';
  if (progress.ended || progress.bytesReceived > 0 || progress.ping === 'answered') return 'yes';
  if (progress.ping === 'unanswered' && progress.readToEnd) return 'no';
  return 'unknown';
};
