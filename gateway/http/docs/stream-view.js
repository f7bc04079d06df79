/** A stream while it comes: items or text, appended as they arrive, the oldest dropped when there are too many. */

/** @import { Editor } from './editor.js' */
/** @import { Parser } from './stream.js' */
import { el } from './dom.js';
import { jsonNodes } from './json-view.js';
import { problemView } from './problem-view.js';
import { jsonLines, serverSentEvents } from './stream.js';

const MAX_ITEMS = 1000;
const MAX_ITEM_CHARACTERS = 10_000;
const MAX_TEXT_CHARACTERS = 500_000;

/**
 * Where the pieces of an answer go.
 * @typedef {object} StreamView
 * @property {HTMLElement} element
 * @property {(text: string) => void} push
 * @property {() => string} count  `3 items`
 * @property {() => string} verdict  at the end of the connection: empty, or what is wrong
 */

/** Keeps the newest in sight, unless somebody reads further up. @param {HTMLElement} box @param {() => void} change */
const following = (box, change) => {
  const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  change();
  if (isAtEnd) box.scrollTop = box.scrollHeight;
};

/**
 * @param {Parser} parser
 * @param {Editor} editor
 * @returns {StreamView}
 */
const itemsView = (parser, editor) => {
  const list = el('ol', { class: 'items', tabindex: '0', 'aria-label': 'Items of the stream' });
  const dropped = el('p', { class: 'limits', hidden: true });
  const element = el('div', {}, dropped, list);
  let count = 0;
  let failure = '';
  /** @param {{ value: unknown, event: string }} item */
  const row = ({ value, event }) => {
    const isLong = JSON.stringify(value).length > MAX_ITEM_CHARACTERS;
    const text = isLong ? [`${JSON.stringify(value).slice(0, MAX_ITEM_CHARACTERS)} …`] : jsonNodes(value, 0);
    return el('li', {}, ...(event === '' ? [] : [el('b', {}, event), ' ']), ...text);
  };
  return {
    element,
    push: (text) => {
      const pieces = parser.push(text);
      const items = pieces.filter((piece) => piece.kind === 'item');
      count += items.length;
      // A fast stream has more in one piece than is ever shown.
      const rows = items.slice(-MAX_ITEMS).map(row);
      following(list, () => {
        list.append(...rows);
        while (list.childElementCount > MAX_ITEMS) list.firstChild?.remove();
        list.start = count - list.childElementCount + 1;
      });
      dropped.hidden = count <= MAX_ITEMS;
      dropped.textContent = `The last ${MAX_ITEMS.toLocaleString('en')} of them:`;
      for (const piece of pieces) {
        if (piece.kind !== 'problem') continue;
        failure = `Ended with error ${piece.problem.code}`;
        element.append(problemView(piece.problem, editor));
      }
    },
    count: () => `${count.toLocaleString('en')} ${count === 1 ? 'item' : 'items'}`,
    verdict: () => failure || (parser.isWhole() ? '' : 'Cut off'),
  };
};

/** @returns {StreamView} */
const textView = () => {
  const element = el('pre', { class: 'text', tabindex: '0', 'aria-label': 'Text of the answer' });
  let total = 0;
  let shown = 0;
  return {
    element,
    push: (text) => {
      total += text.length;
      const kept = text.slice(-MAX_TEXT_CHARACTERS);
      following(element, () => {
        element.append(kept);
        shown += kept.length;
        while (shown > MAX_TEXT_CHARACTERS && element.firstChild !== null) {
          shown -= element.firstChild.textContent?.length ?? 0;
          element.firstChild.remove();
        }
      });
    },
    count: () => `${total.toLocaleString('en')} characters`,
    verdict: () => '',
  };
};

/**
 * Undefined for what is shown only when it is whole.
 * @param {string} mediaType
 * @param {Editor} editor
 * @returns {StreamView | undefined}
 */
export const streamView = (mediaType, editor) => {
  switch (mediaType) {
    case 'application/x-ndjson':
    case 'application/ndjson':
    case 'application/jsonl':
      return itemsView(jsonLines(), editor);
    case 'text/event-stream':
      return itemsView(serverSentEvents(), editor);
    default:
      return mediaType.startsWith('text/') ? textView() : undefined;
  }
};
