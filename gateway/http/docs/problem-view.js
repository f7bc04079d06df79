/** A problem (RFC 9457) for people: what failed, whether PHP ran, what to do next, and where in the form. */

/** @import { Editor } from './editor.js' */
/** @import { Problem } from './stream.js' */
import { el } from './dom.js';
import { jsonNodes } from './json-view.js';

/** @type {Readonly<Record<string, string>>} */
const EXECUTED = {
  no: 'The function did not run.',
  yes: 'The function ran.',
  unknown: 'Whether the function ran is unknown.',
};

/**
 * The gateway explains its own codes; a declared one is the function's.
 * @param {unknown} type
 */
const nextStep = async (type) => {
  if (typeof type !== 'string' || !/^\/errors\/[a-z0-9-]+$/.test(type)) return undefined;
  const response = await fetch(type.slice(1));
  return response.ok ? String((await response.json()).mend) : undefined;
};

/** @param {unknown} errors */
const issuesOf = (errors) =>
  (Array.isArray(errors) ? errors : []).map(({ pointer, detail }) => ({
    pointer: String(pointer ?? ''),
    detail: String(detail ?? ''),
  }));

/**
 * @param {Problem} problem
 * @param {Editor} editor  gets the complaints of an input that does not match
 */
export const problemView = (problem, editor) => {
  const { code, title, detail, executed, retryable, type, errors, data, debug } = problem;
  const next = el('p', { class: 'next', hidden: true });
  nextStep(type)
    .then((text) => {
      next.hidden = text === undefined;
      next.append(el('b', {}, 'Next: '), text ?? '');
    })
    // The problem is told without it.
    .catch(() => {});
  const issues = issuesOf(errors);
  // Issues of an output have pointers as well, into something else than the form.
  const isInput = executed === 'no';
  if (isInput) for (const { pointer, detail: what } of issues) editor.complain(pointer, what);
  const items = issues.map(({ pointer, detail: what }) => {
    const name = pointer === '' ? '(the whole input)' : pointer;
    const reveal = () => editor.reveal(pointer);
    const place = isInput ? el('button', { type: 'button', click: reveal }, name) : el('code', {}, name);
    return el('li', {}, place, ' ', what);
  });
  const facts = [EXECUTED[String(executed)], retryable === true ? 'The same call may succeed later.' : ''];
  return el(
    'section',
    { class: 'problem', 'aria-label': 'Problem' },
    el('h3', {}, el('code', {}, String(code ?? 'error')), ' ', String(title ?? '')),
    ...(detail === undefined ? [] : [el('p', { class: 'description' }, String(detail))]),
    ...(items.length === 0 ? [] : [el('ul', { class: 'issues' }, ...items)]),
    ...(data === undefined ? [] : [el('pre', { tabindex: '0' }, ...jsonNodes(data, 2))]),
    el('p', { class: 'facts' }, facts.filter(Boolean).join(' ')),
    next,
    ...(debug === undefined ? [] : [el('pre', { tabindex: '0' }, String(debug))]),
  );
};
