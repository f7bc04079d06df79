/** An input on its way: what is sent, in one form for `fetch` and for the curl line, so that both say the same. Pure. */

/** @import { Operation, Place, Way } from './openapi.js' */
/** @import { Resolve } from './schema.js' */
import { withoutFiles } from './members.js';
import { kindOf } from './schema.js';

/**
 * @typedef {readonly (readonly [name: string, value: string])[]} Pairs
 * @typedef {readonly (readonly [name: string, value: string | File])[]} Parts
 * @typedef {{ kind: 'none' } | { kind: 'text', text: string }
 *   | { kind: 'parts', parts: Parts, missing: readonly string[] }
 *   | { kind: 'file', file: File | undefined }} Body  `missing`: names of files that are still to be chosen
 *
 * @typedef {object} Outgoing
 * @property {string} method
 * @property {string} url
 * @property {Pairs} headers
 * @property {Body} body
 *
 * @typedef {object} Target
 * @property {Place} place
 * @property {Operation} operation
 * @property {Way} way
 * @property {string} accept  empty: whatever comes
 * @property {Resolve} resolve
 */

/**
 * Fields as PHP names them: `tags[]`, `user[name]`, `lines[0][price]`.
 * @param {string} name
 * @param {unknown} value
 * @returns {[string, string | File][]}
 */
const fieldsOf = (name, value) => {
  if (value instanceof File) return [[name, value]];
  if (Array.isArray(value)) {
    const plain = value.every((item) => typeof item !== 'object' || item instanceof File);
    return value.flatMap((item, index) => fieldsOf(`${name}[${plain ? '' : index}]`, item));
  }
  if (typeof value === 'object' && value !== null)
    return Object.entries(value).flatMap(([key, member]) => fieldsOf(`${name}[${key}]`, member));
  // PHP takes the text "false" for true.
  if (typeof value === 'boolean') return [[name, value ? '1' : '0']];
  return value === undefined ? [] : [[name, String(value ?? '')]];
};

/** @param {unknown} value */
const fields = (value) =>
  typeof value === 'object' && value !== null
    ? Object.entries(value).flatMap(([name, member]) => fieldsOf(name, member))
    : [];

/** @param {Parts} parts */
const encoded = (parts) =>
  new URLSearchParams(parts.flatMap(([name, text]) => (text instanceof File ? [] : [[name, text]]))).toString();

/**
 * Of files that must be there and are not yet.
 * @param {Way} way
 * @param {unknown} value
 * @param {Resolve} resolve
 */
const missingFiles = ({ input }, value, resolve) => {
  const { properties = {}, required = [] } = resolve(input);
  const given = new Set(Object.keys(value ?? {}));
  return required.flatMap((name) => {
    const kind = given.has(name) ? '' : kindOf(resolve(properties[name]), resolve);
    if (kind === 'file') return [name];
    return kind === 'files' ? [`${name}[]`] : [];
  });
};

/**
 * @param {Way} way
 * @param {unknown} value
 * @param {Resolve} resolve
 * @returns {{ query: string, contentType: string, body: Body }}
 */
const carried = (way, value, resolve) => {
  switch (way.kind) {
    case 'query':
      return { query: encoded(fields(value)), contentType: '', body: { kind: 'none' } };
    case 'json':
      return {
        query: '',
        contentType: way.mediaType,
        body: { kind: 'text', text: JSON.stringify(withoutFiles(value)) },
      };
    case 'form':
      return { query: '', contentType: way.mediaType, body: { kind: 'text', text: encoded(fields(value)) } };
    case 'multipart':
      // Its boundary is the sender's to choose.
      return {
        query: '',
        contentType: '',
        body: { kind: 'parts', parts: fields(value), missing: missingFiles(way, value, resolve) },
      };
    case 'raw': {
      const { '': file, ...rest } = /** @type {{ '': File | undefined }} */ (value);
      // Browsers know few types by the ending of a name.
      const usual = way.mediaType.includes('*') ? 'application/octet-stream' : way.mediaType;
      const contentType = file?.type || usual;
      return { query: encoded(fields(rest)), contentType, body: { kind: 'file', file } };
    }
  }
};

/**
 * @param {Target} target
 * @param {unknown} value
 * @returns {Outgoing}
 */
export const outgoing = ({ place, operation, way, accept, resolve }, value) => {
  const { query, contentType, body } = carried(way, value, resolve);
  // Relative to this page, so that it works below a path of a proxy too.
  const url = new URL(place.path.slice(1), document.baseURI);
  url.search = query;
  /** @type {[string, string][]} */
  const headers = [];
  if (contentType !== '') headers.push(['content-type', contentType]);
  if (accept !== '') headers.push(['accept', accept]);
  return { method: operation.method, url: url.href, headers, body };
};

/** @param {Body} body */
const bodyInit = (body) => {
  switch (body.kind) {
    case 'none':
      return null;
    case 'text':
      return body.text;
    case 'file':
      return body.file ?? '';
    case 'parts': {
      const form = new FormData();
      for (const [name, value] of body.parts) form.append(name, value);
      return form;
    }
  }
};

/**
 * @param {Outgoing} request
 * @param {AbortSignal} signal
 */
export const send = ({ method, url, headers, body }, signal) =>
  fetch(url, {
    method,
    headers: headers.map(([name, value]) => [name, value]),
    body: bodyInit(body),
    signal,
    // The target of a redirect may be a site that this page may not ask.
    redirect: 'manual',
  });
