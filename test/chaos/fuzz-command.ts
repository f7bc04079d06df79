/** `npm run chaos -- fuzz`: answers, how many were taken and refused, and the seeds of those that went wrong. */
import type { Command } from './commands.ts';
import { runFuzz } from './fuzz/main.ts';

/** Of all answers; the others go without a socket, which is far quicker. */
const THROUGH_SOCKETS = 0.05;

export const fuzzCommand: Command = async ({ options, lifetime, say, show }) => {
  const { seed, answers } = options;
  const startedMs = performance.now();
  const wire = Math.ceil(answers * THROUGH_SOCKETS);
  const result = await runFuzz({
    seed,
    core: answers - wire,
    wire,
    lifetime,
    onProgress: (done, of) => show(`${done.toLocaleString('en')} of ${of.toLocaleString('en')} answers`),
  });
  for (const { seed: failed, path, wrong } of result.failures)
    say(`✗ seed ${failed}, ${path}: ${wrong} (keep it in test/chaos/fuzz/seeds.json)`);
  const { accepted, refused, uncaught, conversations } = result;
  say(
    `${result.answers.toLocaleString('en')} answers in ${conversations.toLocaleString('en')} conversations: ${accepted.toLocaleString('en')} taken as good, ${refused.toLocaleString('en')} refused, ${result.failures.length} wrong, ${uncaught} uncaught`,
  );
  return {
    command: 'fuzz',
    passed: result.answers - result.failures.length,
    of: result.answers,
    seed,
    seconds: (performance.now() - startedMs) / 1000,
    figures: { conversations, accepted, refused, uncaught, wrong: result.failures.length, 'through sockets': wire },
  };
};
