/** What `dev --xdebug` asks for. */

export const DEBUG_MODES = ['debug', 'coverage', 'profile'] as const;

/** `debug`: breakpoints. `coverage`: which lines ran. `profile`: what took how long. */
export type DebugMode = (typeof DEBUG_MODES)[number];

export interface DebugFlags {
  readonly mode: DebugMode;
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** Where coverage or profiles go. */
  readonly output: string | undefined;
}

export interface DebugOptions {
  readonly mode: DebugMode;
  /** Where the editor listens. */
  readonly host: string;
  readonly port: number;
  readonly ideKey: string | undefined;
  readonly output: string | undefined;
}

const PORT = 9003;

/** `XDEBUG_CONFIG="client_host=10.0.0.2 client_port=9000"`: what Xdebug itself reads, for those who have it set. */
const readXdebugConfig = (text: string): ReadonlyMap<string, string> =>
  new Map(
    text.split(/\s+/).flatMap((pair): [string, string][] => {
      const at = pair.indexOf('=');
      return at === -1 ? [] : [[pair.slice(0, at), pair.slice(at + 1)]];
    }),
  );

/** Flags go before the environment. */
export const debugOptions = (
  { mode, host, port, output }: DebugFlags,
  env: Readonly<Record<string, string | undefined>>,
): DebugOptions => {
  const config = readXdebugConfig(env.XDEBUG_CONFIG ?? '');
  const configured = Number(config.get('client_port'));
  const isPort = Number.isInteger(configured) && configured > 0 && configured < 65_536;
  return {
    mode,
    host: host ?? config.get('client_host') ?? '127.0.0.1',
    port: port ?? (isPort ? configured : PORT),
    ideKey: config.get('idekey'),
    output,
  };
};
