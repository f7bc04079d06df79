/** What the name of a part adds to the name of the whole. Pure. */
import type { Node } from './node.ts';
import { isNull, resolved } from './node.ts';
import { discriminatorOf, valuesOf } from './union.ts';
import { studly } from './words.ts';

/** Behind the name of the whole a digit may stand. */
const step = (text: string): string => studly(text).replace(/^_/, '');

/** `at`: the place of the child among the node's children. */
export const stepTo = (node: Node, child: Node, at: number): string => {
  switch (node.kind) {
    case 'object':
      return step(node.properties[at]?.name ?? 'Extra') || `Member${at + 1}`;
    case 'list':
      return 'Item';
    case 'tuple':
      return at < node.items.length ? `Item${at + 1}` : 'Rest';
    case 'record':
      return 'Value';
    case 'union': {
      const member = discriminatorOf(node.of);
      if (member !== undefined && !isNull(child)) return step(String(valuesOf(child, member)[0])) || `Option${at + 1}`;
      const objects = node.of.filter((branch) =>
        ['object', 'list', 'tuple', 'record', 'enum'].includes(resolved(branch).kind),
      );
      return objects.length < 2 ? '' : `Option${at + 1}`;
    }
    default:
      return '';
  }
};
