/** PHP expressions that ask whether decoded JSON is of a type. Pure. */
import type { Node } from './node.ts';
import { classOf, type PhpContext, plain } from './php-node.ts';
import { phpLiteral, phpString } from './php-text.ts';

const each = (item: Node, value: string, context: PhpContext): string => {
  const test = testValue(item, '$item', context);
  if (test === 'true') return '';
  return ` && array_filter(${value}, static fn (mixed $item): bool => !(${test})) === []`;
};

const testTuple = (
  items: readonly Node[],
  required: number,
  rest: Node | undefined,
  value: string,
  context: PhpContext,
): string => {
  const least = `count(${value}) >= ${required}`;
  const most = rest === undefined ? [`count(${value}) <= ${items.length}`] : [];
  const members = items.map((item, at) => {
    const test = testValue(item, `${value}[${at}]`, context);
    return at < required || test === 'true' ? test : `(count(${value}) <= ${at} || ${test})`;
  });
  return ['', least, ...most, ...members.filter((test) => test !== 'true')].join(' && ');
};

const DATE_PARTS: Readonly<Record<string, string>> = { Y: '\\d{4}', v: '\\d{3}', u: '\\d{6}' };

/** `Y-m-d` → a pattern of digits. */
const datePattern = (format: string): string =>
  `/^${format.replaceAll(/\\(.)|[A-Za-z]|\./g, (part, letter?: string) => letter ?? (part === '.' ? '\\.' : (DATE_PARTS[part] ?? '\\d\\d')))}$/D`;

/** Whether decoded JSON is of this type, as far as the types of its parts tell; patterns and lengths do not count. */
export const testValue = (node: Node, value: string, context: PhpContext): string => {
  const found = plain(node);
  switch (found.kind) {
    case 'null':
      return `${value} === null`;
    case 'boolean':
      return `is_bool(${value})`;
    case 'integer':
      return `is_int(${value})`;
    case 'number':
      return `(is_int(${value}) || is_float(${value}))`;
    case 'string': {
      if (found.date === undefined) return `is_string(${value})`;
      return `(is_string(${value}) && preg_match(${phpString(datePattern(found.date.php))}, ${value}) === 1)`;
    }
    case 'literal':
      return `in_array(${value}, [${found.values.map(phpLiteral).join(', ')}], true)`;
    case 'enum':
      return `(is_${typeof found.values[0] === 'number' ? 'int' : 'string'}(${value}) && ${classOf(found, context)}::tryFrom(${value}) !== null)`;
    case 'list':
      return `(is_array(${value}) && array_is_list(${value})${found.nonEmpty ? ` && ${value} !== []` : ''}${each(found.item, value, context)})`;
    case 'tuple':
      return `(is_array(${value}) && array_is_list(${value})${testTuple(found.items, found.required, found.rest, value, context)})`;
    case 'record':
      return `(is_array(${value})${each(found.value, value, context)})`;
    case 'object':
      return `(is_array(${value}) && ${classOf(found, context)}::matches(${value}))`;
    case 'union':
      return `(${found.of.map((branch) => testValue(branch, value, context)).join(' || ')})`;
    case 'file':
      return `is_object(${value})`;
    default:
      return 'true';
  }
};
