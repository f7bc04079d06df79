/** Where parts report what operators should see: satisfied by pino and by a console. */
export interface Log {
  debug(details: object, message: string): void;
  info(details: object, message: string): void;
  warn(details: object, message: string): void;
  error(details: object, message: string): void;
  /** pino's; without it every line is written. */
  isLevelEnabled?(level: LogLevel): boolean;
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error';

/** Asked on the way of every call, which then need not build a line that nobody reads. */
export const writes = (log: Log, level: LogLevel): boolean => log.isLevelEnabled?.(level) ?? true;

export const silentLog: Log = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  isLevelEnabled: () => false,
};
