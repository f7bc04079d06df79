/** Calls of handlers that take turns in one PHP process, each in a Fiber, and what the sentinel says of each. */
import { runHandlers } from './handlers-in-php.ts';
import type { Leak } from './sentinel.ts';

export interface Interleaved {
  /** Body of a handler that gets `$n` (the number of the call) and `$app`; `wait()` lets the others run. */
  readonly handler: string;
  readonly others?: Readonly<Record<string, string>>;
  /** Declarations in namespace Shop, loaded before the sentinel begins; what it returns is `$app`. */
  readonly app?: string;
  readonly calls?: number;
  /** So many run at once: each goes on in turn, and the next begins when one has ended. */
  readonly atOnce?: number;
  /** One more at once after each so many calls. */
  readonly oneMoreEach?: number;
  /** Functions whose handlers are said to set php.ini or the environment. */
  readonly setting?: readonly string[];
  readonly ini?: readonly string[];
}

export interface Turns {
  readonly leaks: readonly Leak[];
  /** What each call returned, by its number. */
  readonly outputs: Readonly<Record<string, unknown>>;
  /** What each call printed. */
  readonly printed: Readonly<Record<string, string>>;
}

// The order of the hooks is the one of the worker's loop.
const RUN = `<?php
declare(strict_types=1);
namespace Shop {
    function wait(): void { \\Fiber::suspend(); }
}
namespace {
(static function (): void {
    [$options, $app, $handlers] = require __DIR__ . '/start.php';
    FpmGateway\\Resident\\Printed::begin();
    $sentinel = new FpmGateway\\Resident\\Sentinel(['first' => 20, 'dense' => false]);
    $sentinel->watchSettings($options['setting']);
    $sentinel->begin($app, $handlers);
    $interleaving = $sentinel->interleave();
    [$leaks, $outputs, $printed, $running, $n] = [[], [], [], [], 0];
    $due = [];
    for ($call = 1; $call <= $options['calls']; ++$call) {
        $due = [...$due, ...array_keys($handlers)];
    }
    while ($due !== [] || $running !== []) {
        while ($due !== [] && count($running) < $options['atOnce'] + intdiv($n, $options['oneMoreEach'])) {
            $name = array_shift($due);
            $running[++$n] = [$name, new Fiber($handlers[$name]), null, null, hrtime(true)];
            $printed[$n] = '';
        }
        foreach ($running as $number => [$name, $fiber, $aside, $buffers, $startedNs]) {
            if ($aside === null) {
                $aside = $interleaving->began($name);
                $fiber->start($number, $app);
            } else {
                $interleaving->resumed($aside);
                $buffers?->restore();
                $fiber->resume();
            }
            $found = [];
            $buffers = null;
            if (!$fiber->isTerminated() && FpmGateway\\Resident\\Printed::isHeld()) {
                $buffers = FpmGateway\\Resident\\Fibers\\Buffers::setAside(FpmGateway\\Resident\\Printed::level());
                $found = $buffers->leaks;
            }
            $printed[$number] .= FpmGateway\\Resident\\Printed::take()['stray'] ?? '';
            if ($fiber->isTerminated()) {
                unset($running[$number]);
                // Kept for those who ask: it is memory that grows.
                $output = $fiber->getReturn();
                if ($output !== null) {
                    $outputs[$number] = $output;
                }
                if ($printed[$number] === '') {
                    unset($printed[$number]);
                }
                $found = $interleaving->ended($aside, $startedNs, null);
            } else {
                $interleaving->suspended($aside);
                $running[$number] = [$name, $fiber, $aside, $buffers, $startedNs];
            }
            foreach ($found as $leak) {
                $leaks[] = ['call' => $number] + $leak;
            }
        }
    }
    ob_end_clean();
    fwrite(STDOUT, json_encode(['leaks' => $leaks, 'outputs' => (object) $outputs, 'printed' => (object) $printed], JSON_THROW_ON_ERROR));
})();
}
`;

const handlerOf = (body: string): string =>
  `return static function (int $n, mixed $app): mixed {\n${body}\nreturn null;\n};`;

/** Rejects when PHP says anything on standard error. */
export const interleave = async (interleaved: Interleaved): Promise<Turns> => {
  const {
    handler,
    others = {},
    app = '',
    calls = 40,
    atOnce = 3,
    oneMoreEach = 1e9,
    setting = [],
    ini = [],
  } = interleaved;
  const handlers = Object.entries({ echo: handler, ...others }).map(([name, body]) => [name, handlerOf(body)]);
  return (await runHandlers({
    script: RUN,
    app,
    handlers: Object.fromEntries(handlers),
    options: { calls, atOnce, oneMoreEach, setting },
    files: {},
    ini,
    env: {},
  })) as Turns;
};
