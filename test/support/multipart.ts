/** Multipart bodies as browsers and curl write them, and as nobody should. */

export const BOUNDARY = '----fpmg7MA4YWxkTrZu0gW';
export const MULTIPART = `multipart/form-data; boundary=${BOUNDARY}`;

export interface TestPart {
  /** Header lines; without any, those of `name` and `fileName`. */
  readonly head?: readonly string[];
  readonly name?: string;
  readonly fileName?: string;
  readonly type?: string;
  readonly body: string | Uint8Array;
}

const headOf = ({ head, name = '', fileName, type }: TestPart): readonly string[] => {
  if (head !== undefined) return head;
  const file = fileName === undefined ? '' : `; filename="${fileName}"`;
  const disposition = `Content-Disposition: form-data; name="${name}"${file}`;
  return type === undefined ? [disposition] : [disposition, `Content-Type: ${type}`];
};

export const multipart = (...parts: readonly TestPart[]): Buffer =>
  Buffer.concat([
    ...parts.flatMap((part) => {
      const head = headOf(part).map((line) => `${line}\r\n`);
      return [Buffer.from(`--${BOUNDARY}\r\n${head.join('')}\r\n`), Buffer.from(part.body), Buffer.from('\r\n')];
    }),
    Buffer.from(`--${BOUNDARY}--\r\n`),
  ]);

/** The first bytes of a real PNG. */
export const PNG = Buffer.from(
  '89504e470d0a1a0a0000000d4948445200000001000000010806000000' +
    '1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082',
  'hex',
);
