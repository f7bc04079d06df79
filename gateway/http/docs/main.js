/** The API page: the list on the left, one place on the right, chosen by the part of the URL behind `#/`. */

/** @import { Api, Place } from './openapi.js' */
import { el } from './dom.js';
import { loadApi } from './openapi.js';
import { methodBadge, placeView } from './place.js';

const list = /** @type {HTMLElement} */ (document.querySelector('#list'));
const search = /** @type {HTMLInputElement} */ (document.querySelector('#search'));
const found = /** @type {HTMLElement} */ (document.querySelector('#found'));
const main = /** @type {HTMLElement} */ (document.querySelector('main'));

const placeHash = (/** @type {string} */ name) => `#/${encodeURIComponent(name).replaceAll('%2F', '/')}`;

/** @param {Place} place */
const entry = (place) => {
  const { name, summary, operations } = place;
  const badges = operations.map(({ method }) => methodBadge(method));
  const link = el(
    'a',
    { href: placeHash(name) },
    el('b', {}, name),
    el('span', {}, ...badges),
    el('small', {}, summary),
  );
  return { place, link, item: el('li', {}, link) };
};

/** @param {Place} place @param {string} words */
const matches = ({ name, summary, description }, words) => {
  const text = `${name} ${summary} ${description}`.toLowerCase();
  return words.split(/\s+/).every((word) => text.includes(word));
};

/** @param {Api} api */
const start = ({ title, version, places, resolve }) => {
  const entries = places.map(entry);
  list.replaceChildren(...entries.map(({ item }) => item));
  for (const element of document.querySelectorAll('[data-info]')) element.textContent = `${title} ${version}`;
  let close = () => {};

  const filter = () => {
    const words = search.value.trim().toLowerCase();
    for (const { place, item } of entries) item.hidden = !matches(place, words);
    const count = entries.filter(({ item }) => !item.hidden).length;
    found.textContent = `${count} of ${entries.length}`;
  };
  const show = () => {
    close();
    close = () => {};
    // A hash that is no URI text is a wrong name like any other.
    const { hash } = location;
    const current = entries.find(({ link }) => link.hash === hash) ?? (/^#\/./.test(hash) ? undefined : entries[0]);
    for (const { link } of entries) {
      if (link === current?.link) link.setAttribute('aria-current', 'page');
      else link.removeAttribute('aria-current');
    }
    if (current === undefined) {
      const text =
        entries.length === 0
          ? 'There is no function yet: add schemas/hello.ts and functions/hello.php.'
          : `There is no function at ${hash.slice(0, 100)}.`;
      main.replaceChildren(el('p', { class: 'notice' }, text));
      return;
    }
    const view = placeView(current.place, resolve);
    close = view.close;
    document.title = `${current.place.name} · ${title}`;
    main.replaceChildren(view.element);
    current.link.scrollIntoView({ block: 'nearest' });
  };
  search.addEventListener('input', filter);
  window.addEventListener('hashchange', () => {
    // The link over the list leads to a part of the page.
    if (location.hash === '#content') return;
    show();
    // Screen readers begin to read here.
    main.querySelector('h1')?.focus({ preventScroll: true });
    window.scrollTo(0, 0);
  });
  filter();
  show();
};

document.addEventListener('keydown', (event) => {
  const isTyping = event.target instanceof Element && event.target.matches('input, textarea, select');
  if (event.key !== '/' || isTyping) return;
  event.preventDefault();
  search.focus();
});

loadApi().then(start, (error) => {
  main.replaceChildren(
    el(
      'div',
      { class: 'notice', role: 'alert' },
      el('h1', {}, 'The list of functions cannot be loaded'),
      el('p', {}, error.message),
      el('button', { type: 'button', click: () => location.reload() }, 'Try again'),
    ),
  );
});
