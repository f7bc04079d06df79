/** An answer that is shown when all of it is there: JSON, a problem, a picture, a document, or a file to keep. */

/** @import { Editor } from './editor.js' */
import { el, sizeText } from './dom.js';
import { jsonNodes } from './json-view.js';
import { problemView } from './problem-view.js';

/** Pictures run no script in an `img`, SVG included. Whatever else could be a page of its own is never opened here. */
const isPicture = (/** @type {string} */ mediaType) => mediaType.startsWith('image/');

/**
 * @typedef {object} Whole
 * @property {string} mediaType
 * @property {Blob} blob
 * @property {string} name  for a file
 */

/** The name a script gave, without folders. @param {string | null} disposition */
const nameIn = (disposition) =>
  /filename="?([^";]+)"?/i
    .exec(disposition ?? '')?.[1]
    ?.split(/[/\\]/)
    .at(-1);

/**
 * @param {string} place
 * @param {string} mediaType
 * @param {string | null} disposition
 */
export const fileName = (place, mediaType, disposition) => {
  const extension = /^[a-z]+\/(?:x-)?([a-z0-9]+)/.exec(mediaType)?.[1] ?? 'bin';
  return nameIn(disposition) ?? `${place.replaceAll('/', '-')}.${extension}`;
};

/** @param {Whole} whole */
const binaryView = ({ mediaType, blob, name }) => {
  const canShow = isPicture(mediaType) || mediaType === 'application/pdf';
  const url = URL.createObjectURL(canShow ? blob : new Blob([blob], { type: 'application/octet-stream' }));
  const link = el('a', { class: 'button', href: url, download: name }, `Save ${name}`);
  const size = el('span', { class: 'limits' }, `${mediaType}, ${sizeText(blob.size)}`);
  const picture = isPicture(mediaType) ? [el('img', { src: url, alt: `The answer, ${mediaType}` })] : [];
  const document = mediaType === 'application/pdf' ? [el('iframe', { src: url, title: `The answer, ${name}` })] : [];
  const element = el('div', { class: 'binary' }, ...picture, ...document, el('p', {}, link, ' ', size));
  return { element, release: () => URL.revokeObjectURL(url) };
};

/** @param {string} text */
const parsed = (text) => {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
};

/**
 * @param {Whole} whole
 * @param {Editor} editor
 * @returns {Promise<{ element: HTMLElement, release: () => void }>}
 */
export const wholeView = async (whole, editor) => {
  const { mediaType, blob } = whole;
  const release = () => {};
  if (blob.size === 0) return { element: el('p', { class: 'limits' }, 'The answer has no body.'), release };
  if (!/[/+]json$/.test(mediaType)) return binaryView(whole);
  const text = await blob.text();
  const json = parsed(text);
  if (json !== undefined && mediaType === 'application/problem+json')
    return { element: problemView(json.value, editor), release };
  const nodes = json === undefined ? [text] : jsonNodes(json.value, 2);
  return { element: el('pre', { class: 'json', tabindex: '0', 'aria-label': 'Result' }, ...nodes), release };
};
