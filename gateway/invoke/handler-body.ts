/** What a handler gets as request body: its validated input, written anew, with the files in it. */
import type { Engine } from '../contract.ts';
import type { LargeBody } from '../fastcgi/index.ts';
import type { Param } from '../pool/runtime.ts';
import { Upload } from '../upload.ts';
import { encodeMultipart, joinUploads, type Part } from './multipart.ts';

export interface EncodedInput {
  readonly params: readonly Param[];
  readonly body: Buffer | LargeBody;
  /** PHP keeps them in files of its own while the call runs. */
  readonly hasFiles: boolean;
  /** It asks for a head alone (HEAD), which is all PHP answers then. */
  readonly headOnly: boolean;
}

type Place = { readonly path: readonly (string | number)[]; readonly upload: Upload };

/** Files are members of the input, or in a list there (`fileFields`). */
const places = (value: unknown): Place[] => {
  if (value instanceof Upload) return [{ path: [], upload: value }];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([key, member]): Place[] => {
    if (member instanceof Upload) return [{ path: [key], upload: member }];
    if (!Array.isArray(member)) return [];
    return member.flatMap((upload, index) => (upload instanceof Upload ? [{ path: [key, index], upload }] : []));
  });
};

const withoutFiles = (_key: string, value: unknown): unknown => (value instanceof Upload ? null : value);

/** JSON; with files more, which each engine takes in a form of its own. */
export const encodeHandlerInput = (value: unknown, mayHaveFiles: boolean, engine: Engine): EncodedInput => {
  const files = mayHaveFiles ? places(value) : [];
  const json = JSON.stringify(value, files.length > 0 ? withoutFiles : undefined) ?? 'null';
  if (files.length > 0) return engine === 'fpm' ? withMultipart(json, files) : withLengths(json, files);
  return {
    params: mayHaveFiles && engine === 'fpm' ? [['CONTENT_TYPE', 'application/json']] : [],
    body: Buffer.from(json),
    hasFiles: false,
    headOnly: false,
  };
};

/** For php-fpm, which takes files in multipart alone: the part `input` is the JSON, the part `files` says where they belong. */
const withMultipart = (json: string, files: readonly Place[]): EncodedInput => {
  const index = files.map(({ path, upload }) => ({ path, mediaType: upload.mediaType }));
  const parts: Part[] = [
    { kind: 'text', name: 'input', text: json },
    { kind: 'text', name: 'files', text: JSON.stringify(index) },
    ...files.map(({ upload }, number): Part => ({ kind: 'file', name: `f${number}`, upload })),
  ];
  const { contentType, body } = encodeMultipart(parts);
  const params: Param[] = [
    ['CONTENT_TYPE', contentType],
    ['FPMG_FILES', '1'],
  ];
  return { params, body, hasFiles: true, headOnly: false };
};

/** For resident workers: all lengths come first, so that PHP code looks at none of the bytes. */
const withLengths = (json: string, files: readonly Place[]): EncodedInput => {
  const index = files.map(({ path, upload: { name, mediaType, size } }) => ({ path, name, mediaType, size }));
  const head = Buffer.from(`{"input":${json},"files":${JSON.stringify(index)}}`);
  const body = joinUploads(
    Buffer.concat([Buffer.from(`${head.length}\n`), head]),
    files.map(({ upload }) => upload),
  );
  return { params: [['FPMG_FILES', '1']], body, hasFiles: true, headOnly: false };
};
