import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

type Tree = string | Tree[] | { [key: string]: Tree };
const tree: z.ZodType<Tree, Tree> = z.lazy(() =>
  z.union([z.string().max(9), z.array(tree).max(3), z.record(z.string().max(9), tree)]),
);

/** What PHP has one array for. */
export default defineFunction({
  input: z.strictObject({
    listOrMap: z.union([z.array(z.int()).max(3), z.record(z.string().max(9), z.int())]).optional(),
    fullListOrMap: z.union([z.array(z.int()).min(1).max(3), z.record(z.string().max(9), z.int())]).optional(),
    tree: tree.optional(),
  }),
  output: z.int(),
  handler: 'same.php',
});
