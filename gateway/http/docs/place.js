/** The page of one place: what it is, the form, the curl line, the answer. */

/** @import { Operation, Place, Way } from './openapi.js' */
/** @import { Resolve } from './schema.js' */
import { answerPanel } from './answer.js';
import { curlCommand } from './curl.js';
import { choice, copyButton, el } from './dom.js';
import { inputEditor } from './editor.js';
import { outgoing } from './request.js';

/** @type {Readonly<Record<Way['kind'], string>>} */
const WAY_NAMES = { query: 'Query', json: 'JSON', form: 'Form', multipart: 'Multipart', raw: 'File alone' };

/** @param {string} method */
export const methodBadge = (method) => el('span', { class: `method method-${method.toLowerCase()}` }, method);

/** @param {Operation} operation @param {string} accept @returns {'text' | 'stream' | 'bytes'} */
const answerKind = ({ accepts }, accept) => {
  const mediaType = accept || (accepts[0] ?? '');
  if (['application/x-ndjson', 'text/event-stream'].includes(mediaType) || mediaType.startsWith('text/'))
    return 'stream';
  return mediaType === 'application/json' ? 'text' : 'bytes';
};

/**
 * A switch, or nothing where there is one possibility.
 * @template T
 * @param {string} legend
 * @param {readonly T[]} options
 * @param {(option: T) => string} name
 * @param {(option: T) => void} choose
 */
const switchOf = (legend, options, name, choose) => {
  if (options.length < 2) return [];
  const texts = options.map((option, index) => /** @type {const} */ ([String(index), name(option)]));
  const onChoose = (/** @type {string} */ index) => {
    const option = options[Number(index)];
    if (option !== undefined) choose(option);
  };
  return [
    el(
      'div',
      { class: 'switch' },
      el('span', { class: 'legend', 'aria-hidden': 'true' }, legend),
      choice(legend, texts, onChoose),
    ),
  ];
};

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
  const request = () => outgoing({ place, operation, way, accept }, editor.read());
  const update = () => (curl.textContent = curlCommand(request(), answerKind(operation, accept)));
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
    ...switchOf('Send as', ways, ({ kind }) => WAY_NAMES[kind], chooseWay),
    ...switchOf('Answer as', accepts, String, (type) => {
      accept = type;
      update();
    }),
    editor.element,
    el('div', { class: 'actions' }, sendButton, stopButton, el('span', { class: 'limits' }, 'Ctrl + Enter')),
    el(
      'div',
      { class: 'curl' },
      el('pre', { tabindex: '0', 'aria-label': 'As a curl command' }, curl),
      copyButton('the curl command', () => curl.textContent),
    ),
  );
  markFiles();
  update();
  return { element: el('div', { class: 'panels' }, form, answer.element), stop };
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
    panel.stop();
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
    ...switchOf('Verb', place.operations, ({ method }) => method, chooseOperation),
    panel.element,
  );
  return { element, close: () => panel.stop() };
};
