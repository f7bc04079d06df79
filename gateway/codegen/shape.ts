/** A node as text: two nodes with the same text are the same type. Pure. */
import type { Definition, Node, Property } from './node.ts';

export interface Sameness {
  /** A member with a default is the same whether it may be left out (callers) or is always there (handlers). */
  readonly lenient: boolean;
}

export const shapeOf = (root: Node, { lenient }: Sameness): string => {
  const seen = new Set<Definition>();
  const property = ({ name, node, required, defaultsTo }: Property): unknown => {
    const isThere = required || (lenient && defaultsTo !== undefined);
    return [name, isThere, lenient ? null : (defaultsTo ?? null), shape(node)];
  };
  const shape = (node: Node): unknown => {
    switch (node.kind) {
      case 'object':
        return ['object', node.properties.map(property), node.extra === undefined ? null : shape(node.extra)];
      case 'list':
        return ['list', node.nonEmpty, shape(node.item)];
      case 'tuple':
        return ['tuple', node.required, node.items.map(shape), node.rest === undefined ? null : shape(node.rest)];
      case 'record':
        return ['record', shape(node.value)];
      case 'union':
      case 'all':
        return [node.kind, node.of.map(shape)];
      case 'ref': {
        const { target } = node;
        if (seen.has(target)) return ['ref', target.key];
        seen.add(target);
        return ['ref', target.key, shape(target.node)];
      }
      default:
        return node;
    }
  };
  return JSON.stringify(shape(root));
};
