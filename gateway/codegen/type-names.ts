/**
 * Gives every object, enum and definition its name. Names follow from the places in the contracts; a type moves aside
 * only where two would have the same. Pure.
 */
import type { StartupProblem } from '../startup.ts';
import { stepTo } from './name-parts.ts';
import type { Definition, EnumNode, Node, ObjectNode } from './node.ts';
import { childrenOf } from './node.ts';
import { ROLES, type Role, type Root, sharedUses, type Use } from './roots.ts';
import { studly } from './words.ts';

export type Nameable = ObjectNode | EnumNode | Definition;

export interface NamedType {
  readonly name: string;
  readonly of: Nameable;
  readonly root: Root;
}

export interface NamingRules {
  /** Words this language has another use for, in letters of any case. */
  readonly reserved: readonly string[];
  /** Whether a node gets a name at all. */
  readonly names: (node: Nameable) => boolean;
  /** Definitions of one key with the same text are one type. */
  readonly sameness: (definition: Definition, role: Role) => string;
}

export class TypeNames {
  /** By name, sorted. */
  readonly types: readonly NamedType[];
  readonly problems: readonly StartupProblem[];
  readonly #rules: NamingRules;
  readonly #names = new Map<Nameable, string>();
  readonly #walked = new Set<Definition>();
  readonly #byPath = new Map<string, string>();
  /** In lower case, as PHP compares class names and some file systems compare files. */
  readonly #taken = new Map<string, Root>();
  readonly #reserved: ReadonlySet<string>;

  constructor(roots: readonly Root[], rules: NamingRules) {
    this.#rules = rules;
    this.#reserved = new Set(rules.reserved.map((name) => name.toLowerCase()));
    const types: NamedType[] = [];
    const problems: StartupProblem[] = [];
    const shared = sharedUses(roots);
    const top = roots.filter(({ node }) => this.#isTop(node));
    for (const root of top) this.#claimFixed(root.name, root, problems);
    const variants = this.#variants(shared);
    for (const [name, [use]] of variants) if (use !== undefined) this.#claimFixed(name, use.root, problems);
    for (const [name, uses] of variants) {
      for (const { definition, root } of uses) this.#walkDefinition(definition, name, `shared ${name}`, root, types);
    }
    for (const root of roots) this.#walk(root.node, root.name, root.name, root, types);
    this.types = types.sort((a, b) => (a.name < b.name ? -1 : 1));
    this.problems = problems;
  }

  nameOf(node: Nameable): string | undefined {
    return this.#names.get(node);
  }

  /** Whether the schema as a whole is one type with a name. */
  #isTop(node: Node): boolean {
    if (node.kind === 'ref') return !node.target.shared && this.#isTop(node.target.node);
    return (node.kind === 'object' || node.kind === 'enum') && this.#rules.names(node);
  }

  #claimFixed(name: string, root: Root, problems: StartupProblem[]): void {
    const key = name.toLowerCase();
    const other = this.#taken.get(key);
    if (other !== undefined) {
      const detail = `Its type ${name} has the same name as one of ${other.file}: rename one.`;
      problems.push({ file: root.file, detail });
    }
    this.#taken.set(key, root);
    this.#byPath.set(`fixed ${name}`, name);
  }

  /** Where the name is taken, the nested type moves aside: those people ask for by name stay. */
  #claimFree(hint: string, path: string, root: Root): string {
    const fixed = this.#byPath.get(`fixed ${hint}`);
    if (fixed !== undefined && (path === hint || path === `shared ${hint}`)) return fixed;
    let name = hint;
    const isFree = (text: string): boolean =>
      !this.#taken.has(text.toLowerCase()) && !this.#reserved.has(text.toLowerCase());
    for (let count = 2; !isFree(name); count += 1) name = `${hint}_${count}`;
    this.#taken.set(name.toLowerCase(), root);
    return name;
  }

  /** One type for all that say the same; else one for each role. */
  #variants(shared: ReadonlyMap<string, readonly Use[]>): ReadonlyMap<string, readonly Use[]> {
    const named = new Map<string, readonly Use[]>();
    for (const [key, uses] of shared) {
      const byShape = Map.groupBy(uses, ({ definition, root }) => this.#rules.sameness(definition, root.role));
      const roleOf = (variant: readonly Use[]): number =>
        Math.min(...variant.map(({ root }) => ROLES.indexOf(root.role)));
      const variants = [...byShape.values()].sort((a, b) => roleOf(a) - roleOf(b));
      for (const [at, variant] of variants.entries())
        named.set(this.#sharedName(`${studly(key)}${at === 0 ? '' : ROLES[roleOf(variant)]}`), variant);
    }
    return named;
  }

  /** An id may be any text, also a word of the language. */
  #sharedName(id: string): string {
    return id === '' || this.#reserved.has(id.toLowerCase()) ? `${id}Type` : id;
  }

  #name(node: Nameable, hint: string, path: string, root: Root, types: NamedType[]): void {
    if (!this.#rules.names(node)) return;
    const known = this.#byPath.get(path);
    const name = known ?? this.#claimFree(hint, path, root);
    this.#names.set(node, name);
    if (known !== undefined) return;
    this.#byPath.set(path, name);
    types.push({ name, of: node, root });
  }

  #walkDefinition(definition: Definition, hint: string, path: string, root: Root, types: NamedType[]): void {
    // It may hold itself.
    if (this.#walked.has(definition)) return;
    this.#walked.add(definition);
    const { node } = definition;
    const isNamed = (node.kind === 'object' || node.kind === 'enum') && this.#rules.names(node);
    if (!isNamed) this.#name(definition, hint, path, root, types);
    this.#walk(node, hint, path, root, types);
    const name = isNamed ? this.#names.get(node) : undefined;
    if (name !== undefined) this.#names.set(definition, name);
  }

  #walk(node: Node, hint: string, path: string, root: Root, types: NamedType[]): void {
    if (node.kind === 'ref') {
      this.#walkDefinition(node.target, hint, path, root, types);
      return;
    }
    if (node.kind === 'object' || node.kind === 'enum') {
      if (this.#names.has(node)) return;
      this.#name(node, hint, path, root, types);
    }
    for (const [at, child] of childrenOf(node).entries()) {
      const added = stepTo(node, child, at);
      // The own name, not the hint: what a type holds is named after it.
      const base = (node.kind === 'object' && this.#names.get(node)) || hint;
      this.#walk(child, `${base}${added}`, `${path}/${at} ${added}`, root, types);
    }
  }
}
