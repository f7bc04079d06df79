/** Dates in unions: what PHP reads as a date it must know how to write again. Pure. */
import { childrenOf, type Node } from './node.ts';

/** A list or map, and what is in it, up to classes: those write themselves. */
const isArray = ({ kind }: Node): boolean => kind === 'list' || kind === 'tuple' || kind === 'record';

export const isList = ({ kind }: Node): boolean => kind === 'list' || kind === 'tuple';

type Plain = (node: Node) => Node;

/** `Y-m-d` and the like; empty for texts and what may be one. */
const formatsIn = (node: Node, plain: Plain): string[] => {
  if (node.kind === 'string') return [node.date?.php ?? ''];
  if (node.kind === 'unknown') return [''];
  const isOpen = isArray(node) || node.kind === 'union';
  return isOpen ? childrenOf(node).flatMap((child) => formatsIn(plain(child), plain)) : [];
};

const withoutDates = (node: Node, plain: Plain): Node => {
  const without = (child: Node): Node => withoutDates(plain(child), plain);
  switch (node.kind) {
    case 'string':
      return { ...node, date: undefined };
    case 'list':
      return { ...node, item: without(node.item) };
    case 'record':
      return { ...node, value: without(node.value) };
    case 'tuple':
      return { ...node, items: node.items.map(without), rest: node.rest && without(node.rest) };
    case 'union':
      return { ...node, of: node.of.map(without) };
    default:
      return node;
  }
};

/**
 * A date is told from a text only where no text stands beside it, and its format only where it is the one. The same
 * goes for what is in lists beside each other, and in maps. `branches`: plain ones.
 */
export const withoutUnclearDates = (branches: readonly Node[], plain: Plain): Node[] => {
  const isText = ({ kind }: Node): boolean => kind === 'string';
  const isMap = ({ kind }: Node): boolean => kind === 'record';
  return [isText, isList, isMap].reduce<Node[]>(
    (all, isOne) => {
      const group = all.filter(isOne);
      const formats = new Set(group.flatMap((branch) => formatsIn(branch, plain)));
      const isClear = group.length < 2 || formats.size < 2;
      return isClear ? all : all.map((branch) => (isOne(branch) ? withoutDates(branch, plain) : branch));
    },
    [...branches],
  );
};
