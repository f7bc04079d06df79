/** Settings by environment of pools that sleep as soon as they may. */
export const SLEEPY: Readonly<Record<string, string>> = {
  FPMG_POOLS__DEFAULT__MIN_WORKERS: '0',
  FPMG_POOLS__DEFAULT__MAX_WORKERS: '1',
  FPMG_POOLS__DEFAULT__SLEEP_AFTER_MS: '100',
  FPMG_POOLS__DEFAULT__RESIDENT__MIN_WORKERS: '0',
  FPMG_POOLS__DEFAULT__RESIDENT__MAX_WORKERS: '1',
};
