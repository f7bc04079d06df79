/**
 * Names of form fields as PHP reads them (php_register_variable_ex): `user.name` is `user_name`, `a[b][]` appends to
 * the list `b` in `a`. What PHP would drop or bend without a word is refused instead. Pure.
 */
import { GatewayError } from '../errors.ts';

/** A key of an object or list; null appends. */
export type Key = string | null;

export type FieldPath = readonly [top: string, ...keys: Key[]];

const NAME_MAX_CHARACTERS = 256;
/** They mean something else to JavaScript. */
const REFUSED = new Set(['__proto__', 'constructor', 'prototype']);

const refused = (name: string, why: string): GatewayError =>
  new GatewayError('invalid-form', `The field name ${JSON.stringify(name.slice(0, 100))} ${why}.`);

/** `[b][]` → `b`, null; undefined where brackets do not match up. PHP looks for the next `]`, whatever lies between. */
const keysOf = (brackets: string): Key[] | undefined => {
  const keys: Key[] = [];
  let at = 0;
  while (at < brackets.length) {
    const end = brackets.indexOf(']', at);
    if (brackets[at] !== '[' || end === -1) return undefined;
    const key = brackets.slice(at + 1, end);
    keys.push(/^[ \t\n\v\f\r]?$/.test(key) ? null : key);
    at = end + 1;
  }
  return keys;
};

/** Throws `invalid-form`, or `json-too-deep` for more than `maxDepth` levels. */
export const parseFieldName = (name: string, maxDepth: number): FieldPath => {
  if (name.length > NAME_MAX_CHARACTERS) throw refused(name, `is longer than ${NAME_MAX_CHARACTERS} characters`);
  if (name.includes('\0')) throw refused(name, 'holds a NUL character');
  const open = name.indexOf('[');
  const plain = open === -1 ? name : name.slice(0, open);
  const top = plain.replace(/^ +/, '').replace(/[ .]/g, '_');
  if (top === '') throw refused(name, 'is empty');
  const keys = open === -1 ? [] : keysOf(name.slice(open));
  if (keys === undefined) throw refused(name, 'has brackets that do not match, or text behind them');
  const taken = [top, ...keys].find((key) => key !== null && REFUSED.has(key));
  if (taken !== undefined) throw refused(name, `uses the refused name ${taken}`);
  if (1 + keys.length > maxDepth)
    throw new GatewayError('json-too-deep', `A field name is nested deeper than ${maxDepth} levels.`);
  return [top, ...keys];
};
