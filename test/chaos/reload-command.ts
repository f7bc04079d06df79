/** `npm run chaos -- reload`: nothing may fail while releases, masters and gateways are replaced. */
import type { Command } from './commands.ts';
import { runReload } from './reload/main.ts';

const ROUND = { reloads: 300, masterKills: 100, restarts: 50, load: 0.7, env: {} };

export const reloadCommand: Command = async ({ options: { seed }, say, show }) => {
  const startedMs = performance.now();
  const onProgress = (done: number, of: number, what: string): void => show(`${done} of ${of}: ${what}`);
  const report = await runReload({ ...ROUND, seed, onProgress });
  const { calls, failures, mixed, wrong, versions, callsPerSecond, capacityPerSecond } = report;
  const failed = [...failures].map(([what, times]) => `${what} ${times}`);
  for (const problem of wrong) say(`✗ ${problem}`);
  if (mixed > 0) say(`✗ ${mixed} answers of two versions`);
  for (const what of failed) say(`✗ ${what}`);
  say(
    `${calls.toLocaleString('en')} calls at ${callsPerSecond.toFixed(0)}/s (70 % of ${capacityPerSecond.toFixed(0)} asked for), ${versions} versions, p50 ${report.p50Ms.toFixed(1)} ms, p99 ${report.p99Ms.toFixed(0)} ms`,
  );
  const steps = ROUND.reloads + ROUND.masterKills + ROUND.restarts;
  return {
    command: 'reload',
    passed: wrong.length === 0 && mixed === 0 && failed.length === 0 ? steps : steps - Math.max(1, wrong.length),
    of: steps,
    seed,
    seconds: (performance.now() - startedMs) / 1000,
    figures: {
      calls,
      failed: failed.length === 0 ? 0 : failed.join(', '),
      'mixed versions': mixed,
      'reloads (a third broken, all refused)': ROUND.reloads,
      'masters killed': ROUND.masterKills,
      restarts: ROUND.restarts,
      'calls/s': Math.round(callsPerSecond),
    },
  };
};
