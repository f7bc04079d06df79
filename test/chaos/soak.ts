/** `npm run soak`. */
import { writeFileSync } from 'node:fs';
import { Ends } from './ends.ts';
import { readSoakOptions, SOAK_USAGE, UsageError } from './options.ts';
import { keep, stamped } from './result.ts';
import { runSoak } from './soak/main.ts';
import { clear, say, show } from './terminal.ts';

const main = async (): Promise<void> => {
  const { minutes, seed, json, record, help } = readSoakOptions(process.argv.slice(2));
  if (help) return console.log(SOAK_USAGE);
  // As in main.ts.
  process.exitCode = 1;
  const ends = new Ends();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => void ends.all().finally(() => process.exit(130)));
  try {
    const result = await runSoak({ minutes, seed, lifetime: ends.lifetime, say, show });
    for (const [name, value] of Object.entries(result.figures)) say(`  ${name}: ${value}`);
    say(`${result.passed} of ${result.of}`);
    if (json !== undefined) writeFileSync(json, `${JSON.stringify(stamped(result), undefined, 2)}\n`);
    if (record) keep(result);
    process.exitCode = result.passed === result.of ? 0 : 1;
  } finally {
    clear();
    await ends.all();
  }
};

main().catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error);
  console.error(error instanceof UsageError ? `soak: ${reason}\n\n${SOAK_USAGE}` : `soak: ${reason}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
