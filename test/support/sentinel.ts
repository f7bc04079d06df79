/** Handlers called in one PHP process, as a resident worker does, and what the sentinel says after each call. */
import { inShop, runHandlers } from './handlers-in-php.ts';

export interface Leak {
  /** Which call it was told after, from 1 on. */
  readonly call: number;
  readonly kind: string;
  readonly name: string;
  readonly detail: string;
  readonly restored: boolean;
}

export interface Watched {
  /** Body of a handler that gets `$n` (the number of the call) and `$app`; `echo` is called unless `functions` has more. */
  readonly handler: string;
  /** Handlers beside `echo`, called in turns with it. */
  readonly others?: Readonly<Record<string, string>>;
  /** Declarations, loaded before the sentinel begins; in namespace Shop. What it returns is `$app`. */
  readonly app?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly calls?: number;
  readonly first?: number;
  readonly dense?: boolean;
  /** An expression whose value is taken before each call. */
  readonly seen?: string;
  readonly ini?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

export interface Report {
  readonly leaks: readonly Leak[];
  readonly seen: readonly unknown[];
}

const RUN = `<?php
declare(strict_types=1);
(static function (): void {
    [$options, $app, $handlers] = require __DIR__ . '/start.php';
    $see = require __DIR__ . '/see.php';
    $sentinel = new FpmGateway\\Resident\\Sentinel(['first' => $options['first'], 'dense' => $options['dense']]);
    $sentinel->begin($app, $handlers);
    $leaks = [];
    $seen = [];
    for ($n = 1; $n <= $options['calls']; ++$n) {
        foreach ($handlers as $name => $handler) {
            $startedNs = hrtime(true);
            // Kept for those who ask: it is memory that grows.
            if ($see !== null) {
                $seen[] = $see();
            }
            $handler($n, $app);
            foreach ($sentinel->afterCall($name, $startedNs) as $leak) {
                $leaks[] = ['call' => $n] + $leak;
            }
        }
    }
    fwrite(STDOUT, json_encode(['leaks' => $leaks, 'seen' => $seen], JSON_THROW_ON_ERROR));
})();
`;

const handlerOf = (body: string): string => `return static function (int $n, mixed $app): void {\n${body}\n};`;

/** Rejects when PHP says anything on standard error. */
export const watch = async (watched: Watched): Promise<Report> => {
  const {
    handler,
    others = {},
    app = '',
    files = {},
    calls = 40,
    first = 20,
    dense = false,
    ini = [],
    env = {},
  } = watched;
  const handlers = Object.entries({ echo: handler, ...others }).map(([name, body]) => [name, handlerOf(body)]);
  const seen = watched.seen === undefined ? 'return null;' : `return static fn (): mixed => ${watched.seen};`;
  return (await runHandlers({
    script: RUN,
    app,
    handlers: Object.fromEntries(handlers),
    options: { calls, first, dense },
    files: { 'see.php': inShop(seen), ...files },
    ini,
    env,
  })) as Report;
};

/** Leaks without their numbers and details. */
export const named = (leaks: readonly Leak[]): string[] => [
  ...new Set(leaks.map(({ kind, name, restored }) => `${kind} ${name}${restored ? ' (put back)' : ''}`)),
];
