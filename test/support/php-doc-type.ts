/** Reads the types of PHP comments as PHPStan would, as far as generated code uses its grammar. */

/** Types behind `@param`, `@return` and `@throws`. */
export const docTypes = (php: string): string[] =>
  [...php.matchAll(/@(?:param|return|throws) (.+)$/gm)].map(([, rest = '']) => typeAtStart(rest));

/** Up to the first blank outside of brackets and quotes. */
const typeAtStart = (text: string): string => {
  let depth = 0;
  let quoted = false;
  for (const [at, sign] of [...text].entries()) {
    if (sign === "'") quoted = !quoted;
    else if (quoted) continue;
    else if ('<{'.includes(sign)) depth += 1;
    else if ('>}'.includes(sign)) depth -= 1;
    else if (sign === ' ' && depth === 0) return [...text].slice(0, at).join('');
  }
  return text;
};

const BUILT_IN = new Set(
  'string int float bool null array mixed object never non-empty-string list non-empty-list array-key self min max'.split(
    ' ',
  ),
);

/** Throws for what is no type; returns the classes of the namespace it names. */
export const parsedType = (type: string): string[] => {
  const tokens =
    type.match(/'[^']*'|-?\d+(?:\.\d+)?|\\?[A-Za-z_\u0080-\uffff][\w\\\u0080-\uffff-]*|[|<>{},?:]|\s+/gu) ?? [];
  if (tokens.join('') !== type) throw new Error(`No type: ${type}`);
  const rest = tokens.filter((token) => token.trim() !== '');
  const classes: string[] = [];
  const fail = (): never => {
    throw new Error(`No type: ${type}, at ${rest.join(' ') || 'its end'}`);
  };
  const take = (wanted: string): void => {
    if (rest.shift() !== wanted) fail();
  };
  const listUntil = (end: string, each: () => void): void => {
    while (rest[0] !== end) {
      each();
      if (rest[0] !== end) take(',');
    }
    take(end);
  };
  const member = (): void => {
    if (/^\d+$/.test(rest[0] ?? '') && [':', '?'].includes(rest[1] ?? '')) {
      rest.shift();
      if (rest[0] === '?') rest.shift();
      take(':');
    }
    union();
  };
  const single = (): void => {
    const token = rest.shift() ?? fail();
    if (/^['\d-]/.test(token) || ['true', 'false'].includes(token)) return;
    if (!/^[A-Za-z_\\\u0080-\uffff]/u.test(token)) fail();
    // With its namespace it is none of ours.
    if (!BUILT_IN.has(token) && !token.startsWith('\\')) classes.push(token);
    if (rest[0] === '<') {
      rest.shift();
      listUntil('>', union);
    } else if (rest[0] === '{') {
      rest.shift();
      listUntil('}', member);
    }
  };
  const union = (): void => {
    single();
    while (rest[0] === '|') {
      rest.shift();
      single();
    }
  };
  union();
  if (rest.length > 0) fail();
  return classes;
};
