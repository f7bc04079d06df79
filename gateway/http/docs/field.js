/** One member of the form and its surroundings: label, limits, complaint. Fields nest as their schemas do. */

/** @import { Resolve, Schema } from './schema.js' */
import { el, newId } from './dom.js';
import { limitsOf } from './schema.js';

/**
 * @typedef {object} Field
 * @property {HTMLElement} element
 * @property {() => unknown} read  undefined: the member is left out
 * @property {(value: unknown) => void} write
 * @property {(path: readonly string[]) => Field} find  the field a pointer leads to, or the nearest around it
 * @property {(message: string) => void} complain
 *
 * @typedef {object} Member  What a field is for.
 * @property {string} name
 * @property {Schema} schema  resolved
 * @property {boolean} required
 * @property {Resolve} resolve
 * @property {number} depth
 */

/**
 * Where a complaint is shown, hidden while there is none.
 * @param {string} id
 */
const complaintLine = (id) => el('p', { id, class: 'complaint', hidden: true });

/**
 * @param {HTMLElement} line
 * @param {HTMLElement} control
 * @param {string} message
 */
const show = (line, control, message) => {
  line.textContent = message;
  line.hidden = message === '';
  if (message === '') control.removeAttribute('aria-invalid');
  else control.setAttribute('aria-invalid', 'true');
};

/** @param {Member} member @returns {(Node | string)[]} */
export const caption = ({ name, required }) => [
  name === '' ? 'input' : name,
  ' ',
  required ? el('span', { class: 'required' }, 'required') : el('span', { class: 'optional' }, 'optional'),
];

/** @param {Member} member @returns {Node[]} */
const explanation = ({ schema }) =>
  schema.description === undefined ? [] : [el('p', { class: 'description' }, schema.description)];

/**
 * A field with one control.
 * @param {Member} member
 * @param {HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement} control
 * @param {{ limits: readonly string[], read: () => unknown, write: (value: unknown) => void }} parts
 * @returns {Field}
 */
export const controlField = (member, control, { limits, read, write }) => {
  const [hint, complaint] = [newId(), newId()];
  control.id = newId();
  control.name = member.name;
  control.setAttribute('aria-describedby', `${hint} ${complaint}`);
  if (member.required) control.setAttribute('aria-required', 'true');
  const line = complaintLine(complaint);
  const complain = (/** @type {string} */ message) => show(line, control, message);
  // What was wrong with the old value says nothing of the new one.
  control.addEventListener('input', () => complain(control.validity.customError ? control.validationMessage : ''));
  const element = el(
    'div',
    { class: 'field' },
    el('label', { for: control.id }, ...caption(member)),
    ...explanation(member),
    control,
    el('p', { id: hint, class: 'limits' }, limits.join(' · ')),
    line,
  );
  /** @type {Field} */
  const field = { element, read, write, complain, find: () => field };
  return field;
};

/**
 * A field with fields inside.
 * @param {Member} member
 * @param {HTMLElement} legend
 * @param {readonly Node[]} content
 * @param {Omit<Field, 'element' | 'complain'>} parts
 * @returns {Field}
 */
export const groupField = (member, legend, content, parts) => {
  const line = complaintLine(newId());
  const limits = el('p', { class: 'limits' }, limitsOf(member.schema).join(' · '));
  const body = el('div', { class: 'body' }, ...explanation(member), ...content, limits, line);
  const element = el('fieldset', { class: 'field group' }, legend, body);
  return { element, complain: (message) => show(line, element, message), ...parts };
};
