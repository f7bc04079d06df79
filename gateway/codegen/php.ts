/** All functions as PHP: a class for each object, an enum for each choice, the client, and what loads them. Pure. */
import type { StartupProblem } from '../startup.ts';
import { callerRoots, type FunctionTypes } from './function-types.ts';
import type { Definition, Node, ObjectNode } from './node.ts';
import { childrenOf, isNull } from './node.ts';
import { phpClass, phpEnum } from './php-class.ts';
import { CLIENT_CLASS, methodProblems, phpClient } from './php-client.ts';
import { type PhpContext, plain } from './php-node.ts';
import { phpFile, phpHead, phpString } from './php-text.ts';
import type { Root } from './roots.ts';
import { shapeOf } from './shape.ts';
import type { GeneratedFile } from './text.ts';
import { TypeNames } from './type-names.ts';
import { discriminatorOf } from './union.ts';

/** What no class may be called. */
const KEYWORDS = (
  'abstract and array as bool break callable case catch class clone const continue declare default die do echo else ' +
  'elseif empty enddeclare endfor endforeach endif endswitch endwhile enum eval exit extends false final finally float ' +
  'fn for foreach function global goto if implements include include_once instanceof insteadof int interface isset ' +
  'iterable list match mixed namespace never new null object or parent print private protected public readonly require ' +
  'require_once return self static string switch throw trait true try unset use var void while xor yield'
).split(' ');

const isSame = (one: Node, other: Node): boolean =>
  shapeOf(one, { lenient: true }) === shapeOf(other, { lenient: true });

/** Where a contract changes values on their way, handlers see other types than callers. */
const handlerRoots = ({ prefix, file, input, parsed, output, result }: FunctionTypes): Root[] => [
  ...(isSame(input, parsed) ? [] : [{ name: `${prefix}Parsed`, role: 'Parsed', node: parsed, file } as const]),
  ...(output === undefined || result === undefined || isSame(output, result)
    ? []
    : [{ name: `${prefix}Result`, role: 'Result', node: result, file } as const]),
];

export const phpRoots = (functions: readonly FunctionTypes[]): Root[] =>
  functions.flatMap((types) => [...callerRoots(types), ...handlerRoots(types)]);

export const phpNames = (roots: readonly Root[]): TypeNames =>
  new TypeNames(roots, {
    reserved: [CLIENT_CLASS, 'Absent', 'autoload', ...KEYWORDS],
    names: (node) => 'kind' in node,
    sameness: (definition) => shapeOf(definition.node, { lenient: true }),
  });

/** Objects in unions whose members do not tell them apart: each must know itself. */
const toldByContent = (roots: readonly Root[]): ReadonlySet<ObjectNode> => {
  const told = new Set<ObjectNode>();
  const seen = new Set<Node | Definition>();
  const tell = (node: Node): void => {
    const found = plain(node);
    if (found.kind === 'object') {
      if (told.has(found)) return;
      told.add(found);
    }
    childrenOf(found).forEach(tell);
  };
  const visit = (node: Node): void => {
    if (node.kind === 'ref') {
      if (seen.has(node.target)) return;
      seen.add(node.target);
      visit(node.target.node);
    }
    const found = plain(node);
    if (
      found.kind === 'union' &&
      discriminatorOf(found.of) === undefined &&
      found.of.filter((each) => !isNull(each)).length > 1
    )
      found.of.forEach(tell);
    childrenOf(node).forEach(visit);
  };
  for (const { node } of roots) visit(node);
  return told;
};

const absent = (namespace: string): GeneratedFile =>
  phpFile('Absent', [
    ...phpHead(namespace),
    '/** Stands for a member that is left out, where null is a value of its own. */',
    'enum Absent',
    '{',
    '    case Value;',
    '}',
  ]);

const autoload = (namespace: string): GeneratedFile => {
  const prefix = `${namespace}\\`;
  return phpFile('autoload', [
    ...phpHead(undefined),
    '// As the `bootstrap` of a pool, or included, where Composer does not load these classes.',
    'spl_autoload_register(static function (string $class): void {',
    `    if (str_starts_with($class, ${phpString(prefix)})) {`,
    `        $file = __DIR__ . '/' . substr($class, ${Buffer.byteLength(prefix)}) . '.php';`,
    '        if (is_file($file)) {',
    '            require $file;',
    '        }',
    '    }',
    '});',
  ]);
};

/** Namespaces as PHP takes them. */
export const isNamespace = (text: string): boolean => /^[A-Za-z_]\w*(\\[A-Za-z_]\w*)*$/.test(text);

export const phpProblems = (functions: readonly FunctionTypes[], names: TypeNames): readonly StartupProblem[] => [
  ...names.problems,
  ...methodProblems(functions),
];

export const phpFiles = (
  functions: readonly FunctionTypes[],
  roots: readonly Root[],
  names: TypeNames,
  namespace: string,
): GeneratedFile[] => {
  const context: PhpContext = { names, namespace };
  const told = toldByContent(roots);
  const nameIsTold = new Set([...told].map((node) => names.nameOf(node)));
  const types = names.types.flatMap((type) => {
    const { of } = type;
    if ('key' in of) return [];
    return [of.kind === 'enum' ? phpEnum(type, of, context) : phpClass(type, of, nameIsTold.has(type.name), context)];
  });
  const usesAbsent = types.some(({ text }) => text.includes('Absent::Value'));
  return [...types, phpClient(functions, context), ...(usesAbsent ? [absent(namespace)] : []), autoload(namespace)];
};
