/** PHP source: texts and constants. Pure. */
import type { Literal } from './node.ts';
import { indent, MARK } from './text.ts';

/** A text in single quotes; with control characters in double quotes, so that they are seen. */
export const phpString = (text: string): string => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be seen
  if (!/[\x00-\x1f\x7f]/.test(text)) return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const escaped = text
    .replaceAll(/[\\"$]/g, '\\$&')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must be seen
    .replaceAll(/[\x00-\x1f\x7f]/g, (sign) => `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}`);
  return `"${escaped}"`;
};

export const phpLiteral = (value: Literal): string => (typeof value === 'string' ? phpString(value) : String(value));

/** PHP refuses a choice as the other side of a choice without parentheses. */
export const grouped = (expression: string): string => (/ \? /.test(expression) ? `(${expression})` : expression);

/** An arm on each line: `indent` takes them apart. */
export const phpMatch = (subject: string, arms: readonly string[]): string =>
  [
    `match (${subject}) {`,
    ...indent(
      arms.map((arm) => `${arm},`),
      '    ',
    ),
    '}',
  ].join('\n');

/** The head of every PHP file. */
export const phpHead = (namespace: string | undefined): string[] => [
  '<?php',
  '',
  `// ${MARK}`,
  '',
  'declare(strict_types=1);',
  '',
  ...(namespace === undefined ? [] : [`namespace ${namespace};`, '']),
];

export const phpFile = (name: string, lines: readonly string[]) => ({
  path: `php/${name}.php`,
  text: `${lines.join('\n').trimEnd()}\n`,
});
