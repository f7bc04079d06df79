/** The form of a schema: the right field for each member, objects and lists with fields inside. */

/** @import { Field, Member } from './field.js' */
/** @import { Resolve, Schema } from './schema.js' */
import { fileField, jsonField, numberField, optionsField, stringField } from './controls.js';
import { el } from './dom.js';
import { caption, groupField } from './field.js';
import { sample } from './sample.js';
import { kindOf } from './schema.js';

/** Deeper ones are written as JSON: a form that narrow helps nobody. */
const MAX_DEPTH = 6;

/** @param {unknown} value @returns {Readonly<Record<string, unknown>>} */
const membersOf = (value) => (typeof value === 'object' && value !== null ? { ...value } : {});

/**
 * An optional object is left out as a whole, until its box is ticked.
 * @param {Member} member
 * @returns {Field}
 */
const objectField = (member) => {
  const { schema, resolve, depth, required } = member;
  const given = el('input', { type: 'checkbox', checked: required });
  const legend = el(
    'legend',
    {},
    ...(required ? caption(member) : [el('label', { class: 'ticked' }, given, ...caption(member))]),
  );
  const content = el('div', { hidden: !required });
  /** @type {Map<string, Field>} */
  const children = new Map();
  // Not before it is needed: a recursive schema has no end.
  const build = () => {
    for (const [name, child] of Object.entries(schema.properties ?? {})) {
      const isRequired = schema.required?.includes(name) ?? false;
      children.set(name, fieldOf({ name, schema: resolve(child), required: isRequired, resolve, depth: depth + 1 }));
    }
    content.append(...[...children.values()].map(({ element }) => element));
  };
  const write = (/** @type {unknown} */ value) => {
    given.checked = required || value !== undefined;
    content.hidden = !given.checked;
    if (content.hidden) return;
    if (children.size === 0) build();
    const members = membersOf(value);
    for (const [name, child] of children) child.write(members[name]);
  };
  given.addEventListener('change', () =>
    write(given.checked ? sample(schema, member.name, resolve, depth) : undefined),
  );
  /** @type {Field} */
  const field = groupField(member, legend, [content], {
    read: () => {
      if (!given.checked) return undefined;
      const entries = [...children].map(([name, child]) => [name, child.read()]);
      return Object.fromEntries(entries.filter(([, value]) => value !== undefined));
    },
    write,
    find: ([name, ...path]) => children.get(name ?? '')?.find(path) ?? field,
  });
  return field;
};

/** @param {Member} member @returns {Field} */
const listField = (member) => {
  const { schema, name, resolve, depth } = member;
  const item = { name, schema: resolve(schema.items), required: true, resolve, depth: depth + 1 };
  const list = el('ol', {});
  /** @type {{ field: Field, row: HTMLElement }[]} */
  let items = [];
  const isFull = () => items.length >= (schema.maxItems ?? Infinity);
  const changed = () => {
    add.disabled = isFull();
    // As any other change of the form.
    list.dispatchEvent(new Event('input', { bubbles: true }));
  };
  const append = (/** @type {unknown} */ value) => {
    const field = fieldOf(item);
    field.write(value);
    const remove = () => {
      items = items.filter(({ row: other }) => other !== row);
      row.remove();
      changed();
    };
    const label = `Remove this item of ${name}`;
    const row = el(
      'li',
      {},
      field.element,
      el('button', { type: 'button', class: 'quiet remove', 'aria-label': label, click: remove }, '×'),
    );
    items.push({ field, row });
    list.append(row);
    return row;
  };
  const onAdd = () => {
    const row = append(sample(item.schema, name, resolve, depth));
    changed();
    /** @type {HTMLElement | null} */ (row.querySelector('input, select, textarea'))?.focus();
  };
  const add = el(
    'button',
    { type: 'button', class: 'quiet', click: onAdd },
    `Add to ${name === '' ? 'the list' : name}`,
  );
  /** @type {Field} */
  const field = groupField(member, el('legend', {}, ...caption(member)), [list, add], {
    read: () => {
      if (items.length === 0 && !member.required) return undefined;
      // A gap would move the items behind it.
      return items.map(({ field: { read } }) => read() ?? null);
    },
    write: (value) => {
      list.replaceChildren();
      items = [];
      for (const each of Array.isArray(value) ? value : []) append(each);
      changed();
    },
    find: ([index, ...path]) => items[Number(index)]?.field.find(path) ?? field,
  });
  return field;
};

/** @param {Member} member @returns {Field} */
const fieldOf = (member) => {
  const kind = kindOf(member.schema, member.resolve);
  switch (kind) {
    case 'file':
    case 'files':
      return fileField(member);
    case 'boolean':
    case 'options':
      return optionsField(member);
    case 'number':
      return numberField(member);
    case 'string':
      return stringField(member);
    case 'object':
      return member.depth > MAX_DEPTH ? jsonField(member) : objectField(member);
    case 'list':
      return member.depth > MAX_DEPTH ? jsonField(member) : listField(member);
    case 'json':
      return jsonField(member);
  }
};

/**
 * The field of a whole input, filled with a sample.
 * @param {Schema} schema
 * @param {Resolve} resolve
 * @returns {Field}
 */
export const inputField = (schema, resolve) => {
  const field = fieldOf({ name: '', schema: resolve(schema), required: true, resolve, depth: 0 });
  field.write(sample(schema, '', resolve, 0));
  field.element.classList.add('root');
  return field;
};
