/** A default of a contract as a constant expression of PHP 8.1, which may hold `new`. Pure. */
import type { Node, ObjectNode } from './node.ts';
import { isNull } from './node.ts';
import { membersOf } from './php-members.ts';
import { classOf, type PhpContext, plain } from './php-node.ts';
import { phpLiteral, phpString } from './php-text.ts';
import { distinct, phpCase } from './words.ts';

/** The names of an enum's cases, in order. */
export const caseNames = (values: readonly (string | number)[]): string[] =>
  distinct(values.map(phpCase), (name) => name);

type Value = (node: Node, value: unknown) => string | undefined;

const all = (parts: readonly (string | undefined)[]): readonly string[] | undefined =>
  parts.every((part) => part !== undefined) ? (parts as string[]) : undefined;

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** JSON of any type. */
const constant = (value: unknown): string | undefined => {
  if (Array.isArray(value)) {
    const items = all(value.map(constant));
    return items && `[${items.join(', ')}]`;
  }
  if (!isMap(value)) return phpLiteral(value as string | number | boolean | null);
  const members = all(Object.entries(value).map(([key, member]) => `${phpString(key)} => ${constant(member)}`));
  return members && `[${members.join(', ')}]`;
};

const newObject = (node: ObjectNode, value: unknown, context: PhpContext, of: Value): string | undefined => {
  if (!isMap(value)) return undefined;
  const members = membersOf(node).filter(({ property }) => Object.hasOwn(value, property.name));
  // Further members would be lost.
  if (members.length !== Object.keys(value).length) return undefined;
  const args = all(
    members.map(({ variable, property }) => {
      const argument = of(property.node, value[property.name]);
      return argument && `${variable}: ${argument}`;
    }),
  );
  return args && `new ${classOf(node, context)}(${args.join(', ')})`;
};

/** Undefined where it cannot be said, or is not of the type. */
export const phpConstant = (node: Node, value: unknown, context: PhpContext): string | undefined => {
  const of: Value = (inner, part) => phpConstant(inner, part, context);
  const found = plain(node);
  switch (found.kind) {
    case 'unknown':
      return constant(value);
    case 'null':
      return value === null ? 'null' : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? String(value) : undefined;
    case 'integer':
      return Number.isSafeInteger(value) ? String(value) : undefined;
    case 'number':
      return typeof value === 'number' ? String(value) : undefined;
    case 'string':
      if (typeof value !== 'string') return undefined;
      if (found.date === undefined) return phpString(value);
      return `new \\DateTimeImmutable(${phpString(value)}, new \\DateTimeZone('UTC'))`;
    case 'literal':
      return found.values.some((each) => each === value) ? phpLiteral(value as string) : undefined;
    case 'enum': {
      const at = found.values.indexOf(value as string);
      return at === -1 ? undefined : `${classOf(found, context)}::${caseNames(found.values)[at]}`;
    }
    case 'list': {
      const items = Array.isArray(value) ? all(value.map((item) => of(found.item, item))) : undefined;
      return items && `[${items.join(', ')}]`;
    }
    case 'tuple': {
      const items = Array.isArray(value)
        ? all(value.map((item, at) => of(found.items[at] ?? found.rest ?? found, item)))
        : undefined;
      return items && `[${items.join(', ')}]`;
    }
    case 'record': {
      if (!isMap(value)) return undefined;
      const members = all(
        Object.entries(value).map(([key, member]) => {
          const item = of(found.value, member);
          return item && `${phpString(key)} => ${item}`;
        }),
      );
      return members && `[${members.join(', ')}]`;
    }
    case 'object':
      return newObject(found, value, context, of);
    case 'union':
      // An object may fit several branches as far as a constant tells.
      if (value === null) return found.of.some(isNull) ? 'null' : undefined;
      return typeof value === 'object'
        ? undefined
        : found.of.map((branch) => of(branch, value)).find((text) => text !== undefined);
    default:
      return undefined;
  }
};
