/** The page of one place: what it is, the form, the curl line, the answer. */

/** @import { Operation, Place, Way } from './openapi.js' */
/** @import { Resolve } from './schema.js' */
import { answerPanel } from './answer.js';
import { curlCommand } from './curl.js';
import { choice, copyButton, el } from './dom.js';
import { inputEditor } from './editor.js';
import { outgoing } from './request.js';
import { fileName } from './whole-view.js';

/** @type {Readonly<Record<Way['kind'], string>>} */
const WAY_NAMES = { query: 'Query', json: 'JSON', form: 'URL-encoded', multipart: 'Multipart', raw: 'File alone' };

/** @type {Readonly<Record<string, string>>} */
const TYPE_NAMES = {
  'application/x-ndjson': 'NDJSON',
  'text/event-stream': 'Server-Sent Events',
  'application/json': 'JSON',
  'text/plain': 'Text',
};

/** @param {string} method */
export const methodBadge = (method) => el('span', { class: `method method-${method.toLowerCase()}` }, method);

/** @param {string} place @param {string} mediaType  of the answer */
const curlAnswer = (place, mediaType) => {
  const isStream = mediaType.startsWith('text/') || mediaType === 'application/x-ndjson';
  const isBytes = !isStream && mediaType !== 'application/json';
  return { isStream, file: isBytes ? fileName(place, mediaType, null) : '' };
};

/**
 * Where there is something to choose.
 * @template T
 * @param {string} legend
 * @param {readonly T[]} options
 * @param {(option: T) => string} text
 * @param {(option: T) => void} choose
 */
const choiceIfAny = (legend, options, text, choose) =>
  options.length < 2 ? [] : [choice(legend, options, text, choose)];

/**
 * @param {Place} place
 * @param {Operation} operation
 * @param {Resolve} resolve
 */
const requestPanel = (place, operation, resolve) => {
  const { ways, accepts } = operation;
  let way = /** @type {Way} */ (ways[0]);
  let accept = accepts.length > 1 ? (accepts[0] ?? '') : '';
  let editor = inputEditor(way, resolve);
  const answer = answerPanel();
  /** @type {AbortController | undefined} */
  let running;

  const curl = el('code', {});
  const request = () => outgoing({ place, operation, way, accept, resolve }, editor.read());
  const update = () =>
    (curl.textContent = curlCommand(request(), curlAnswer(place.name, accept || (accepts[0] ?? ''))));
  const stop = () => running?.abort();
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (running !== undefined || !editor.isReady()) return;
    editor.calm();
    running = new AbortController();
    stopButton.disabled = false;
    sendButton.disabled = true;
    await answer.run({ place: place.name, request: request(), editor, signal: running.signal });
    running = undefined;
    stopButton.disabled = true;
    sendButton.disabled = false;
  };
  const chooseWay = (/** @type {Way} */ next) => {
    const value = editor.read();
    const same = JSON.stringify(way.input) === JSON.stringify(next.input);
    way = next;
    // Another form would lose the files somebody chose.
    if (!same) {
      const old = editor.element;
      editor = inputEditor(way, resolve);
      editor.write(value);
      old.replaceWith(editor.element);
    }
    markFiles();
    update();
  };
  const markFiles = () => editor.element.classList.toggle('no-files', way.kind === 'json' || way.kind === 'form');

  const sendButton = el('button', { type: 'submit', class: 'primary' }, 'Send');
  const stopButton = el('button', { type: 'button', disabled: true, click: stop }, 'Stop');
  const onKey = (/** @type {Event} */ event) => {
    const { key, ctrlKey, metaKey } = /** @type {KeyboardEvent} */ (event);
    if (key === 'Enter' && (ctrlKey || metaKey)) form.requestSubmit();
  };
  const form = el(
    'form',
    {
      class: 'panel request',
      novalidate: true,
      submit,
      input: update,
      change: update,
      keydown: onKey,
      'aria-label': 'Request',
    },
    el('h2', {}, 'Request'),
    ...choiceIfAny('Send as', ways, ({ kind }) => WAY_NAMES[kind], chooseWay),
    ...choiceIfAny(
      'Answer as',
      accepts,
      (type) => TYPE_NAMES[type] ?? type,
      (type) => {
        accept = type;
        update();
      },
    ),
    editor.element,
    el('div', { class: 'actions' }, sendButton, stopButton, el('span', { class: 'limits' }, 'Ctrl + Enter')),
    el(
      'div',
      { class: 'curl' },
      el('h3', {}, 'curl'),
      copyButton('the curl command', () => curl.textContent),
    ),
    el('pre', { class: 'command', tabindex: '0', 'aria-label': 'As a curl command' }, curl),
  );
  markFiles();
  update();
  const close = () => {
    stop();
    answer.close();
  };
  return { element: el('div', { class: 'panels' }, form, answer.element), close };
};

/**
 * @param {Place} place
 * @param {Resolve} resolve
 * @returns {{ element: HTMLElement, close: () => void }} `close` ends a call that is under way
 */
export const placeView = (place, resolve) => {
  const [first] = place.operations;
  if (first === undefined) return { element: el('p', {}, 'It takes no verb.'), close: () => {} };
  let panel = requestPanel(place, first, resolve);
  const badges = place.operations.length === 1 ? [methodBadge(first.method)] : [];
  const chooseOperation = (/** @type {Operation} */ operation) => {
    panel.close();
    const old = panel.element;
    panel = requestPanel(place, operation, resolve);
    old.replaceWith(panel.element);
  };
  const heading = el('h1', { tabindex: '-1' }, place.name);
  const element = el(
    'article',
    {},
    heading,
    el('p', { class: 'path' }, ...badges, el('code', {}, place.path)),
    ...(place.summary === '' ? [] : [el('p', { class: 'summary' }, place.summary)]),
    ...(place.description === '' ? [] : [el('p', { class: 'description' }, place.description)]),
    ...choiceIfAny('Verb', place.operations, ({ method }) => method, chooseOperation),
    panel.element,
  );
  return { element, close: () => panel.close() };
};
