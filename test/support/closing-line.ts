/** Ends a run with one plain line, for people and programs that read only the last one. */
import type { Reporter, TestModule } from 'vitest/node';

export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const results = modules.flatMap((module) => [...module.children.allTests()].map((test) => test.result().state));
    const count = (state: string): number => results.filter((result) => result === state).length;
    // A file that does not load has no tests, and must not pass as if it had none to fail.
    const broken = modules.filter((module) => module.state() === 'failed' && count('failed') === 0).length;
    const line = `${count('passed')} passed, ${count('failed') + broken} failed, ${count('skipped')} skipped`;
    process.on('exit', () => process.stdout.write(`\n${line}\n`));
  }
}
