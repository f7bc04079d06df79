/** A node as PHP's own type, and as the more precise one PHPStan reads in comments. Pure. */
import type { Literal, Node } from './node.ts';
import { isNull } from './node.ts';
import { classOf, type PhpContext, plain } from './php-node.ts';

const typeOfLiteral = (value: Literal): string => {
  if (value === null) return 'null';
  if (typeof value === 'string') return 'string';
  if (typeof value === 'boolean') return 'bool';
  return Number.isSafeInteger(value) ? 'int' : 'float';
};

/** What a property or parameter may be, one by one. */
const atoms = (node: Node, context: PhpContext): string[] => {
  const found = plain(node);
  switch (found.kind) {
    case 'null':
    case 'string':
      return found.kind === 'string' && found.date !== undefined ? ['\\DateTimeImmutable'] : [found.kind];
    case 'boolean':
      return ['bool'];
    case 'integer':
      return ['int'];
    case 'number':
      return ['int', 'float'];
    case 'literal':
      return found.values.map(typeOfLiteral);
    case 'list':
    case 'tuple':
    case 'record':
      return ['array'];
    case 'enum':
    case 'object':
      return [classOf(found, context)];
    case 'union':
      return found.of.flatMap((branch) => atoms(branch, context));
    case 'file':
      return ['\\FpmGateway\\UploadedFile', '\\FpmGateway\\Client\\File'];
    default:
      return ['mixed'];
  }
};

/** `more`: besides what the node says. */
export const nativeType = (node: Node, context: PhpContext, more: readonly string[]): string => {
  const types = [...new Set([...atoms(node, context), ...more])];
  if (types.includes('mixed')) return 'mixed';
  const others = types.filter((type) => type !== 'null');
  if (others.length === types.length) return types.join('|');
  // `null` alone is no type before PHP 8.2.
  if (others.length === 0) return 'mixed';
  return others.length === 1 ? `?${others[0]}` : `${others.join('|')}|null`;
};

/** PHPStan's grammar has no escapes that every version reads alike. */
const docLiteral = (value: Literal): string => {
  if (typeof value !== 'string') return String(value);
  return /^[\p{L}\p{N} _.,:;/+#@!?=()-]*$/u.test(value) && !value.includes('*/') ? `'${value}'` : 'string';
};

const docRange = (min: number | undefined, max: number | undefined): string =>
  min === undefined && max === undefined ? 'int' : `int<${min ?? 'min'}, ${max ?? 'max'}>`;

const docTuple = (items: readonly string[], required: number, rest: string | undefined): string => {
  if (rest !== undefined) {
    const all = [...new Set([...items, rest].flatMap((type) => type.split('|')))];
    return `${required > 0 ? 'non-empty-list' : 'list'}<${all.join('|')}>`;
  }
  const members = items.map((type, at) =>
    required === items.length ? type : `${at}${at < required ? '' : '?'}: ${type}`,
  );
  return `array{${members.join(', ')}}`;
};

export const docType = (node: Node, context: PhpContext): string => {
  const of = (other: Node): string => docType(other, context);
  const found = plain(node);
  switch (found.kind) {
    case 'integer':
      return docRange(found.min, found.max);
    case 'string':
      return found.date === undefined && found.nonEmpty ? 'non-empty-string' : atoms(found, context).join('|');
    case 'literal':
      return [...new Set(found.values.map(docLiteral))].join('|');
    case 'list':
      return `${found.nonEmpty ? 'non-empty-list' : 'list'}<${of(found.item)}>`;
    case 'tuple':
      return docTuple(found.items.map(of), found.required, found.rest && of(found.rest));
    case 'record':
      return `array<string, ${of(found.value)}>`;
    case 'union': {
      const types = found.of.filter((branch) => !isNull(branch)).map(of);
      return [...new Set([...types, ...(found.of.some(isNull) ? ['null'] : [])])].join('|');
    }
    default:
      return atoms(found, context).join('|');
  }
};
