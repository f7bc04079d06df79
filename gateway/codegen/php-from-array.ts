/** `fromArray` of a class, and `matches` where its data must be told from others. Pure. */
import type { ObjectNode } from './node.ts';
import { extraVariable } from './php-members.ts';
import { nullable, type PhpContext } from './php-node.ts';
import type { PresentMember } from './php-presence.ts';
import { readsAsIs, readValue } from './php-read.ts';
import { testValue } from './php-test.ts';
import { grouped, phpString } from './php-text.ts';
import { indent } from './text.ts';

/** The argument for one member, from `$data`. */
const argument = ({ property, presence, defaultsTo }: PresentMember, context: PhpContext): string => {
  const key = phpString(property.name);
  const value = `$data[${key}]`;
  const read = readValue(property.node, value, context);
  if (presence === 'required') return read;
  if (nullable(property.node).isNullable) return `array_key_exists(${key}, $data) ? ${grouped(read)} : ${defaultsTo}`;
  if (readsAsIs(property.node)) return `${value} ?? ${defaultsTo}`;
  return `isset(${value}) ? ${grouped(read)} : ${defaultsTo}`;
};

export const fromArray = (node: ObjectNode, members: readonly PresentMember[], context: PhpContext): string[] => {
  const extra = node.extra === undefined ? [] : [`${extraVariable(node)}: ${readExtra(node, context)},`];
  const args = [...members.map((member) => `${member.variable}: ${argument(member, context)},`), ...extra];
  return [
    '/** @param array<string, mixed> $data decoded JSON that matches the contract */',
    'public static function fromArray(array $data): self',
    '{',
    ...(args.length === 0
      ? ['    return new self();']
      : ['    return new self(', ...indent(args, '        '), '    );']),
    '}',
  ];
};

const known = (node: ObjectNode): string =>
  `[${node.properties.map(({ name }) => `${phpString(name)} => true`).join(', ')}]`;

const readExtra = (node: ObjectNode, context: PhpContext): string => {
  const rest = node.properties.length === 0 ? '$data' : `array_diff_key($data, ${known(node)})`;
  const type = { kind: 'record', value: node.extra ?? { kind: 'unknown' } } as const;
  return readsAsIs(type) ? rest : readValue(type, rest, context);
};

/** Only for types that are told from others by what they hold. */
export const matches = (node: ObjectNode, members: readonly PresentMember[], context: PhpContext): string[] => {
  const tests = members.flatMap(({ property }) => {
    const key = phpString(property.name);
    const test = testValue(property.node, `$data[${key}]`, context);
    if (property.required) return [`array_key_exists(${key}, $data)`, ...(test === 'true' ? [] : [test])];
    return test === 'true' ? [] : [`(!array_key_exists(${key}, $data) || ${test})`];
  });
  const closed = node.extra === undefined ? [`array_diff_key($data, ${known(node)}) === []`] : [];
  const all = [...tests, ...closed];
  return [
    '',
    '/** @param array<array-key, mixed> $data */',
    'public static function matches(array $data): bool',
    '{',
    `    return ${all.length === 0 ? 'true' : all.join('\n            && ')};`,
    '}',
  ];
};
