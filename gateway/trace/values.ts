/** What spans and events are told about: literals that are kept as they are, and made into attributes when read. */
import type { Attributes, SpanEvent } from './record.ts';
import { isTooLong, keptText } from './text.ts';

/** Never changed once given to a span. */
export type Values = Readonly<Record<string, string | number | boolean | undefined>>;

/** The ring keeps hundreds of traces: each span is bounded in number and text of its events. */
const EVENTS_MAX = 128;
const EVENTS_MAX_CHARS = 65_536;

export const addAttributes = (target: Attributes, values: Values | undefined): void => {
  for (const key in values) {
    const value = values[key];
    if (value !== undefined) target[key] = value;
  }
};

/** The same object unless it holds an overlong text, which is rare: copying each key by key was 3 % of a call. */
export const bounded = (values: Values): Values => {
  for (const key in values) if (isTooLong(values[key])) return kept(values);
  return values;
};

/** Texts cut and on their own, without the undefined ones. */
const kept = (values: Values): Attributes => {
  const result: Attributes = {};
  for (const [key, value] of Object.entries(values)) {
    if (value !== undefined) result[key] = typeof value === 'string' ? keptText(value) : value;
  }
  return result;
};

const charsOf = (values: Attributes): number =>
  Object.values(values).reduce<number>((sum, value) => sum + String(value).length, 0);

/** The events of one span; made with the first of them. */
export class Events {
  readonly list: SpanEvent[] = [];
  chars = 0;
  dropped = 0;

  add(name: string, values: Values, atMs: number): void {
    if (this.list.length >= EVENTS_MAX) {
      this.dropped += 1;
      return;
    }
    const event = { name, atMs, attributes: kept(values) };
    const chars = charsOf(event.attributes);
    if (this.chars + chars > EVENTS_MAX_CHARS) {
      this.dropped += 1;
      return;
    }
    this.chars += chars;
    this.list.push(event);
  }
}
