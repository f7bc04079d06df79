/** What the system says when something cannot be written, in words, and what mends it. Pure. */
import { StartupError } from './startup.ts';

interface DiskFault {
  readonly what: string;
  /** What to do, besides taking another folder. */
  readonly mend: string;
}

const FAULTS: Readonly<Record<string, DiskFault>> = {
  ENOSPC: { what: 'no space, or no inode, is left there', mend: 'free some' },
  EDQUOT: { what: 'the quota there is used up', mend: 'free some' },
  EROFS: { what: 'it is mounted read-only', mend: 'mount it for writing' },
  EACCES: { what: 'this user may not write there', mend: 'let this user write there' },
  EPERM: { what: 'this user may not write there', mend: 'let this user write there' },
  ENOENT: { what: 'a folder is missing', mend: 'make it' },
  ENOTDIR: { what: 'a part of the path is no folder', mend: 'make it one' },
};

export const errnoOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** There is no room, which others may free: not that nothing can be written at all. */
export const isDiskFull = (error: unknown): boolean => ['ENOSPC', 'EDQUOT'].includes(errnoOf(error) ?? '');

/** No program error: the system did not let something below this folder be written. */
export const isDiskFault = (error: unknown, folder: string): boolean => {
  if (!Object.hasOwn(FAULTS, errnoOf(error) ?? '')) return false;
  const { path, dest } = error as { readonly path?: unknown; readonly dest?: unknown };
  return [path, dest].some((at) => typeof at === 'string' && at.startsWith(`${folder}/`));
};

const SETTINGS = { runtimeDir: 'FPMG_RUNTIME_DIR', spoolDir: 'FPMG_SPOOL_DIR' } as const;

/** For a start that fails with it. `failed`: `The folder /run/x cannot be made`. */
export const diskProblem = (setting: keyof typeof SETTINGS, failed: string, error: unknown): StartupError => {
  const fault = FAULTS[errnoOf(error) ?? ''];
  const said = error instanceof Error ? error.message : String(error);
  const why = fault === undefined ? said : `${fault.what} (${said})`;
  const otherwise = fault === undefined ? '' : `, or ${fault.mend}`;
  const detail = `${failed}: ${why}. Set ${setting} (${SETTINGS[setting]}) to a folder of your own elsewhere${otherwise}.`;
  return new StartupError([{ file: setting, detail }], { cause: error });
};
