/** A node as a TypeScript type. Pure. */
import type { Literal, Node, ObjectNode } from './node.ts';
import { comment, docTags, indent } from './text.ts';
import type { TypeNames } from './type-names.ts';

export interface TypeScriptContext {
  readonly names: TypeNames;
  /** What callers give may be read-only. */
  readonly readonlyLists: boolean;
}

/** With single quotes, as people write them. */
const quoted = (text: string): string =>
  `'${JSON.stringify(text).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;

const literal = (value: Literal): string => (typeof value === 'string' ? quoted(value) : JSON.stringify(value));

export const memberKey = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quoted(name));

/** Whether `[]` behind it would belong to its last part alone. */
const needsParentheses = (node: Node, context: TypeScriptContext): boolean => {
  switch (node.kind) {
    case 'union':
    case 'all':
    case 'enum':
      return true;
    case 'literal':
      return node.values.length > 1;
    case 'list':
    case 'tuple':
      return context.readonlyLists;
    case 'ref':
      return context.names.nameOf(node.target) === undefined && needsParentheses(node.target.node, context);
    default:
      return false;
  }
};

const inParentheses = (node: Node, context: TypeScriptContext): string => {
  const type = typeOf(node, context);
  return needsParentheses(node, context) ? `(${type})` : type;
};

export const typeOf = (node: Node, context: TypeScriptContext): string => {
  const of = (other: Node): string => typeOf(other, context);
  const readonly = context.readonlyLists ? 'readonly ' : '';
  switch (node.kind) {
    case 'unknown':
    case 'never':
    case 'null':
    case 'boolean':
    case 'string':
    case 'number':
      return node.kind;
    case 'integer':
      return 'number';
    case 'literal':
    case 'enum':
      return node.values.map(literal).join(' | ');
    case 'list':
      return `${readonly}${inParentheses(node.item, context)}[]`;
    case 'tuple': {
      const items = node.items.map((item, at) => (at < node.required ? of(item) : `${inParentheses(item, context)}?`));
      const rest = node.rest === undefined ? [] : [`...${inParentheses(node.rest, context)}[]`];
      return `${readonly}[${[...items, ...rest].join(', ')}]`;
    }
    case 'record':
      return `{ [key: string]: ${of(node.value)} }`;
    case 'object':
      return context.names.nameOf(node) ?? '{}';
    case 'union':
      return [...new Set(node.of.map(of))].join(' | ');
    case 'all':
      return node.of.map((each) => inParentheses(each, context)).join(' & ');
    case 'ref':
      return context.names.nameOf(node.target) ?? of(node.target.node);
    case 'file':
      return 'Blob';
  }
};

/** An index signature says of every member what is true of some. */
const extraType = ({ properties, extra }: ObjectNode, context: TypeScriptContext): string | undefined => {
  if (extra === undefined) return undefined;
  const types = [extra, ...properties.map(({ node }) => node)].map((node) => typeOf(node, context));
  if (types.includes('unknown')) return 'unknown';
  const isOptional = properties.some(({ required }) => !required);
  return [...new Set([...types, ...(isOptional ? ['undefined'] : [])])].join(' | ');
};

/** The body of an interface, a line for each member, between braces. */
export const membersOf = (node: ObjectNode, context: TypeScriptContext): string[] => {
  const members = node.properties.flatMap(({ name, node: member, required, defaultsTo, doc }) => {
    const tags = [
      ...docTags(doc),
      ...(defaultsTo === undefined || required ? [] : [`@default ${JSON.stringify(defaultsTo.value)}`]),
    ];
    return [...comment([doc.text], tags), `${memberKey(name)}${required ? '' : '?'}: ${typeOf(member, context)};`];
  });
  const extra = extraType(node, context);
  return indent([...members, ...(extra === undefined ? [] : [`[key: string]: ${extra};`])], '  ');
};
