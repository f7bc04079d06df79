import { join } from 'node:path';
import { defineConfig } from 'fpm-gateway';

/** Everything that is not a function. Each setting can be overridden: FPMG_POOLS__DEFAULT__WORKERS=8. */
export default defineConfig({
  // resize-image takes up to 8 MB of base64.
  limits: { bodyMaxBytes: 12 * 1_048_576 },
  pools: {
    /** Short calls. */
    default: {},
    /** Work that takes long or much memory, apart so that it never holds up the short calls. */
    background: { workers: 2, ini: { memory_limit: '256M' } },
    /** An application: its bootstrap is run for each call, or once by each worker where `engine` is `resident`. */
    shop: { workers: 2, pm: 'ondemand', bootstrap: 'functions/shop/app.php', resident: { workers: 2 } },
    /** A stream holds its worker for as long as it is read: as many readers as workers, none at all while there is none. */
    streams: { workers: 4, pm: 'ondemand', env: { LOG_DIR: join(import.meta.dirname, 'logs') } },
  },
});
