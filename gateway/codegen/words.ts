/** Names of contracts → identifiers. Pure and deterministic: the same name always becomes the same identifier. */

/** `create-pdf` → `create`, `pdf`; letters of other scripts stay, as PHP and TypeScript both take them, but no `²`. */
const wordsOf = (text: string): string[] => text.split(/[^\p{L}\p{Nd}\p{Nl}]+/u).filter((word) => word !== '');

const capital = (word: string): string => word.charAt(0).toUpperCase() + word.slice(1);

/** `create-pdf` → `CreatePdf`; a leading digit gets `_` in front. Empty where there is no letter and no digit. */
export const studly = (text: string): string => {
  const name = wordsOf(text).map(capital).join('');
  return /^\p{Nd}/u.test(name) ? `_${name}` : name;
};

/** `create-pdf` → `createPdf`. */
export const camel = (text: string): string => {
  const name = studly(text);
  return name.charAt(0).toLowerCase() + name.slice(1);
};

const PHP_NAME = /^[\p{L}_][\p{L}\p{Nd}_]*$/u;

/** No parameter may be named so. */
const NO_PARAMETERS = new Set([
  'this',
  'GLOBALS',
  '_COOKIE',
  '_ENV',
  '_FILES',
  '_GET',
  '_POST',
  '_REQUEST',
  '_SERVER',
  '_SESSION',
]);

/** Names PHP takes as they are are kept: `first_name` stays. */
export const phpVariable = (text: string): string => {
  const name = PHP_NAME.test(text) ? text : camel(text) || spelled(text);
  return NO_PARAMETERS.has(name) ? `${name}_` : name;
};

const PUNCTUATION: Readonly<Record<string, string>> = {
  ' ': 'Space',
  '!': 'Exclamation',
  '"': 'Quote',
  '#': 'Hash',
  $: 'Dollar',
  '%': 'Percent',
  '&': 'And',
  "'": 'Apostrophe',
  '(': 'ParenthesisOpen',
  ')': 'ParenthesisClose',
  '*': 'Asterisk',
  '+': 'Plus',
  ',': 'Comma',
  '-': 'Minus',
  '.': 'Dot',
  '/': 'Slash',
  ':': 'Colon',
  ';': 'Semicolon',
  '<': 'Less',
  '=': 'Equal',
  '>': 'Greater',
  '?': 'Question',
  '@': 'At',
  '[': 'BracketOpen',
  '\\': 'Backslash',
  ']': 'BracketClose',
  '^': 'Caret',
  _: 'Underscore',
  '`': 'Backtick',
  '{': 'BraceOpen',
  '|': 'Pipe',
  '}': 'BraceClose',
  '~': 'Tilde',
};

/** A text without letters and digits, sign by sign: `>=` → `GreaterEqual`. */
const spelled = (text: string): string =>
  [...text].map((sign) => PUNCTUATION[sign] ?? `U${sign.codePointAt(0)?.toString(16).toUpperCase()}`).join('') ||
  'None';

/** A case of an enum: `in-progress` → `InProgress`, `>=` → `GreaterEqual`, -1 → `Minus1`. */
export const phpCase = (value: string | number): string => {
  if (typeof value === 'number') return value < 0 ? `Minus${-value}` : `Value${value}`;
  const name = studly(value) || spelled(value);
  return name.toLowerCase() === 'class' ? `${name}_` : name;
};

/** Distinct names in order: the second of two equal ones gets `_2`. `fold` makes those equal that count as one. */
export const distinct = (names: readonly string[], fold: (name: string) => string): string[] => {
  const used = new Set<string>();
  return names.map((name) => {
    let free = name;
    for (let count = 2; used.has(fold(free)); count += 1) free = `${name}_${count}`;
    used.add(fold(free));
    return free;
  });
};
