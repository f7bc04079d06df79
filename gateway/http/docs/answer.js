/** The answer to one call: status, time, headers, and its body as it comes. */

/** @import { Editor } from './editor.js' */
/** @import { Outgoing } from './request.js' */
/** @import { StreamView } from './stream-view.js' */
import { copyButton, durationText, el, sizeText } from './dom.js';
import { send } from './request.js';
import { streamView } from './stream-view.js';
import { timingBar } from './timing.js';
import { fileName, wholeView } from './whole-view.js';

/** More is not kept here; curl saves it. */
const MAX_KEPT_BYTES = 256 * 1024 * 1024;
const COPIED = ['trace-id', 'request-id'];
const SHOWN = [...COPIED, 'content-type', 'content-disposition', 'location', 'retry-after', 'allow'];

/**
 * @typedef {object} Call
 * @property {string} place
 * @property {Outgoing} request
 * @property {Editor} editor
 * @property {AbortSignal} signal
 */

/** @param {Headers} headers */
const headerList = (headers) => {
  const rows = SHOWN.flatMap((name) => {
    const value = headers.get(name);
    if (value === null) return [];
    const copy = COPIED.includes(name) ? [copyButton(name, () => value)] : [];
    return [el('dt', {}, name), el('dd', {}, el('code', {}, value), ...copy)];
  });
  return el('dl', { class: 'headers' }, ...rows);
};

/** @param {Response} response @param {number} ms */
const headOf = ({ status, statusText, headers }, ms) => [
  el(
    'p',
    { class: 'status-line' },
    el('strong', { class: `status status-${Math.floor(status / 100)}` }, `${status} ${statusText}`.trim()),
    el('span', { class: 'limits' }, `first byte after ${durationText(ms)}`),
  ),
  ...timingBar(headers.get('server-timing') ?? ''),
  headerList(headers),
];

/** @param {unknown} error @param {AbortSignal} signal */
const endingOf = (error, signal) => {
  if (signal.aborted) return 'Stopped by you';
  return error instanceof RangeError ? error.message : 'Cut off: the connection ended before the answer did';
};

/**
 * Reads to the end; throws when there is none.
 * @param {Response} response
 * @param {(bytes: Uint8Array) => void} take
 */
const readAll = async (response, take) => {
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) return;
    take(value);
  }
};

/** @param {Response} response @param {StreamView} view @param {(note: string) => void} note */
const readStream = async (response, view, note) => {
  const decoder = new TextDecoder();
  await readAll(response, (bytes) => {
    view.push(decoder.decode(bytes, { stream: true }));
    note(view.count());
  });
  view.push(decoder.decode());
};

/** @param {Response} response @param {(note: string) => void} note */
const readBlob = async (response, note) => {
  /** @type {BlobPart[]} */
  const parts = [];
  let size = 0;
  await readAll(response, (bytes) => {
    size += bytes.length;
    if (size > MAX_KEPT_BYTES) throw new RangeError(`More than ${sizeText(MAX_KEPT_BYTES)}: use the curl command`);
    parts.push(/** @type {Uint8Array<ArrayBuffer>} */ (bytes));
    note(sizeText(size));
  });
  return new Blob(parts, { type: response.headers.get('content-type') ?? '' });
};

/** The panel beside the form. */
export const answerPanel = () => {
  const state = el('p', { class: 'state', role: 'status' }, 'Nothing sent yet.');
  const progress = el('p', { class: 'progress', 'aria-hidden': 'true' });
  const content = el('div', {});
  const heading = el('h2', {}, 'Answer');
  const element = el('section', { class: 'panel answer', 'aria-label': 'Answer' }, heading, content, progress, state);
  let startMs = 0;
  /** Frees what the answer shown holds. */
  let release = () => {};

  const elapsed = () => durationText(performance.now() - startMs);
  const note = (/** @type {string} */ text) => (progress.textContent = `${text} so far, ${elapsed()}`);
  const begin = () => {
    startMs = performance.now();
    release();
    release = () => {};
    content.replaceChildren();
    element.classList.remove('failed');
    element.classList.add('running');
    state.textContent = 'Waiting for the answer …';
  };
  const end = (/** @type {string} */ verdict, /** @type {string} */ count) => {
    progress.textContent = '';
    element.classList.remove('running');
    element.classList.toggle('failed', verdict !== 'Complete');
    state.textContent = [verdict, count, `in ${elapsed()}`].filter((part) => part !== '').join(' · ');
  };
  const showStream = async (/** @type {Response} */ response, /** @type {StreamView} */ stream) => {
    content.append(stream.element);
    await readStream(response, stream, note);
    end(stream.verdict() || 'Complete', stream.count());
  };
  /** @param {Response} response @param {string} mediaType @param {Call} call */
  const showWhole = async (response, mediaType, { place, editor }) => {
    const blob = await readBlob(response, note);
    const name = fileName(place, mediaType, response.headers.get('content-disposition'));
    const view = await wholeView({ mediaType, blob, name }, editor);
    content.append(view.element);
    release = view.release;
    end('Complete', sizeText(blob.size));
  };

  /** Resolves when the answer is over, however it ended. @param {Call} call */
  const run = async (call) => {
    const { request, editor, signal } = call;
    begin();
    const response = await send(request, signal).catch(() => undefined);
    if (response === undefined) {
      end(signal.aborted ? 'Stopped by you' : 'No answer: the gateway cannot be reached', '');
      return;
    }
    if (response.type === 'opaqueredirect') {
      end('Redirected: a browser tells no page where to, curl -i does', '');
      return;
    }
    content.append(...headOf(response, performance.now() - startMs));
    state.textContent = 'The answer is coming …';
    const mediaType = (response.headers.get('content-type') ?? '').split(';')[0]?.trim().toLowerCase() ?? '';
    const stream = streamView(mediaType, editor);
    try {
      if (stream === undefined) await showWhole(response, mediaType, call);
      else await showStream(response, stream);
    } catch (error) {
      end(endingOf(error, signal), stream?.count() ?? '');
    }
  };
  return { element, run, close: () => release() };
};
