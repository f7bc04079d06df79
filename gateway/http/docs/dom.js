/** Building the page: elements from tags, attributes and children. Texts stay texts; no markup is ever parsed. */

/** @typedef {Record<string, string | boolean | ((event: Event) => void)>} Attributes */

/**
 * `true` sets an empty attribute, `false` none; a function listens to the event of its name.
 * @template {keyof HTMLElementTagNameMap} Tag
 * @param {Tag} tag
 * @param {Attributes} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElementTagNameMap[Tag]}
 */
export const el = (tag, attributes, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') element.addEventListener(name, value);
    else if (value !== false) element.setAttribute(name, value === true ? '' : value);
  }
  element.append(...children);
  return element;
};

let ids = 0;

/** For `for`, `aria-describedby` and the like. */
export const newId = () => `id-${++ids}`;

/**
 * Radio buttons that look like one switch: arrow keys and screen readers know them already. The first is chosen.
 * @template T
 * @param {string} legend
 * @param {readonly T[]} options
 * @param {(option: T) => string} text
 * @param {(option: T) => void} choose
 */
export const choice = (legend, options, text, choose) => {
  const name = newId();
  const radios = options.map((option, index) => {
    const radio = el('input', { type: 'radio', name, checked: index === 0, change: () => choose(option) });
    return el('label', {}, radio, el('span', {}, text(option)));
  });
  const group = el('fieldset', { class: 'choice' }, el('legend', { class: 'unseen' }, legend), ...radios);
  return el('div', { class: 'switch' }, el('span', { class: 'legend', 'aria-hidden': 'true' }, legend), group);
};

/**
 * A button that copies a text and says so.
 * @param {string} what
 * @param {() => string} text
 */
export const copyButton = (what, text) => {
  const button = el('button', { type: 'button', class: 'quiet', 'aria-label': `Copy ${what}` }, 'Copy');
  button.addEventListener('click', async () => {
    // Browsers give pages without TLS on other hosts than localhost no clipboard.
    const copied = await navigator.clipboard?.writeText(text()).then(
      () => true,
      () => false,
    );
    button.textContent = copied ? 'Copied' : 'Not allowed';
    setTimeout(() => (button.textContent = 'Copy'), 1500);
  });
  return button;
};

const UNITS = ['bytes', 'kB', 'MB', 'GB'];

/** @param {number} bytes */
export const sizeText = (bytes) => {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log10(bytes) / 3), UNITS.length - 1);
  const value = bytes / 1000 ** power;
  return `${value.toLocaleString('en', { maximumFractionDigits: 1 })} ${UNITS[power]}`;
};

/** @param {number} ms */
export const durationText = (ms) =>
  ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10_000 ? 2 : 1)} s`;
