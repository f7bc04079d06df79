/** How the calls of a release ended: by it a new release is judged. */
import type { GatewayError } from '../errors.ts';

export interface Outcome {
  readonly calls: number;
  /** Those that the function, its pool or a bug of ours failed; not what callers or load had refused. */
  readonly failed: number;
}

const isFailure = ({ status, source, code }: GatewayError): boolean =>
  status >= 500 && (source === 'function' || source === 'pool' || code === 'internal-error');

/** Of one function. */
export class FunctionOutcome implements Outcome {
  calls = 0;
  failed = 0;
  readonly #onFailed: () => void;

  constructor(onFailed: () => void) {
    this.#onFailed = onFailed;
  }

  /** Undefined: with a result. */
  ended(error: GatewayError | undefined): void {
    this.calls += 1;
    if (error === undefined || !isFailure(error)) return;
    this.failed += 1;
    this.#onFailed();
  }
}

export class Outcomes {
  /** Called after each failed call; set by who judges the release. */
  onFailed: (name: string) => void = () => {};
  readonly #byName = new Map<string, FunctionOutcome>();

  /** The same one each time. */
  of(name: string): FunctionOutcome {
    const known = this.#byName.get(name);
    if (known !== undefined) return known;
    const outcome = new FunctionOutcome(() => this.onFailed(name));
    this.#byName.set(name, outcome);
    return outcome;
  }
}
