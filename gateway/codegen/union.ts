/** Unions: what is one value of several kinds, and how its objects are told apart. Pure. */
import type { Literal, Node, ObjectNode } from './node.ts';
import { isNull, NULL, resolved } from './node.ts';

const literalsOf = (node: Node): readonly Literal[] => {
  const found = resolved(node);
  return found.kind === 'literal' || found.kind === 'enum' ? found.values : [];
};

/** The values by which a branch is known, if this member is fixed in it. */
export const valuesOf = (branch: Node, member: string): readonly Literal[] => {
  const object = resolved(branch);
  if (object.kind !== 'object') return [];
  const property = object.properties.find(({ name }) => name === member);
  return property?.required ? literalsOf(property.node) : [];
};

/** Each value belongs to one branch. */
const tellsApart = (member: string, branches: readonly Node[]): boolean => {
  const values = branches.map((branch) => valuesOf(branch, member));
  const all = values.flat();
  return values.every(({ length }) => length > 0) && new Set(all).size === all.length && !all.includes(null);
};

/** Asked when all is read: a branch may be a definition that is still being read when its union is. */
export const discriminatorOf = (branches: readonly Node[]): string | undefined => {
  const objects = branches.filter((branch) => !isNull(branch));
  if (objects.length < 2 || objects.some((branch) => resolved(branch).kind !== 'object')) return undefined;
  const [first] = objects.map((branch) => resolved(branch) as ObjectNode);
  return first?.properties.find(({ name }) => tellsApart(name, objects))?.name;
};

/** Scalars that say the same are one; of objects and lists, each is a type of its own. */
const identity = (node: Node): unknown =>
  ['string', 'integer', 'number', 'boolean'].includes(node.kind) ? JSON.stringify(node) : node;

export const unionOf = (nodes: readonly Node[]): Node => {
  const flat = nodes.flatMap((node) => (node.kind === 'union' ? node.of : [node]));
  const some = flat.filter((node) => node.kind !== 'never');
  const unknown = some.find((node) => node.kind === 'unknown');
  if (unknown !== undefined) return unknown;
  const distinct = new Map(some.filter((node) => !isNull(node)).map((node) => [identity(node), node]));
  const of = [...distinct.values(), ...(some.some(isNull) ? [NULL] : [])];
  const [only = { kind: 'never' }] = of;
  return of.length < 2 ? only : { kind: 'union', of };
};
