/** Header values of the form `value; name=text; name="text"`: Content-Type, Content-Disposition. Pure. */

export interface HeaderValue {
  /** In lower case: `text/html`, `form-data`. */
  readonly value: string;
  /** By name in lower case; quotes and what they escape are undone. */
  readonly parameters: ReadonlyMap<string, string>;
}

const VALUE = /^\s*([!#$%&'*+.^_`|~0-9A-Za-z/-]+)\s*/;
const PARAMETER = /;\s*(?:([!#$%&'*+.^_`|~0-9A-Za-z-]+)=(?:"((?:[^"\\]|\\.)*)"|([^\s";,]*))\s*)?/sy;

/** Browsers escape nothing so, and `C:\new` from an old one keeps its backslash: PHP undoes these two, too. */
const unescaped = (quoted: string): string => quoted.replace(/\\(["\\])/g, '$1');

/** Undefined where it is malformed or names a parameter twice: two readers would see two values. */
export const parseHeaderValue = (text: string): HeaderValue | undefined => {
  const [matched, value] = VALUE.exec(text) ?? [];
  if (matched === undefined || value === undefined) return undefined;
  const parameters = new Map<string, string>();
  let at = matched.length;
  while (at < text.length) {
    PARAMETER.lastIndex = at;
    const [parameter, name, quoted, plain] = PARAMETER.exec(text) ?? [];
    if (parameter === undefined) return undefined;
    at += parameter.length;
    if (name === undefined) continue;
    if (parameters.has(name.toLowerCase())) return undefined;
    parameters.set(name.toLowerCase(), quoted === undefined ? (plain ?? '') : unescaped(quoted));
  }
  return { value: value.toLowerCase(), parameters };
};
