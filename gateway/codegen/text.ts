/** Text of generated files. Pure. */
import type { Doc } from './node.ts';

export interface GeneratedFile {
  /** Below the output folder, with `/`. */
  readonly path: string;
  readonly text: string;
}

/** In the first lines of every file of ours: only files that say so are overwritten or removed. */
export const MARK = 'Made by `fpm-gateway types` from the contracts. Do not edit: change them and run it again.';

/** An expression may have several lines. */
export const indent = (lines: readonly string[], by: string): string[] =>
  lines.flatMap((line) => line.split('\n')).map((line) => (line === '' ? '' : `${by}${line}`));

/** Contracts are other people's text: none ends the comment it stands in, and none has lines of its own making. */
const docLines = (text: string): string[] =>
  text
    .trim()
    .replaceAll('*/', '* /')
    .split(/\r\n|[\r\n\u2028\u2029]/)
    .map((line) => line.trimEnd());

/** `/** … *​/`, on one line where it fits; nothing for nothing. */
export const comment = (parts: readonly (string | undefined)[], tags: readonly string[]): string[] => {
  const text = parts.filter((part) => part !== undefined && part.trim() !== '').join('\n\n');
  const lines = text === '' ? [] : docLines(text);
  const tagged = tags.flatMap(docLines);
  const all = [...lines, ...(lines.length > 0 && tagged.length > 0 ? [''] : []), ...tagged];
  if (all.length === 0) return [];
  if (all.length === 1) return [`/** ${all[0]} */`];
  return ['/**', ...all.map((line) => (line === '' ? ' *' : ` * ${line}`)), ' */'];
};

export const docTags = ({ deprecated }: Doc): string[] => (deprecated ? ['@deprecated'] : []);
