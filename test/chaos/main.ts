/** `npm run chaos`: breaks what can break, and says which promises held. */
import { writeFileSync } from 'node:fs';
import { COMMAND } from './commands.ts';
import { Ends } from './ends.ts';
import { readOptions, USAGE, UsageError } from './options.ts';
import { keep, stamped } from './result.ts';
import { LATER, ROWS } from './rows/all.ts';
import { clear, say, show } from './terminal.ts';

const list = (): string =>
  [
    ...ROWS.map(({ number, fault, expected }) => `${String(number).padStart(2)}  ${fault}: ${expected}`),
    ...LATER.map(({ number, fault, comesWith }) => `${String(number).padStart(2)}  ${fault}: comes with ${comesWith}`),
  ].join('\n');

const main = async (): Promise<void> => {
  const options = readOptions(
    process.argv.slice(2),
    ROWS.map(({ number }) => number),
  );
  if (options.help) return console.log(USAGE);
  if (options.list) return console.log(list());
  // A promise that never settles ends the process without a word: nothing held then.
  process.exitCode = 1;
  const ends = new Ends();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      clear();
      process.stderr.write(`chaos: ${signal}: ending what was started\n`);
      void ends.all().finally(() => process.exit(130));
    });
  }
  try {
    const result = await COMMAND[options.command]({ options, lifetime: ends.lifetime, say, show });
    say(`${result.passed.toLocaleString('en')} of ${result.of.toLocaleString('en')}`);
    if (options.json !== undefined) writeFileSync(options.json, `${JSON.stringify(stamped(result), undefined, 2)}\n`);
    if (options.record) keep(result);
    process.exitCode = result.passed === result.of ? 0 : 1;
  } finally {
    clear();
    await ends.all();
  }
};

main().catch((error: unknown) => {
  const reason = error instanceof Error ? error.message : String(error);
  console.error(error instanceof UsageError ? `chaos: ${reason}\n\n${USAGE}` : `chaos: ${reason}`);
  process.exitCode = error instanceof UsageError ? 2 : 1;
});
