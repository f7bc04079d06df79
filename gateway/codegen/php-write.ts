/** PHP expressions that make of a typed value what `json_encode` writes as the contract wants it. Pure. */
import { childrenOf, type Node } from './node.ts';
import { isList } from './php-dates.ts';
import { nullable, plain } from './php-node.ts';
import { grouped, phpMatch } from './php-text.ts';

/** Enums and classes are written by `json_encode` itself; dates are not, and an empty map would become a list. */
export const writesAsIs = (node: Node): boolean => {
  const found = plain(node);
  switch (found.kind) {
    case 'record':
      return false;
    case 'string':
      return found.date === undefined;
    case 'list':
      return writesAsIs(found.item);
    case 'tuple':
      return found.items.every(writesAsIs) && (found.rest === undefined || writesAsIs(found.rest));
    case 'union':
      return found.of.every(writesAsIs);
    default:
      return true;
  }
};

const mapped = (item: Node, list: string): string =>
  `array_map(static fn (mixed $item): mixed => ${writeValue(item, '$item')}, ${list})`;

/** What PHP would take for a list is a map all the same: an empty one, or one of the keys 0, 1, 2 … */
const asMap = (value: string): string => `array_is_list(${value}) ? (object) ${value} : ${value}`;

const mappedMap = (item: Node, value: string): string =>
  `(static fn (array $map): array|object => ${asMap('$map')})(${mapped(item, value)})`;

/** `Y-m-d` stays in its own time zone: it is a day. A moment is told in UTC. */
const asDate = (format: string, value: string): string =>
  format.includes('\\Z')
    ? `${value}->setTimezone(new \\DateTimeZone('UTC'))->format('${format}')`
    : `${value}->format('${format}')`;

const mayBeEmpty = (node: Node): boolean =>
  node.kind === 'list' ? !node.nonEmpty : node.kind === 'tuple' && node.required === 0;

/** How a PHP value is known to be of this branch, where it has to be changed. */
const testOf = (branch: Node, branches: readonly Node[], value: string): string => {
  if (branch.kind === 'string') return `${value} instanceof \\DateTimeImmutable`;
  const lists = branches.filter(isList);
  if (lists.length === 0) return `is_array(${value})`;
  // An empty array is a list where a list may be empty.
  const isEmptyMap = !lists.some(mayBeEmpty);
  if (isList(branch)) return `is_array(${value}) && array_is_list(${value})${isEmptyMap ? ` && ${value} !== []` : ''}`;
  return `is_array(${value}) && ${isEmptyMap ? `(!array_is_list(${value}) || ${value} === [])` : `!array_is_list(${value})`}`;
};

/** Several lists as one list of all they hold, and maps so, too: PHP sees in a list what is in it, not which one it is. */
const merged = (branches: readonly Node[]): Node[] => {
  const lists = branches.filter(isList);
  const maps = branches.filter(({ kind }) => kind === 'record');
  const anyOf = (nodes: readonly Node[]): Node => ({ kind: 'union', of: nodes.flatMap(childrenOf) });
  const list: Node = { kind: 'list', item: anyOf(lists), nonEmpty: !lists.some(mayBeEmpty) };
  return [
    ...branches.filter((branch) => !lists.includes(branch) && !maps.includes(branch)),
    ...(lists.length > 1 ? [list] : lists),
    ...(maps.length > 1 ? [{ kind: 'record', value: anyOf(maps) } as const] : maps),
  ];
};

const writeUnion = (all: readonly Node[], value: string): string => {
  const branches = merged(all);
  const changed = branches.filter((branch) => !writesAsIs(branch));
  const arms = changed.map((branch) => `${testOf(branch, branches, value)} => ${writeValue(branch, value)}`);
  return phpMatch('true', [...arms, `default => ${value}`]);
};

const writeTuple = (items: readonly Node[], rest: Node | undefined, value: string): string => {
  const arms = items.map((item, at) => `${at} => ${writeValue(item, '$item')}`);
  const other = rest === undefined ? '$item' : writeValue(rest, '$item');
  const each = phpMatch('$at', [...arms, `default => ${other}`]);
  return `array_map(static fn (mixed $item, int $at): mixed => ${each}, ${value}, array_keys(${value}))`;
};

/** `value`: a variable or a property, which may be named twice. */
export const writeValue = (node: Node, value: string): string => {
  if (writesAsIs(node)) return value;
  const { node: found, isNullable } = nullable(node);
  if (isNullable) return `${value} === null ? null : ${grouped(writeValue(found, value))}`;
  switch (found.kind) {
    case 'string':
      return asDate(found.date?.php ?? '', value);
    case 'list':
      return mapped(found.item, value);
    case 'tuple':
      return writeTuple(found.items, found.rest, value);
    case 'record':
      return writesAsIs(found.value) ? asMap(value) : mappedMap(found.value, value);
    case 'union':
      return writeUnion(found.of.map(plain), value);
    default:
      return value;
  }
};
