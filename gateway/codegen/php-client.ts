/** The typed client: one method for each function, on top of `FpmGateway\Client\Client`. Pure. */
import type { StartupProblem } from '../startup.ts';
import type { FunctionTypes } from './function-types.ts';
import type { Node } from './node.ts';
import { classOf, type PhpContext, plain } from './php-node.ts';
import { presentMembers } from './php-presence.ts';
import { readsAsIs, readValue } from './php-read.ts';
import { phpFile, phpHead, phpString } from './php-text.ts';
import { docType, nativeType } from './php-type.ts';
import { writesAsIs, writeValue } from './php-write.ts';
import { comment, type GeneratedFile, indent } from './text.ts';
import { camel } from './words.ts';

export const CLIENT_CLASS = 'FunctionsClient';

/** `shop/admin/list.php` → `shopAdminList`. */
const methodOf = (call: string): string => camel(call.replace(/\.php$/, ''));

const isSaid = (doc: string, native: string): boolean => doc === native || (native === 'mixed' && doc === 'mixed');

/** `new CreatePdfInput()`, where nothing has to be given. */
const defaultInput = (input: Node, context: PhpContext): string => {
  const found = plain(input);
  if (found.kind !== 'object') return '';
  const needs = presentMembers(found, context).some(({ presence }) => presence === 'required');
  return needs ? '' : ` = new ${classOf(found, context)}()`;
};

const isList = (node: Node): boolean => ['list', 'tuple'].includes(plain(node).kind);

const hasFileMembers = ({ fn }: FunctionTypes): boolean => fn.files.size > 0 && !fn.files.has('');

const sentInput = (types: FunctionTypes): string => {
  const { fn, input } = types;
  if (hasFileMembers(types)) {
    const names = [...fn.files.keys()].map((name) => `${phpString(name)} => true`);
    return `self::withFiles($input, [${names.join(', ')}])`;
  }
  const sent = writesAsIs(input) ? '$input' : writeValue(input, '$input');
  return isList(input) ? `self::asList(${sent})` : sent;
};

/** The client finds files in an array, and takes there what JSON decodes to, but no enums. */
const FILES_METHOD = [
  '',
  '/**',
  ' * @param array<string, true> $names of members that are files, or lists of files',
  ' * @return array<string, mixed>',
  ' */',
  'private static function withFiles(\\JsonSerializable $input, array $names): array',
  '{',
  '    $data = (array) $input->jsonSerialize();',
  '    $files = array_intersect_key($data, $names);',
  '    $others = json_encode((object) array_diff_key($data, $names), JSON_THROW_ON_ERROR);',
  '',
  '    return $files + (array) json_decode($others, false, 512, JSON_THROW_ON_ERROR);',
  '}',
];

/** The client takes an empty array for an empty object, which inputs nearly always are. */
const LIST_METHOD = [
  '',
  '/** @param array<array-key, mixed> $list */',
  'private static function asList(array $list): array|\\JsonSerializable',
  '{',
  '    return $list !== [] ? $list : new class () implements \\JsonSerializable {',
  '        /** @return list<never> */',
  '        public function jsonSerialize(): array',
  '        {',
  '            return [];',
  '        }',
  '    };',
  '}',
];

interface Returned {
  readonly native: string;
  readonly doc: string;
  readonly body: readonly string[];
}

const returned = (types: FunctionTypes, call: string, context: PhpContext): Returned => {
  const { fn, kind, output } = types;
  const limits = 'timeoutMs: $timeoutMs';
  const invoke = `$this->client->invoke(${phpString(call)}, ${sentInput(types)}, ${limits}${fn.idempotent ? ', idempotent: true' : ''})`;
  const stream = `$this->client->stream(${phpString(call)}, ${sentInput(types)}, ${limits})`;
  if (kind === 'binary')
    return { native: '\\FpmGateway\\Binary', doc: '\\FpmGateway\\Binary', body: [`return ${invoke};`] };
  if (kind === 'bytes') return { native: '\\Generator', doc: '\\Generator<int, string>', body: [`return ${stream};`] };
  const node: Node = output ?? { kind: 'unknown' };
  if (kind === 'stream') {
    const item = readsAsIs(node)
      ? [`return ${stream};`]
      : [`foreach (${stream} as $item) {`, `    yield ${readValue(node, '$item', context)};`, '}'];
    return { native: '\\Generator', doc: `\\Generator<int, ${docType(node, context)}>`, body: item };
  }
  const read = readValue(node, '$output', context);
  const body = readsAsIs(node) ? [`return ${invoke};`] : [`$output = ${invoke};`, '', `return ${read};`];
  return { native: nativeType(node, context, []), doc: docType(node, context), body };
};

const method = (types: FunctionTypes, call: string, context: PhpContext): string[] => {
  const { fn, input, errors } = types;
  const { native, doc, body } = returned(types, call, context);
  const given = docType(input, context);
  const type = nativeType(input, context, []);
  const codes = [...errors].map(([code, node]) => `${code} (its data: ${docType(node, context)})`);
  const tags = [
    ...(isSaid(given, type) ? [] : [`@param ${given} $input`]),
    ...(isSaid(doc, native) ? [] : [`@return ${doc}`]),
    `@throws \\FpmGateway\\Client\\CallFailed${codes.length === 0 ? '' : ` ${codes.join(', ')}`}`,
  ];
  return [
    '',
    ...comment([fn.summary, fn.description], tags),
    `public function ${methodOf(call)}(${type} $input${defaultInput(input, context)}, ?int $timeoutMs = null): ${native}`,
    '{',
    ...indent(body, '    '),
    '}',
  ];
};

export const phpClient = (functions: readonly FunctionTypes[], context: PhpContext): GeneratedFile => {
  const methods = functions.flatMap((types) => types.calls.flatMap((call) => method(types, call, context)));
  return phpFile(CLIENT_CLASS, [
    ...phpHead(context.namespace),
    '/** Calls the functions of the project: `new FunctionsClient($call->client())` in a handler, `Client::connect(…)` elsewhere. */',
    `final class ${CLIENT_CLASS}`,
    '{',
    '    public function __construct(private readonly \\FpmGateway\\Client\\Client $client)',
    '    {',
    '    }',
    ...indent(methods, '    '),
    ...(functions.some(hasFileMembers) ? indent(FILES_METHOD, '    ') : []),
    ...(functions.some(({ input }) => isList(input)) ? indent(LIST_METHOD, '    ') : []),
    '}',
  ]);
};

/** Two functions that would be one method. */
export const methodProblems = (functions: readonly FunctionTypes[]): StartupProblem[] => {
  const own = 'a method of the client itself';
  const taken = new Map<string, string>([
    ['aslist', own],
    ['withfiles', own],
  ]);
  return functions.flatMap(({ calls, file }) =>
    calls.flatMap((call) => {
      const name = methodOf(call).toLowerCase();
      const other = taken.get(name);
      taken.set(name, call);
      if (other === undefined) return [];
      return [
        {
          file,
          detail: `${call} and ${other} would both be the method ${methodOf(call)}() of the PHP client: rename one.`,
        },
      ];
    }),
  );
};
