/** What one span was told while its call ran: the literals themselves, made into attributes when somebody looks. */
import type { Attributes, SpanEvent } from './record.ts';
import { addAttributes, bounded, Events, type Values } from './values.ts';

const NO_EVENTS: readonly SpanEvent[] = [];

export class Told {
  #first: Values | undefined;
  #second: Values | undefined;
  #more: Values[] | undefined;
  #events: Events | undefined;

  /** Kept as it is, never copied: it must not change. */
  set(values: Values): void {
    const kept = bounded(values);
    if (this.#first === undefined) this.#first = kept;
    else if (this.#second === undefined) this.#second = kept;
    else if (this.#more === undefined) this.#more = [kept];
    else this.#more.push(kept);
  }

  event(name: string, values: Values, atMs: number): void {
    this.#events ??= new Events();
    this.#events.add(name, values, atMs);
  }

  get textChars(): number {
    return this.#events?.chars ?? 0;
  }

  get events(): readonly SpanEvent[] {
    return this.#events?.list ?? NO_EVENTS;
  }

  attributes(): Attributes {
    const result: Attributes = {};
    addAttributes(result, this.#first);
    addAttributes(result, this.#second);
    for (const values of this.#more ?? []) addAttributes(result, values);
    if (this.#events !== undefined && this.#events.dropped > 0)
      result['fpm_gateway.dropped_events'] = this.#events.dropped;
    return result;
  }
}
