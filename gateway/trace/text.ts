/** Texts of callers and PHP, bounded and on their own: V8 keeps the whole of a large text alive for a slice of it. */

const TEXT_MAX_CHARS = 4096;

export const copyOf = (text: string): string => Buffer.from(text).toString();

export const isTooLong = (value: unknown): boolean => typeof value === 'string' && value.length > TEXT_MAX_CHARS;

/** What a trace keeps of a text. */
export const keptText = (text: string): string =>
  copyOf(text.length > TEXT_MAX_CHARS ? `${text.slice(0, TEXT_MAX_CHARS)}…` : text);
