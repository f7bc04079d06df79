/** JSON, coloured for reading. */
import { el } from './dom.js';

/** More colour than this makes pages slow. */
const MAX_COLOURED_CHARACTERS = 100_000;
const MAX_SHOWN_CHARACTERS = 1_000_000;

const TOKEN = /("(?:[^"\\]|\\.)*")(\s*:)?|\b(?:true|false|null)\b|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;

/** @param {string} text */
const coloured = (text) => {
  const parts = [];
  let at = 0;
  for (const match of text.matchAll(TOKEN)) {
    const [token, string, colon] = match;
    const kind = string === undefined ? (/^[tfn]/.test(token) ? 'word' : 'number') : colon ? 'key' : 'string';
    parts.push(text.slice(at, match.index), el('span', { class: kind }, string ?? token), colon ?? '');
    at = match.index + token.length;
  }
  return [...parts, text.slice(at)];
};

/**
 * The content of a `pre`.
 * @param {unknown} value
 * @param {number} indent  0: on one line
 */
export const jsonNodes = (value, indent) => {
  const text = JSON.stringify(value, null, indent) ?? '';
  if (text.length <= MAX_COLOURED_CHARACTERS) return coloured(text);
  const cut = text.length - MAX_SHOWN_CHARACTERS;
  return [text.slice(0, MAX_SHOWN_CHARACTERS), ...(cut > 0 ? [`\n… ${cut.toLocaleString('en')} more characters`] : [])];
};
