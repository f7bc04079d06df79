/** Fields with one control: texts, numbers, choices, JSON, files. */

/** @import { Field, Member } from './field.js' */
import { el, sizeText } from './dom.js';
import { controlField } from './field.js';
import { limitsOf, optionsOf } from './schema.js';

/** Longer texts get a box that grows. */
const LINE_MAX_CHARACTERS = 120;

/** @type {Readonly<Record<string, string>>} */
const INPUT_TYPES = { date: 'date', email: 'email', uri: 'url', password: 'password' };

/** @param {Member} member @returns {Field} */
export const stringField = (member) => {
  const { schema, required } = member;
  const type = INPUT_TYPES[schema.format ?? ''];
  const isLine =
    type !== undefined || schema.format !== undefined || (schema.maxLength ?? Infinity) <= LINE_MAX_CHARACTERS;
  const control = isLine ? el('input', { type: type ?? 'text', autocomplete: 'off' }) : el('textarea', { rows: '2' });
  return controlField(member, control, {
    limits: limitsOf(schema),
    read: () => (control.value === '' && !required ? undefined : control.value),
    write: (value) => (control.value = value === undefined || value === null ? '' : String(value)),
  });
};

/** @param {Member} member @returns {Field} */
export const numberField = (member) => {
  const { schema } = member;
  const step = schema.type === 'integer' && schema.multipleOf === undefined ? '1' : 'any';
  const control = el('input', { type: 'number', step, autocomplete: 'off' });
  return controlField(member, control, {
    limits: limitsOf(schema),
    read: () => (control.value === '' ? undefined : control.valueAsNumber),
    write: (value) => (control.value = typeof value === 'number' ? String(value) : ''),
  });
};

/**
 * Values by their place in the list, so that 1 and "1" stay what they are.
 * @param {Member} member
 * @returns {Field}
 */
export const optionsField = (member) => {
  const { schema, required } = member;
  const values = schema.type === 'boolean' ? [true, false] : (optionsOf(schema) ?? []);
  const unset = required && schema.default === undefined ? [] : [el('option', { value: '' }, '—')];
  const options = values.map((value, index) => el('option', { value: String(index) }, String(value)));
  const control = el('select', {}, ...unset, ...options);
  return controlField(member, control, {
    limits: limitsOf({ ...schema, type: '' }),
    read: () => (control.value === '' ? undefined : values[Number(control.value)]),
    write: (value) => {
      const index = values.indexOf(value);
      control.value = index === -1 ? (unset.length > 0 ? '' : '0') : String(index);
    },
  });
};

/**
 * For what no form can show: unions, records, anything.
 * @param {Member} member
 * @returns {Field}
 */
export const jsonField = (member) => {
  const control = el('textarea', { rows: '3', class: 'code', spellcheck: 'false' });
  control.addEventListener('input', () => control.setCustomValidity(jsonComplaint(control.value)));
  return controlField(member, control, {
    limits: ['JSON', ...limitsOf(member.schema)],
    read: () =>
      control.value.trim() === '' || jsonComplaint(control.value) !== '' ? undefined : JSON.parse(control.value),
    write: (value) => {
      control.value = value === undefined ? '' : JSON.stringify(value, null, 2);
      control.setCustomValidity('');
    },
  });
};

/**
 * Empty where the text is JSON, or nothing.
 * @param {string} text
 */
export const jsonComplaint = (text) => {
  try {
    if (text.trim() !== '') JSON.parse(text);
    return '';
  } catch (error) {
    return `This is no JSON: ${/** @type {Error} */ (error).message}`;
  }
};

/**
 * As the gateway will judge; types a browser cannot tell are left to it.
 * @param {File} file
 * @param {import('./schema.js').FileRules} rules
 */
const fileComplaint = ({ name, size, type }, { maxBytes, mediaTypes }) => {
  if (size > maxBytes) return `${name} has ${sizeText(size)}; at most ${sizeText(maxBytes)} are taken.`;
  const fits = mediaTypes.some((taken) =>
    taken.endsWith('/*') ? taken === '*/*' || type.startsWith(taken.slice(0, -1)) : type === taken,
  );
  return type === '' || fits ? '' : `${name} is ${type}; ${mediaTypes.join(', ')} is taken.`;
};

/** @param {Member} member @returns {Field} */
export const fileField = (member) => {
  const { schema, resolve, name } = member;
  const list = schema['x-fpm-gateway-file'] === undefined;
  const rules = (list ? resolve(schema.items) : schema)['x-fpm-gateway-file'] ?? { maxBytes: Infinity, mediaTypes: [] };
  const { maxBytes, mediaTypes } = rules;
  const most = schema.maxItems ?? Infinity;
  const control = el('input', { type: 'file', multiple: list, accept: mediaTypes.join(',') });
  control.addEventListener('input', () => {
    const files = [...(control.files ?? [])];
    const tooMany = list && files.length > most ? `${files.length} files; at most ${most} are taken.` : '';
    control.setCustomValidity(files.map((file) => fileComplaint(file, rules)).find((text) => text !== '') ?? tooMany);
  });
  const limits = [`at most ${sizeText(maxBytes)}`, mediaTypes.join(', '), list ? `up to ${most} files` : ''];
  // The limits line says what the description says for other tools.
  const { description: _limits, ...undescribed } = schema;
  const shown = { ...member, name: name === '' ? 'request body' : name, schema: undescribed };
  const field = controlField(shown, control, {
    limits: limits.filter((text) => text !== ''),
    read: () => {
      const files = [...(control.files ?? [])];
      if (files.length === 0) return undefined;
      return list ? files : files[0];
    },
    // Only people put files into a field.
    write: () => {},
  });
  field.element.classList.add('file');
  return field;
};
