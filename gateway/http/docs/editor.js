/** The input of one way to call: a form, or the same value as JSON text. Files are only ever in the form. */

/** @import { Way } from './openapi.js' */
/** @import { Resolve } from './schema.js' */
import { jsonComplaint } from './controls.js';
import { choice, el, newId } from './dom.js';
import { inputField } from './fields.js';

/**
 * @typedef {object} Editor
 * @property {HTMLElement} element
 * @property {() => unknown} read  the input, with `File`s in it
 * @property {(value: unknown) => void} write
 * @property {() => boolean} isReady  false when something cannot be sent; it is told then
 * @property {(pointer: string, message: string) => void} complain  at the member a JSON Pointer names
 * @property {(pointer: string) => void} reveal
 * @property {() => void} calm  no complaints any more
 */

/** @param {string} pointer */
const pathOf = (pointer) =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'));

/** @param {unknown} value */
const isFile = (value) => value instanceof File || (Array.isArray(value) && value[0] instanceof File);

/** @param {unknown} value @returns {value is Readonly<Record<string, unknown>>} */
const isObject = (value) => typeof value === 'object' && value !== null && !Array.isArray(value) && !isFile(value);

/**
 * @param {Readonly<Record<string, unknown>>} object
 * @param {boolean} files  those that are, or those that are not
 */
const membersThat = (object, files) =>
  Object.fromEntries(Object.entries(object).filter(([, member]) => isFile(member) === files));

/**
 * @param {Way} way
 * @param {Resolve} resolve
 * @returns {Editor}
 */
export const inputEditor = (way, resolve) => {
  const field = inputField(way.input, resolve);
  /** @type {string[]} */
  let complained = [];
  const line = el('p', { class: 'complaint', id: newId(), hidden: true });
  const text = el('textarea', {
    class: 'code',
    rows: '14',
    spellcheck: 'false',
    'aria-label': 'Input as JSON',
    'aria-describedby': line.id,
  });
  const json = el('div', { class: 'field', hidden: true }, text, line);
  text.addEventListener('input', () => say(jsonComplaint(text.value)));
  const say = (/** @type {string} */ message) => {
    text.setCustomValidity(message);
    line.textContent = message;
    line.hidden = message === '';
  };
  const asText = (/** @type {unknown} */ value) =>
    JSON.stringify(isObject(value) ? membersThat(value, false) : value, null, 2);
  /** @returns {unknown} */
  const written = () => (jsonComplaint(text.value) === '' && text.value.trim() !== '' ? JSON.parse(text.value) : {});

  const modes = choice(
    'How to write the input',
    [
      ['form', 'Form'],
      ['json', 'JSON'],
    ],
    (mode) => setMode(mode),
  );
  const element = el('div', { class: 'editor' }, modes, field.element, json);
  const setMode = (/** @type {string} */ mode) => {
    const isJson = mode === 'json';
    if (isJson) text.value = asText(field.read());
    else if (jsonComplaint(text.value) === '') field.write(written());
    say('');
    json.hidden = !isJson;
    element.classList.toggle('as-json', isJson);
  };
  const controls = () =>
    /** @type {(HTMLInputElement | HTMLTextAreaElement)[]} */ ([...element.querySelectorAll('input, textarea')]);

  return {
    element,
    read: () => {
      if (json.hidden) return field.read();
      const value = written();
      const inForm = field.read();
      return isObject(value) && isObject(inForm) ? { ...value, ...membersThat(inForm, true) } : value;
    },
    write: (value) => {
      field.write(value);
      text.value = asText(value);
    },
    isReady: () => {
      const wrong = controls().find(
        (control) => control.checkVisibility() && (control.validity.customError || control.validity.badInput),
      );
      if (wrong === undefined) return true;
      // The browser shows its message at the control.
      wrong.reportValidity();
      return false;
    },
    complain: (pointer, message) => {
      const target = field.find(pathOf(pointer));
      target.complain(message);
      complained.push(pointer);
    },
    reveal: (pointer) => {
      const form = /** @type {HTMLInputElement} */ (modes.querySelector('input'));
      if (!json.hidden) form.click();
      const { element: found } = field.find(pathOf(pointer));
      found.scrollIntoView({ block: 'center' });
      /** @type {HTMLElement | null} */ (found.querySelector('input, select, textarea'))?.focus();
    },
    calm: () => {
      for (const pointer of complained) field.find(pathOf(pointer)).complain('');
      complained = [];
    },
  };
};
