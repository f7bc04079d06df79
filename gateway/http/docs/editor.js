/** The input of one way to call: a form, or the same value as JSON text. Files are only ever in the form. */

/** @import { Way } from './openapi.js' */
/** @import { Resolve } from './schema.js' */
import { jsonComplaint } from './controls.js';
import { choice, el, newId } from './dom.js';
import { inputField } from './fields.js';
import { withFilesOf, withoutFiles } from './members.js';
import { kindOf } from './schema.js';

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

/**
 * Whether there is anything but files to write.
 * @param {Way} way
 * @param {Resolve} resolve
 */
const hasText = ({ input }, resolve) => {
  const members = Object.values(resolve(input).properties ?? {});
  return members.length === 0 || members.some((member) => !kindOf(resolve(member), resolve).startsWith('file'));
};

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
  /** @returns {unknown} */
  const written = () => (jsonComplaint(text.value) === '' && text.value.trim() !== '' ? JSON.parse(text.value) : {});

  const modes = choice('Edit as', ['Form', 'JSON'], String, (mode) => setMode(mode === 'JSON'));
  const element = el('div', { class: 'editor' }, ...(hasText(way, resolve) ? [modes] : []), field.element, json);
  const setMode = (/** @type {boolean} */ isJson) => {
    if (isJson) text.value = JSON.stringify(withoutFiles(field.read()), null, 2) ?? '';
    else if (jsonComplaint(text.value) === '') field.write(written());
    say('');
    json.hidden = !isJson;
    element.classList.toggle('as-json', isJson);
  };
  const controls = () =>
    /** @type {(HTMLInputElement | HTMLTextAreaElement)[]} */ ([...element.querySelectorAll('input, textarea')]);

  return {
    element,
    read: () => (json.hidden ? field.read() : withFilesOf(written(), field.read())),
    write: field.write,
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
