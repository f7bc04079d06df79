/** What is so where a member of a class is left out. Pure. */
import type { Node, ObjectNode } from './node.ts';
import { phpConstant } from './php-default.ts';
import { type Member, membersOf } from './php-members.ts';
import { classOf, nullable, type PhpContext, plain } from './php-node.ts';
import { phpLiteral } from './php-text.ts';

/**
 * `required`: always there. `default`: a value stands in. `optional`: null means left out. `absent`: null is a value
 * of its own, so something else means left out.
 */
export type Presence = 'required' | 'default' | 'optional' | 'absent';

export interface PresentMember extends Member {
  readonly presence: Presence;
  /** PHP source; undefined for what has to be given. */
  readonly defaultsTo: string | undefined;
}

/** The one value a member can have. */
const fixed = (node: Node): string | undefined => {
  const found = plain(node);
  const [value, ...more] = found.kind === 'literal' ? found.values : [];
  return value === undefined || more.length > 0 ? undefined : phpLiteral(value);
};

export const presentMembers = (node: ObjectNode, context: PhpContext): PresentMember[] =>
  membersOf(node).map((member) => {
    const { node: type, required, defaultsTo } = member.property;
    const constant = defaultsTo === undefined ? undefined : phpConstant(type, defaultsTo.value, context);
    const value = constant === undefined && required ? fixed(type) : constant;
    // A class that holds itself as its own default would never come to an end.
    const isEndless = value?.includes(`new ${classOf(node, context)}(`) === true;
    if (value !== undefined && !isEndless) return { ...member, presence: 'default', defaultsTo: value };
    if (required) return { ...member, presence: 'required', defaultsTo: undefined };
    if (nullable(type).isNullable) return { ...member, presence: 'absent', defaultsTo: 'Absent::Value' };
    return { ...member, presence: 'optional', defaultsTo: 'null' };
  });
