/** The folder `fpm-gateway types` writes to: what lies there, and what of it is ours. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type GeneratedFile, MARK } from '../codegen/text.ts';
import { UsageError } from './terminal.ts';

export type FileState = 'new' | 'changed' | 'unchanged' | 'removed';

export interface PlannedFile {
  /** Below the folder, with `/`. */
  readonly path: string;
  readonly state: FileState;
  /** What is to be there; undefined for what is to be removed. */
  readonly text: string | undefined;
}

const HEAD_CHARACTERS = 400;

/** JSON has no comments: its first member says so. */
const isOurs = (path: string, text: string): boolean => {
  const head = text.slice(0, HEAD_CHARACTERS);
  return head.includes(MARK) && (!path.endsWith('.json') || /^\s*\{\s*"x-generated"/.test(head));
};

const planned = (folder: string, { path, text }: GeneratedFile): PlannedFile => {
  const target = join(folder, path);
  if (!existsSync(target)) return { path, state: 'new', text };
  const there = readFileSync(target, 'utf8');
  if (there === text) return { path, state: 'unchanged', text };
  if (!isOurs(path, there)) {
    throw new UsageError(
      `${target} is not made by fpm-gateway types, so it is not overwritten: move it, or choose another folder with --out.`,
    );
  }
  return { path, state: 'changed', text };
};

/** Files of ours that belong to nothing any more. */
const leftOver = (folder: string, below: string, files: readonly GeneratedFile[]): PlannedFile[] => {
  const wanted = new Set(files.map(({ path }) => path));
  const place = join(folder, below);
  if (!existsSync(place)) return [];
  return readdirSync(place, { withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.php') && !wanted.has(`${below}/${entry.name}`))
    .filter((entry) => isOurs(entry.name, readFileSync(join(place, entry.name), 'utf8')))
    .map(({ name }) => ({ path: `${below}/${name}`, state: 'removed', text: undefined }));
};

/** Compares what is to be there with what is there. Throws UsageError for files of somebody else's. */
export const planFiles = (folder: string, files: readonly GeneratedFile[]): PlannedFile[] => {
  const below = files.some(({ path }) => path.startsWith('php/')) ? leftOver(folder, 'php', files) : [];
  return [...files.map((file) => planned(folder, file)), ...below];
};

/** `done`: told after each. */
export const writeFiles = (folder: string, plan: readonly PlannedFile[], done: (count: number) => void): void => {
  for (const [at, { path, state, text }] of plan.entries()) {
    const target = join(folder, path);
    if (text === undefined) {
      rmSync(target);
    } else if (state !== 'unchanged') {
      mkdirSync(dirname(target), { recursive: true });
      writeFileSync(target, text);
    }
    done(at + 1);
  }
};
