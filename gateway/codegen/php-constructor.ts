/** The constructor of a class: its members, promoted, with what PHPStan reads of them. Pure. */
import type { ObjectNode } from './node.ts';
import { extraVariable } from './php-members.ts';
import type { PhpContext } from './php-node.ts';
import type { PresentMember } from './php-presence.ts';
import { docType, nativeType } from './php-type.ts';
import { indent } from './text.ts';

const absentType = ({ presence }: PresentMember): string[] => {
  if (presence === 'optional') return ['null'];
  return presence === 'absent' ? ['Absent'] : [];
};

/** PHP takes no member that must be given behind one that may be left out. */
const inParameterOrder = (members: readonly PresentMember[]): PresentMember[] => [
  ...members.filter(({ presence }) => presence === 'required'),
  ...members.filter(({ presence }) => presence !== 'required'),
];

const parameter = (member: PresentMember, context: PhpContext): string => {
  const { property, variable, defaultsTo } = member;
  const type = nativeType(property.node, context, absentType(member));
  return `public readonly ${type} $${variable}${defaultsTo === undefined ? '' : ` = ${defaultsTo}`},`;
};

/** The parts of a type, whatever their order. */
const parts = (type: string): string =>
  type
    .replace(/^\?(.*)$/, '$1|null')
    .split('|')
    .sort()
    .join('|');

/** What leaving it out means, where its type does not say it. */
const leftOut = ({ presence, property }: PresentMember): string => {
  if (presence === 'absent') return 'Absent: left out.';
  return presence === 'optional' && property.defaultsTo !== undefined ? 'null: the default of the contract.' : '';
};

const parameterTag = (member: PresentMember, context: PhpContext): string[] => {
  const { property, variable } = member;
  const native = nativeType(property.node, context, absentType(member));
  const doc = native === 'mixed' ? 'mixed' : [docType(property.node, context), ...absentType(member)].join('|');
  const { text, deprecated } = property.doc;
  const said = [deprecated ? 'Deprecated.' : '', text ?? '', leftOut(member)]
    .filter((sentence) => sentence !== '')
    .join(' ')
    .replaceAll(/\s+/g, ' ');
  return parts(doc) === parts(native) && said === '' ? [] : [`@param ${doc} $${variable} ${said}`.trimEnd()];
};

export const constructorOf = (node: ObjectNode, members: readonly PresentMember[], context: PhpContext): string[] => {
  const ordered = inParameterOrder(members);
  const extra = extraVariable(node);
  const extraType = node.extra === undefined ? undefined : docType({ kind: 'record', value: node.extra }, context);
  const tags = [
    ...ordered.flatMap((member) => parameterTag(member, context)),
    ...(extraType === undefined ? [] : [`@param ${extraType} $${extra} Members the contract does not name.`]),
  ];
  const parameters = [
    ...ordered.map((member) => parameter(member, context)),
    ...(extraType === undefined ? [] : [`public readonly array $${extra} = [],`]),
  ];
  const head = [
    ...(tags.length === 0 ? [] : ['/**', ...tags.map((tag) => ` * ${tag.replaceAll('*/', '* /')}`), ' */']),
  ];
  if (parameters.length === 0) return [...head, 'public function __construct()', '{', '}'];
  return [...head, 'public function __construct(', ...indent(parameters, '    '), ') {', '}'];
};
