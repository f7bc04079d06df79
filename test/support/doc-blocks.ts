/** What the pages of the documentation say, to be held against the code. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..', '..');

export const readPage = (page: string): string => readFileSync(join(root, page), 'utf8');

/** Fenced blocks of one language, in order. */
export const blocks = (page: string, language: string): string[] =>
  [...readPage(page).matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(
    (match) => match[1] ?? '',
  );

export const block = (page: string, language: string, marker: string): string => {
  const found = blocks(page, language).find((text) => text.includes(marker));
  if (found === undefined) throw new Error(`${page} has no ${language} block with ${marker}`);
  return found;
};

/** The rows below a table's rule. */
export const tableRows = (page: string, head: string): string[] => {
  const lines = readPage(page).split('\n');
  const start = lines.indexOf(head) + 2;
  const length = lines.slice(start).findIndex((line) => !line.startsWith('|'));
  return lines.slice(start, start + length);
};

/** The cells of a row, code without its marks. */
export const cells = (row: string): string[] =>
  row
    .split(' | ')
    .map((cell) => cell.replaceAll(/^\| ?| ?\|$/g, '').trim())
    .map((cell) => cell.replace(/^`(.*)`$/, '$1'));
