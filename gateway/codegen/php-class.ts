/** A class for an object of a contract, and an enum for a choice. Pure. */
import type { EnumNode, ObjectNode } from './node.ts';
import { constructorOf } from './php-constructor.ts';
import { caseNames } from './php-default.ts';
import { fromArray, matches } from './php-from-array.ts';
import type { PhpContext } from './php-node.ts';
import { presentMembers } from './php-presence.ts';
import { jsonSerialize, toArray } from './php-serialize.ts';
import { phpFile, phpHead, phpLiteral } from './php-text.ts';
import { comment, docTags, type GeneratedFile, indent } from './text.ts';
import type { NamedType } from './type-names.ts';

export const phpClass = (
  { name, root }: NamedType,
  node: ObjectNode,
  isTold: boolean,
  context: PhpContext,
): GeneratedFile => {
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
    ...comment([node.doc.text ?? `From ${root.file}.`], docTags(node.doc)),
    `final class ${name} implements \\JsonSerializable`,
    '{',
    ...indent(body, '    '),
    '}',
  ]);
};

export const phpEnum = ({ name, root }: NamedType, node: EnumNode, context: PhpContext): GeneratedFile => {
  const names = caseNames(node.values);
  const cases = node.values.map((value, at) => `    case ${names[at]} = ${phpLiteral(value)};`);
  const type = typeof node.values[0] === 'number' ? 'int' : 'string';
  const head = [...phpHead(context.namespace), `/** From ${root.file}. */`];
  return phpFile(name, [...head, `enum ${name}: ${type}`, '{', ...cases, '}']);
};
