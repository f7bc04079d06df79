/** The schemas types are made for, and where they use definitions that people named. Pure. */
import type { Definition, Node } from './node.ts';
import { childrenOf } from './node.ts';

/** What a schema is for; a shared type that is not the same for all is named after it. The first keeps the plain name. */
export const ROLES = ['Output', 'Error', 'Parsed', 'Result', 'Input'] as const;

export type Role = (typeof ROLES)[number];

/** A schema of a contract. */
export interface Root {
  readonly name: string;
  readonly role: Role;
  readonly node: Node;
  /** `schemas/create-pdf.ts` */
  readonly file: string;
}

/** A shared definition, as one schema has it. */
export interface Use {
  readonly definition: Definition;
  readonly root: Root;
}

/** By their key, sorted. */
export const sharedUses = (roots: readonly Root[]): ReadonlyMap<string, readonly Use[]> => {
  const uses: Use[] = [];
  for (const root of roots) {
    const seen = new Set<Definition>();
    const visit = (node: Node): void => {
      if (node.kind === 'ref' && !seen.has(node.target)) {
        seen.add(node.target);
        if (node.target.shared) uses.push({ definition: node.target, root });
        visit(node.target.node);
      }
      childrenOf(node).forEach(visit);
    };
    visit(root.node);
  }
  const byKey = Map.groupBy(uses, ({ definition }) => definition.key);
  return new Map([...byKey].sort(([a], [b]) => (a < b ? -1 : 1)));
};
