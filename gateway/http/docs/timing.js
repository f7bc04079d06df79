/** The `server-timing` header as a bar: one part for each phase of the call. */
import { el } from './dom.js';

/**
 * @param {string} header `validate;dur=0.1, queue;dur=2`
 * @returns {HTMLElement[]} none without phases
 */
export const timingBar = (header) => {
  const phases = [...header.matchAll(/([\w-]+);dur=([\d.]+)/g)].map(([, name, ms]) => ({
    name: name ?? '',
    ms: Number(ms),
  }));
  if (phases.length === 0) return [];
  const parts = phases.map(({ ms }, index) => {
    const part = el('span', { class: `phase-${index % 6}` });
    part.style.flexGrow = String(ms);
    return part;
  });
  const legend = phases.map(({ name, ms }, index) =>
    el(
      'li',
      {},
      el('i', { class: `phase-${index % 6}` }),
      name,
      ' ',
      el('b', {}, `${ms.toLocaleString('en', { maximumFractionDigits: 2 })} ms`),
    ),
  );
  const bar = el('div', { class: 'bar', 'aria-hidden': 'true' }, ...parts);
  return [el('div', { class: 'timing' }, bar, el('ul', { 'aria-label': 'Time of each phase' }, ...legend))];
};
