import { defaultServerConditions } from 'vite';
import { defineConfig } from 'vitest/config';

const conditions = ['fpm-gateway-source'];

export default defineConfig({
  ssr: { resolve: { conditions: [...conditions, ...defaultServerConditions] } },
  test: {
    include: ['test/**/*.test.ts'],
    // Processes, not threads: tests start and end FPM masters, and each cleans up what is its own.
    pool: 'forks',
    globalSetup: './test/support/readable.ts',
    execArgv: conditions.map((condition) => `--conditions=${condition}`),
    // Two cores: more files at once only make real servers slow.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ['default', './test/support/closing-line.ts'],
  },
});
