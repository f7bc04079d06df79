/** `jsonSerialize` and `toArray` of a class. Pure. */
import type { ObjectNode } from './node.ts';
import { extraVariable } from './php-members.ts';
import type { PresentMember } from './php-presence.ts';
import { phpString } from './php-text.ts';
import { writeValue } from './php-write.ts';
import { indent } from './text.ts';

const isThere = ({ presence }: PresentMember): boolean => presence === 'required' || presence === 'default';

/** Members in the order of the contract; those left out are not written. Ends with `$data` as it is to be. */
const writing = (node: ObjectNode, members: readonly PresentMember[]): string[] => {
  const first = members.findIndex((member) => !isThere(member));
  const head = first === -1 ? members : members.slice(0, first);
  const entry = ({ property, variable }: PresentMember): readonly [string, string] => [
    phpString(property.name),
    writeValue(property.node, `$this->${variable}`),
  ];
  const entries = head.map((member) => `    ${entry(member).join(' => ')},`);
  const rest = members.slice(head.length).flatMap((member) => {
    const [key, value] = entry(member);
    if (isThere(member)) return [`$data[${key}] = ${value};`];
    const omitted = member.presence === 'optional' ? 'null' : 'Absent::Value';
    return [`if ($this->${member.variable} !== ${omitted}) {`, `    $data[${key}] = ${value};`, '}'];
  });
  const extra =
    node.extra === undefined
      ? []
      : [`$data += (array) (${writeValue({ kind: 'record', value: node.extra }, `$this->${extraVariable(node)}`)});`];
  return [...(entries.length === 0 ? ['$data = [];'] : ['$data = [', ...entries, '];']), ...rest, ...extra];
};

export const jsonSerialize = (node: ObjectNode, members: readonly PresentMember[]): string[] => {
  // Without one that is always there and no number, PHP might see a list.
  const isMap = members.some((member) => isThere(member) && !/^\d+$/.test(member.property.name));
  const lines = writing(node, members);
  const result = isMap ? '$data' : 'array_is_list($data) ? (object) $data : $data';
  // One expression needs no variable.
  const isWhole = isMap && lines.at(-1) === '];';
  const body = isWhole ? [...lines].with(0, 'return [') : [...lines, '', `return ${result};`];
  return [
    isMap
      ? '/** @return array<string, mixed> what `json_encode` writes */'
      : '/** @return array<string, mixed>|object what `json_encode` writes */',
    `public function jsonSerialize(): ${isMap ? 'array' : 'array|object'}`,
    '{',
    ...indent(body, '    '),
    '}',
  ];
};

/** Files are values that JSON does not know. They are members of the input itself, or in a list there. */
const fileKeys = ({ properties }: ObjectNode): string[] =>
  properties
    .filter(({ node }) => node.kind === 'file' || (node.kind === 'list' && node.item.kind === 'file'))
    .map(({ name }) => phpString(name));

const decoded = (value: string): string =>
  `(array) json_decode((string) json_encode(${value}, JSON_THROW_ON_ERROR), true, 512, JSON_THROW_ON_ERROR)`;

export const toArray = (node: ObjectNode): string[] => {
  const files = fileKeys(node);
  const kept = `array_intersect_key($data, [${files.map((key) => `${key} => true`).join(', ')}])`;
  const body =
    files.length === 0
      ? [`return ${decoded('$this')};`]
      : [
          '$data = (array) $this->jsonSerialize();',
          `$files = ${kept};`,
          '',
          `return $files + ${decoded('array_diff_key($data, $files)')};`,
        ];
  return [
    `/** @return array<string, mixed> what \`fromArray\` takes: nothing but arrays and scalars${files.length === 0 ? '' : ', and files'} */`,
    'public function toArray(): array',
    '{',
    ...indent(body, '    '),
    '}',
  ];
};
