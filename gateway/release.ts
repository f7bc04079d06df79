/** One loaded version of the project, and the requests that entered it. */
import type { Gateway } from './gateway.ts';
import type { App } from './http/app.ts';
import type { HttpEnv } from './http/context.ts';
import type { Exchange } from './http/exchange.ts';
import type { Project } from './project.ts';

/** By which listener a request came. */
export type Way = 'public' | 'internal';

export class Release {
  /** In the order they were loaded, from 1. */
  readonly number: number;
  readonly project: Project;
  readonly gateway: Gateway;
  #inside = 0;
  #left: () => void = () => {};
  #retired: Promise<void> | undefined;

  constructor(number: number, project: Project, gateway: Gateway) {
    this.number = number;
    this.project = project;
    this.gateway = gateway;
  }

  /** Requests in it. */
  get inside(): number {
    return this.#inside;
  }

  /** Others are to serve from now on, and its processes end. */
  get isRetired(): boolean {
    return this.#retired !== undefined;
  }

  async fetch(way: Way, request: Request, env: HttpEnv['Bindings']): Promise<Response> {
    this.#inside += 1;
    try {
      return await this.#app(way).fetch(request, env);
    } finally {
      if (env.lasts === undefined) this.#leave();
      else void env.lasts.finally(this.#leave);
    }
  }

  /** Undefined: not a request for this way. */
  serve(way: Way, exchange: Exchange): Promise<void> | undefined {
    const served = this.#app(way).serve(exchange);
    if (served === undefined) return undefined;
    this.#inside += 1;
    // A call that waits holds what hangs on its promise: `finally` would be three closures more.
    void served.then(this.#leave, this.#leave);
    return served;
  }

  #app(way: Way): Pick<App, 'fetch' | 'serve'> {
    return way === 'public' ? this.gateway : this.gateway.internal;
  }

  readonly #leave = (): void => {
    this.#inside -= 1;
    if (this.#inside === 0) this.#left();
  };

  /**
   * For one that another has replaced: those inside are served to their end, also if their bodies still arrive.
   * Idempotent.
   */
  retire(): Promise<void> {
    this.#retired ??= this.#drain();
    return this.#retired;
  }

  async #drain(): Promise<void> {
    if (this.#inside > 0) await new Promise<void>((resolve) => (this.#left = resolve));
    await this.gateway.close();
  }
}
