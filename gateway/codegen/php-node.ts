/** Nodes as PHP can hold them, and the names of their classes. Pure. */
import type { Definition, EnumNode, Node, ObjectNode } from './node.ts';
import { childrenOf, isNull, NULL, resolved, UNKNOWN } from './node.ts';
import { withoutUnclearDates } from './php-dates.ts';
import type { TypeNames } from './type-names.ts';
import { unionOf } from './union.ts';

export interface PhpContext {
  readonly names: TypeNames;
  readonly namespace: string;
}

/** Whether it holds itself without a class in between: PHP has no name for such a type. */
const isEndless = (definition: Definition): boolean => {
  const seen = new Set<Definition>();
  const reaches = (node: Node): boolean => {
    if (node.kind === 'object') return false;
    if (node.kind !== 'ref') return childrenOf(node).some(reaches);
    if (node.target === definition) return true;
    if (seen.has(node.target)) return false;
    seen.add(node.target);
    return reaches(node.target.node);
  };
  return reaches(definition.node);
};

/** Behind its references, and as what PHP makes of it. */
export const plain = (node: Node): Node => {
  switch (node.kind) {
    case 'ref':
      return isEndless(node.target) ? UNKNOWN : plain(node.target.node);
    case 'all':
      return node.of.every((each) => resolved(each).kind === 'object') ? { kind: 'record', value: UNKNOWN } : UNKNOWN;
    case 'union':
      return unionOf(withoutUnclearDates(node.of.map(plain), plain));
    case 'never':
      return UNKNOWN;
    default:
      return node;
  }
};

export const classOf = (node: ObjectNode | EnumNode, { names }: PhpContext): string => names.nameOf(node) ?? 'mixed';

/** What it is beside null, and whether it may be null. */
export const nullable = (node: Node): { readonly node: Node; readonly isNullable: boolean } => {
  const found = plain(node);
  if (found.kind === 'unknown' || isNull(found)) return { node: found, isNullable: true };
  if (found.kind === 'literal') return { node: found, isNullable: found.values.includes(null) };
  if (found.kind !== 'union' || !found.of.some(isNull)) return { node: found, isNullable: false };
  return { node: unionOf(found.of.filter((branch) => branch !== NULL && !isNull(branch))), isNullable: true };
};
