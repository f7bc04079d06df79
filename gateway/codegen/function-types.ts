/** One function as its callers and its handler see it: every schema of its contract as a node. Pure. */
import type { z } from 'zod';
import {
  type FunctionOutput,
  type GatewayFunction,
  type JsonSchema,
  toJsonSchema,
  type WholeOutput,
} from '../invoke/function.ts';
import type { Node } from './node.ts';
import { readSchema } from './read-schema.ts';
import type { Role, Root } from './roots.ts';
import { steady } from './steady.ts';
import { studly } from './words.ts';

export interface FunctionTypes {
  readonly fn: GatewayFunction;
  /** `CreatePdf`: what the names of its types begin with. */
  readonly prefix: string;
  /** For messages and headers: `schemas/create-pdf`. */
  readonly file: string;
  /** The names it is called by: its own, or one for each of its scripts. */
  readonly calls: readonly string[];
  readonly kind: 'json' | 'binary' | 'stream' | 'bytes';
  /** What callers give, and what the handler gets of it. */
  readonly input: Node;
  readonly parsed: Node;
  /** What callers get, and what the handler returns for it: a value, or an item of a stream. Undefined for bytes. */
  readonly output: Node | undefined;
  readonly result: Node | undefined;
  /** Declared errors: code → its data. */
  readonly errors: ReadonlyMap<string, Node>;
}

const kindOf = (output: FunctionOutput): FunctionTypes['kind'] => {
  if (output.kind !== 'stream') return output.kind;
  return output.item.kind === 'json' ? 'stream' : 'bytes';
};

const callsOf = ({ name, code }: GatewayFunction): readonly string[] =>
  code.kind === 'handler' ? [name] : [...code.files.keys()].map((path) => (path === '' ? name : `${name}/${path}`));

const pieceOf = ({ output }: GatewayFunction) => {
  const piece = output.kind === 'stream' ? output.item : output;
  return piece.kind === 'json' ? piece : undefined;
};

const read = (schema: z.ZodType, io: 'input' | 'output'): JsonSchema => steady(() => toJsonSchema(schema, io));

const steadyPiece = (piece: WholeOutput): WholeOutput =>
  piece.kind === 'json' ? { ...piece, jsonSchema: read(piece.schema, 'output') } : piece;

const steadyOutput = (output: FunctionOutput): FunctionOutput =>
  output.kind === 'stream' ? { ...output, item: steadyPiece(output.item) } : steadyPiece(output);

/** Its schemas without defaults that are made anew for each call: the same text each time. */
export const steadyFunction = (fn: GatewayFunction): GatewayFunction => ({
  ...fn,
  inputJsonSchema: read(fn.input, 'input'),
  output: steadyOutput(fn.output),
  errors: new Map(
    [...fn.errors].map(([code, failure]) => [code, { ...failure, jsonSchema: read(failure.schema, 'output') }]),
  ),
});

/** Of a steady function. */
export const functionTypes = (fn: GatewayFunction): FunctionTypes => {
  const piece = pieceOf(fn);
  return {
    fn,
    prefix: studly(fn.name),
    file: `schemas/${fn.name}`,
    calls: callsOf(fn),
    kind: kindOf(fn.output),
    input: readSchema(fn.inputJsonSchema),
    parsed: readSchema(read(fn.input, 'output')),
    output: piece && readSchema(piece.jsonSchema),
    result: piece && readSchema(read(piece.schema, 'input')),
    errors: new Map([...fn.errors].map(([code, { jsonSchema }]) => [code, readSchema(jsonSchema)])),
  };
};

/** The schemas that callers meet. */
export const callerRoots = ({ prefix, file, kind, input, output, errors }: FunctionTypes): Root[] => {
  const root = (suffix: string, role: Role, node: Node): Root => ({ name: `${prefix}${suffix}`, role, node, file });
  return [
    root('Input', 'Input', input),
    ...(output === undefined ? [] : [root(kind === 'stream' ? 'Item' : 'Output', 'Output', output)]),
    ...[...errors].map(([code, node]) => root(`Error${studly(code)}`, 'Error', node)),
  ];
};
