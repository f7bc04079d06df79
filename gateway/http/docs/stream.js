/** What comes over a stream, piece by piece: JSON lines and Server-Sent Events. Pure; text in, items out. */

/**
 * @typedef {Readonly<Record<string, unknown>>} Problem
 * @typedef {{ kind: 'item', value: unknown, event: string } | { kind: 'problem', problem: Problem }} Piece
 *
 * @typedef {object} Parser
 * @property {(text: string) => Piece[]} push
 * @property {() => boolean} isWhole  false when the text ended too early, as far as it tells
 */

/** @param {string} text */
const parseJson = (text) => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/**
 * A problem as the last word of a stream; items of functions may have an `error`, too, but no `executed` in it.
 * @param {unknown} value
 * @returns {value is Problem}
 */
const isProblem = (value) =>
  typeof value === 'object' && value !== null && 'code' in value && 'executed' in value && 'status' in value;

/** @param {unknown} value @returns {Piece} */
const linePiece = (value) =>
  typeof value === 'object' && value !== null && 'error' in value && isProblem(value.error)
    ? { kind: 'problem', problem: value.error }
    : { kind: 'item', value, event: '' };

/**
 * Calls back with each whole line; keeps the rest for the next piece.
 * @param {RegExp} end
 */
const lineSplitter = (end) => {
  let rest = '';
  return {
    /** @param {string} text */
    push: (text) => {
      const lines = (rest + text).split(end);
      rest = lines.pop() ?? '';
      return lines;
    },
    isEmpty: () => rest === '',
  };
};

/** @returns {Parser} */
export const jsonLines = () => {
  const lines = lineSplitter(/\n/);
  return {
    push: (text) =>
      lines
        .push(text)
        .filter((line) => line.trim() !== '')
        .map((line) => linePiece(parseJson(line))),
    isWhole: lines.isEmpty,
  };
};

/** @returns {Parser} */
export const serverSentEvents = () => {
  const lines = lineSplitter(/\r\n|\n|\r(?!$)/);
  /** @type {string[]} */
  let data = [];
  let event = '';
  let hasEnded = false;
  /** @param {string} line @returns {Piece[]} */
  const take = (line) => {
    if (line === '') {
      const value = parseJson(data.join('\n'));
      const name = event;
      const isEmpty = data.length === 0;
      data = [];
      event = '';
      if (name === 'end') hasEnded = true;
      if (isEmpty || hasEnded) return [];
      return name === 'error' && isProblem(value)
        ? [{ kind: 'problem', problem: value }]
        : [{ kind: 'item', value, event: name }];
    }
    const [, name, text] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
    if (name === 'data') data.push(text ?? '');
    if (name === 'event') event = text ?? '';
    return [];
  };
  return {
    push: (text) => lines.push(text).flatMap(take),
    // The gateway's last event; without it the connection ended too early.
    isWhole: () => hasEnded,
  };
};
