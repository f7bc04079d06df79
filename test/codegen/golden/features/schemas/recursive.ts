import { defineFunction } from 'fpm-gateway/contract';
import { z } from 'zod';

const tree = z.strictObject({
  value: z.int(),
  get children() {
    return z.array(tree).max(3);
  },
});

const chain = z.strictObject({
  name: z.string().max(9),
  get next() {
    return chain.nullable();
  },
  get other() {
    return chain.optional();
  },
});

const expression = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('number'), value: z.number() }),
  z.strictObject({
    op: z.literal('sum'),
    get of() {
      return z.array(expression).max(2);
    },
  }),
]) as z.ZodType<Expression, Expression>;

type Expression = { op: 'number'; value: number } | { op: 'sum'; of: Expression[] };

const all = z.strictObject({ tree, chain: chain.optional(), expression });

export default defineFunction({ input: all, output: tree, handler: 'same.php' });
