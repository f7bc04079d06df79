/** The input of a call as the body of its request: JSON, a multipart form where there are files, or one file. */
import { clientError } from './call-error.ts';
import { isObject } from './problem.ts';

export type InputBody =
  /** Its text may also go into a batch. */
  | { readonly kind: 'json'; readonly text: string }
  | { readonly kind: 'form'; readonly form: FormData }
  | { readonly kind: 'file'; readonly file: Blob };

const isFile = (value: unknown): value is Blob => value instanceof Blob;

const hasFile = (value: unknown): boolean => isFile(value) || (Array.isArray(value) && value.some(isFile));

/** The names of PHP's arrays: `lines[0][price]`. `value` is JSON. */
const addText = (form: FormData, name: string, value: unknown): void => {
  // As text it could be taken for the word.
  if (value === null) throw new TypeError(`${name} is null, which a form has no word for; leave it out.`);
  if (Array.isArray(value)) value.forEach((each, at) => void addText(form, `${name}[${at}]`, each));
  else if (isObject(value)) for (const [key, member] of Object.entries(value)) addText(form, `${name}[${key}]`, member);
  else form.append(name, String(value));
};

/** Files are members of the input or of a list there, not deeper (docs/uploads.md). */
const addMember = (form: FormData, name: string, value: unknown): void => {
  if (isFile(value)) form.append(name, value);
  else if (Array.isArray(value) && value.some(isFile)) for (const each of value) addListed(form, name, each);
  else if (value !== undefined) addText(form, name, asJson(value, `/${name}`));
};

const addListed = (form: FormData, name: string, value: unknown): void => {
  if (isFile(value)) form.append(`${name}[]`, value);
  else addText(form, `${name}[]`, asJson(value, `/${name}`));
};

/** Throws for a file deeper than files may lie: JSON would make `{}` of it. `place`: of the value, as a JSON Pointer. */
const assertNoFile = (value: unknown, place: string): void => {
  const places = new Map<unknown, string>();
  JSON.stringify(value, function (this: unknown, key, member: unknown) {
    const outer = places.get(this);
    const at = outer === undefined ? place : `${outer}/${key}`;
    if (isFile(member))
      throw new TypeError(`${at} is a file; files are members of the input or of a list there, not deeper.`);
    if (typeof member === 'object' && member !== null) places.set(member, at);
    return member;
  });
};

const toJson = (value: unknown, place: string): string => {
  const text: string | undefined = JSON.stringify(value);
  if (text === undefined) throw new TypeError(`JSON has no word for a ${typeof value}.`);
  // Looking at every member costs more than writing them.
  if (text.includes('{}')) assertNoFile(value, place);
  return text;
};

/** What JSON makes of it, so that a date is the same text with files as without. */
const asJson = (value: unknown, place: string): unknown =>
  JSON.parse(JSON.stringify(value) === undefined ? 'null' : toJson(value, place));

const encode = (input: unknown): InputBody => {
  if (input === undefined) return { kind: 'json', text: '{}' };
  if (isFile(input)) return { kind: 'file', file: input };
  if (!isObject(input) || !Object.values(input).some(hasFile)) return { kind: 'json', text: toJson(input, '') };
  const form = new FormData();
  for (const [name, value] of Object.entries(input)) addMember(form, name, value);
  return { kind: 'form', form };
};

/** Throws `unsendable-input`. No input is an empty object: a function whose members are all optional needs none. */
export const encodeInput = (functionName: string, input: unknown): InputBody => {
  try {
    return encode(input);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw clientError('unsendable-input', functionName, `The input cannot be sent: ${why}`, { cause });
  }
};
