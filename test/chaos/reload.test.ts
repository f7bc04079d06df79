/** A short round of `npm run chaos -- reload`. */
import { expect, test } from 'vitest';
import { runReload } from './reload/main.ts';

test('no call fails, is reset or gets two versions while releases, masters and gateways are replaced', async () => {
  // A busy machine is not what this is about: it would have calls refused.
  const env = { FPMG_OVERLOAD__LAG_MAX_MS: '0', FPMG_POOLS__DEFAULT__QUEUE_TARGET_MS: '0' };
  const round = { reloads: 6, masterKills: 2, restarts: 2, load: 0.3, env };
  const report = await runReload({ ...round, seed: 7, onProgress: () => {} });
  expect(Object.fromEntries(report.failures)).toEqual({});
  expect(report).toMatchObject({ mixed: 0, wrong: [] });
  expect(report.versions).toBeGreaterThan(1);
}, 300_000);
