/** The gateway of a soak: a process of its own that tells what is on its heap behind a garbage collection. */
import { silentLog } from '../../../gateway/log.ts';
import { startServer } from '../../../gateway/server.ts';

const [project = ''] = process.argv.slice(2);

const server = await startServer({ project, env: process.env, log: silentLog, onTrace: undefined });

process.on('message', (asked) => {
  if (asked === 'sample') {
    globalThis.gc?.();
    const { heapUsed, rss } = process.memoryUsage();
    process.send?.({ heapUsed, rss });
  }
});
process.on('unhandledRejection', (error) => {
  process.send?.({ unhandled: String(error) });
});
// Whoever started it has gone.
process.on('disconnect', () => void server.destroy().finally(() => process.exit(1)));
process.on('SIGTERM', () => void server.close().finally(() => process.exit(0)));

process.send?.({ url: server.url, adminUrl: server.adminUrl });
