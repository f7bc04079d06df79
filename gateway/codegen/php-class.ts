/** A class for an object of a contract, and an enum for a choice. Pure. */
import type { EnumNode, ObjectNode } from './node.ts';
import { constructorOf } from './php-constructor.ts';
import { caseNames } from './php-default.ts';
import { fromArray, matches } from './php-from-array.ts';
import type { PhpContext } from './php-node.ts';
import { presentMembers } from './php-presence.ts';
import { jsonSerialize, toArray } from './php-serialize.ts';
import { phpFile, phpHead, phpLiteral } from './php-text.ts';
import type { Role } from './roots.ts';
import { comment, docTags, type GeneratedFile, indent } from './text.ts';
import type { NamedType } from './type-names.ts';

const ROLE_TEXTS: Readonly<Record<Role, (fn: string) => string>> = {
  Input: (fn) => `Input of ${fn}.`,
  Output: (fn) => `Output of ${fn}.`,
  Error: (fn) => `Data of an error of ${fn}.`,
  Parsed: (fn) => `What the handler of ${fn} gets.`,
  Result: (fn) => `What the handler of ${fn} returns.`,
};

/** Where it belongs, for types nobody described. */
const placeOf = ({ name, root }: NamedType): string => {
  if (name === root.name) return ROLE_TEXTS[root.role](root.file.replace('schemas/', ''));
  return name.startsWith(root.name) ? `Part of ${root.name}.` : 'For every function whose contract names it.';
};

export const phpClass = (type: NamedType, node: ObjectNode, isTold: boolean, context: PhpContext): GeneratedFile => {
  const { name } = type;
  const members = presentMembers(node, context);
  const body = [
    ...constructorOf(node, members, context),
    '',
    ...fromArray(node, members, context),
    '',
    ...jsonSerialize(node, members),
    '',
    ...toArray(node),
    ...(isTold ? matches(node, members, context) : []),
  ];
  return phpFile(name, [
    ...phpHead(context.namespace),
    ...comment([node.doc.text ?? placeOf(type)], docTags(node.doc)),
    `final class ${name} implements \\JsonSerializable`,
    '{',
    ...indent(body, '    '),
    '}',
  ]);
};

export const phpEnum = (type: NamedType, node: EnumNode, context: PhpContext): GeneratedFile => {
  const { name } = type;
  const names = caseNames(node.values);
  const cases = node.values.map((value, at) => `    case ${names[at]} = ${phpLiteral(value)};`);
  const backing = typeof node.values[0] === 'number' ? 'int' : 'string';
  const head = [...phpHead(context.namespace), `/** ${placeOf(type)} */`];
  return phpFile(name, [...head, `enum ${name}: ${backing}`, '{', ...cases, '}']);
};
