/** PHP expressions that make typed values of decoded JSON. Pure. */
import type { Node, UnionNode } from './node.ts';
import { isNull } from './node.ts';
import { classOf, nullable, type PhpContext, plain } from './php-node.ts';
import { testValue } from './php-test.ts';
import { grouped, phpLiteral, phpMatch, phpString } from './php-text.ts';
import { nativeType } from './php-type.ts';
import { discriminatorOf, valuesOf } from './union.ts';

/** JSON as PHP decodes it is the value already. */
export const readsAsIs = (node: Node): boolean => {
  const found = plain(node);
  switch (found.kind) {
    case 'enum':
    case 'object':
      return false;
    case 'string':
      return found.date === undefined;
    case 'list':
      return readsAsIs(found.item);
    case 'record':
      return readsAsIs(found.value);
    case 'tuple':
      return found.items.every(readsAsIs) && (found.rest === undefined || readsAsIs(found.rest));
    case 'union':
      return found.of.every(readsAsIs);
    default:
      return true;
  }
};

/** What decoded JSON is before it is read. */
const rawType = (node: Node): string => {
  const found = plain(node);
  if (found.kind === 'object' || found.kind === 'list' || found.kind === 'tuple' || found.kind === 'record')
    return 'array';
  if (found.kind === 'enum') return typeof found.values[0] === 'number' ? 'int' : 'string';
  return found.kind === 'string' ? 'string' : 'mixed';
};

const mapped = (item: Node, list: string, context: PhpContext): string => {
  const found = plain(item);
  if (found.kind === 'object') return `array_map(${classOf(found, context)}::fromArray(...), ${list})`;
  if (found.kind === 'enum') return `array_map(${classOf(found, context)}::from(...), ${list})`;
  const head = `static fn (${rawType(item)} $item): ${nativeType(item, context, [])}`;
  return `array_map(${head} => ${readValue(item, '$item', context)}, ${list})`;
};

const readTuple = (items: readonly Node[], rest: Node | undefined, value: string, context: PhpContext): string => {
  const arms = items.map((item, at) => `${at} => ${readValue(item, '$item', context)}`);
  const other = rest === undefined ? '$item' : readValue(rest, '$item', context);
  const each = phpMatch('$at', [...arms, `default => ${other}`]);
  return `array_map(static fn (mixed $item, int $at): mixed => ${each}, ${value}, array_keys(${value}))`;
};

const readUnion = (union: UnionNode, value: string, context: PhpContext): string => {
  const branches = union.of.filter((branch) => !isNull(branch));
  const member = discriminatorOf(branches);
  if (member !== undefined) {
    const arms = branches.map((branch) => {
      const values = valuesOf(branch, member).map(phpLiteral).join(', ');
      return `${values} => ${readValue(branch, value, context)}`;
    });
    return phpMatch(`${value}[${phpString(member)}]`, arms);
  }
  const arms = branches.map((branch, at) => {
    const isLast = at === branches.length - 1;
    return `${isLast ? 'default' : testValue(branch, value, context)} => ${readValue(branch, value, context)}`;
  });
  return phpMatch('true', arms);
};

/** `value`: a variable or a member of one, which may be named twice. */
export const readValue = (node: Node, value: string, context: PhpContext): string => {
  if (readsAsIs(node)) return value;
  const { node: found, isNullable } = nullable(node);
  if (isNullable) return `${value} === null ? null : ${grouped(readValue(found, value, context))}`;
  switch (found.kind) {
    case 'object':
      return `${classOf(found, context)}::fromArray(${value})`;
    case 'enum':
      return `${classOf(found, context)}::from(${value})`;
    case 'string':
      return `new \\DateTimeImmutable(${value}, new \\DateTimeZone('UTC'))`;
    case 'list':
      return mapped(found.item, value, context);
    case 'record':
      return mapped(found.value, value, context);
    case 'tuple':
      return readTuple(found.items, found.rest, value, context);
    case 'union':
      return readUnion(found, value, context);
    default:
      return value;
  }
};
