/** The members of a class and their variables. Pure. */
import type { ObjectNode, Property } from './node.ts';
import { distinct, phpVariable } from './words.ts';

export interface Member {
  readonly property: Property;
  readonly variable: string;
}

/** In the order of the contract. */
export const membersOf = (node: ObjectNode): Member[] => {
  const variables = distinct(
    node.properties.map(({ name }) => phpVariable(name)),
    (name) => name,
  );
  return node.properties.map((property, at) => ({ property, variable: variables[at] ?? '' }));
};

/** The variable of further members, where they are kept. */
export const extraVariable = (node: ObjectNode): string =>
  distinct([...node.properties.map(({ name }) => phpVariable(name)), 'additional'], (name) => name).at(-1) ?? '';
