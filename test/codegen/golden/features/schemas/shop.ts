import { binary, defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

export default defineFunction({
  scripts: { folder: 'shop', files: ['list.php', 'admin/orders.php'] },
  input: z.object({ year: z.int().min(2000).max(2100).optional() }),
  output: binary('text/html'),
});
