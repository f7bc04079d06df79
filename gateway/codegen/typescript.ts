/** All functions as one flat `.d.ts`: plain interfaces, nothing to infer, nothing to import. Pure. */
import { callerRoots, type FunctionTypes } from './function-types.ts';
import type { Definition, Node } from './node.ts';
import type { Role } from './roots.ts';
import { shapeOf } from './shape.ts';
import { comment, docTags, type GeneratedFile, indent, MARK } from './text.ts';
import { type NamedType, TypeNames } from './type-names.ts';
import { memberKey, membersOf, type TypeScriptContext, typeOf } from './typescript-type.ts';

/** Names that would hide what generated types use. */
const RESERVED = ['Functions', 'Blob', 'Uint8Array', 'String', 'Number', 'Boolean', 'Object', 'Array'];

/** Lists that callers give are read-only, so a type with lists is another one there. */
const sameness = (definition: Definition, role: Role): string => {
  const shape = shapeOf(definition.node, { lenient: false });
  return role === 'Input' && /\["(?:list|tuple)"/.test(shape) ? `read-only ${shape}` : shape;
};

const declaration = ({ name, of, root }: NamedType, names: TypeNames): string[] => {
  const context = { names, readonlyLists: root.role === 'Input' };
  if ('key' in of) return [`export type ${name} = ${typeOf(of.node, context)};`, ''];
  if (of.kind === 'enum') return [];
  const head = comment([of.doc.text], docTags(of.doc));
  const members = membersOf(of, context);
  if (members.length === 0) return [...head, `export interface ${name} {}`, ''];
  return [...head, `export interface ${name} {`, ...members, '}', ''];
};

const entry = (types: FunctionTypes, call: string, names: TypeNames): string[] => {
  const { fn, kind, input, output, errors } = types;
  const given: TypeScriptContext = { names, readonlyLists: true };
  const got: TypeScriptContext = { names, readonlyLists: false };
  const bytes = kind === 'bytes' ? 'Uint8Array' : 'Blob';
  const data = [...errors].map(([code, node]: [string, Node]) => `${memberKey(code)}: ${typeOf(node, got)};`);
  return [
    ...comment([fn.summary, fn.description], []),
    `${memberKey(call)}: {`,
    `  kind: '${kind}';`,
    `  input: ${typeOf(input, given)};`,
    `  output: ${output === undefined ? bytes : typeOf(output, got)};`,
    ...(data.length === 0 ? ['  errors: {};'] : ['  errors: {', ...indent(data, '    '), '  };']),
    '};',
  ];
};

export const typeScriptNames = (functions: readonly FunctionTypes[]): TypeNames =>
  new TypeNames(functions.flatMap(callerRoots), {
    reserved: RESERVED,
    names: (node) => 'key' in node || node.kind === 'object',
    sameness,
  });

export const typeScriptFile = (functions: readonly FunctionTypes[], names: TypeNames): GeneratedFile => {
  const entries = functions.flatMap((types) => types.calls.flatMap((call) => entry(types, call, names)));
  const lines = [
    `// ${MARK}`,
    '// Use: const client = createClient<Functions>({ url }), from fpm-gateway/client.',
    '',
    'export interface Functions {',
    ...indent(entries, '  '),
    '}',
    '',
    ...names.types.flatMap((type) => declaration(type, names)),
  ];
  return { path: 'functions.d.ts', text: `${lines.join('\n').trimEnd()}\n` };
};
