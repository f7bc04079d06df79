/** A request as a curl command that sends the same. Pure. */

/** @import { Body, Outgoing } from './request.js' */

/** @param {string} text */
const inQuotes = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

/** One word of a POSIX shell. @param {string} text */
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : inQuotes(text));

/** curl reads `;` and `,` in a file's name unless it stands in quotes. @param {string} name */
const fileName = (name) => `"${name.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`;

/** @param {Body} body @returns {string[]} */
const bodyWords = (body) => {
  switch (body.kind) {
    case 'none':
      return [];
    case 'text':
      return [`--data-raw ${quoted(body.text)}`];
    case 'file':
      return [`--data-binary ${quoted(`@${body.file?.name ?? 'FILE'}`)}`];
    case 'parts':
      return [
        ...body.parts.map(([name, value]) =>
          value instanceof File
            ? `-F ${quoted(`${name}=@${fileName(value.name)}${value.type === '' ? '' : `;type=${value.type}`}`)}`
            : `--form-string ${quoted(`${name}=${value}`)}`,
        ),
        // In quotes, for the name of a file that people fill in.
        ...body.missing.map((name) => `-F ${inQuotes(`${name}=@FILE`)}`),
      ];
  }
};

/**
 * @param {Outgoing} request
 * @param {{ isStream: boolean, file: string }} answer  `file`: where bytes go that no terminal shows, or empty
 */
export const curlCommand = ({ method, url, headers, body }, { isStream, file }) => {
  // curl's own choice where nothing is said.
  const usual = body.kind === 'none' ? 'GET' : 'POST';
  const options = `${isStream ? ' -N' : ''}${file === '' ? '' : ` -o ${quoted(file)}`}`;
  return [
    `curl -sS${options}${method === usual ? '' : ` -X ${method}`} ${quoted(url)}`,
    ...headers.map(([name, value]) => `-H ${quoted(`${name}: ${value}`)}`),
    ...bodyWords(body),
  ].join(' \\\n  ');
};
