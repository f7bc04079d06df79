/** A gigabyte sent in, as a form's file or as the body itself, costs the gateway no more memory than a small one. */
import { once } from 'node:events';
import { request } from 'node:http';
import { expect, test, vi } from 'vitest';
import { serve } from '../support/command.ts';
import { handler, writeProject } from '../support/project.ts';
import { LITTLE_GARBAGE, watchMemory } from './memory.ts';

// A gigabyte takes ten seconds here, and longer on a slower machine.
vi.setConfig({ testTimeout: 180_000 });

const MB = 1_048_576;
/** V8 lets so many bytes of buffers lie before it looks for those nobody uses: how soon a load meets that is chance. */
const BUFFERS_MAX_BYTES = 64 * MB;
const OCTETS = 'application/octet-stream';
const FILE = `file({ maxBytes: 2 ** 31 - 1, mediaTypes: ['${OCTETS}'] })`;
const BOUNDARY = 'a-line-between';
const HEAD = `--${BOUNDARY}\r\ncontent-disposition: form-data; name="file"; filename="large"\r\ncontent-type: ${OCTETS}\r\n\r\n`;
const TAIL = `\r\n--${BOUNDARY}--\r\n`;

const contract = (input: string, more: string): string => `
import { z } from 'zod';
import { defineFunction, file } from 'fpm-gateway/contract';
export default defineFunction({ input: ${input}, output: z.int(), timeoutMs: 170_000, ${more} });
`;
const FORM = `z.object({ file: ${FILE} })`;
const COUNT_INPUT = `<?php $in = fopen('php://input', 'r'); for ($n = 0; ($piece = fread($in, 65536)) !== '' && $piece !== false;) { $n += strlen($piece); } echo $n;`;

const project = {
  'functions/form-to-handler.php': handler("return filesize($input['file']->path);"),
  'schemas/form-to-handler.ts': contract(FORM, ''),
  'functions/form-to-script.php': `<?php echo filesize($_FILES['file']['tmp_name']);`,
  'schemas/form-to-script.ts': contract(FORM, "script: 'form-to-script.php'"),
  'functions/body-to-handler.php': handler('return filesize($input->path);'),
  'schemas/body-to-handler.ts': contract(FILE, ''),
  'functions/body-to-script.php': COUNT_INPUT,
  'schemas/body-to-script.ts': contract(FILE, "script: 'body-to-script.php'"),
};

/** The number of bytes PHP got. */
const upload = async (url: string, name: string, mb: number): Promise<number> => {
  const isForm = name.startsWith('form');
  const [head, tail] = isForm ? [HEAD, TAIL] : ['', ''];
  const headers = {
    'content-type': isForm ? `multipart/form-data; boundary=${BOUNDARY}` : OCTETS,
    'content-length': head.length + mb * MB + tail.length,
  };
  const outgoing = request(`${url}/functions/${name}`, { method: 'POST', headers });
  const answered = once(outgoing, 'response');
  const piece = Buffer.alloc(65_536, 'u');
  if (head !== '') outgoing.write(head);
  for (let left = mb * 16; left > 0; left -= 1) {
    if (!outgoing.write(piece)) await once(outgoing, 'drain');
  }
  outgoing.end(tail);
  const [incoming] = await answered;
  let text = '';
  for await (const chunk of incoming) text += chunk;
  if (incoming.statusCode !== 200) throw new Error(text);
  return Number(text);
};

test.each(
  Object.keys(project)
    .filter((path) => path.endsWith('.php'))
    .map((path) => path.slice('functions/'.length, -'.php'.length)),
)('%s', async (name) => {
  const env = { ...LITTLE_GARBAGE, FPMG_LIMITS__UPLOAD_MAX_BYTES: String(2 ** 31 - 1) };
  const cli = await serve('start', writeProject(project), { env });
  // The same at a quarter of the size: now code is compiled, and the heap as large as such a load needs it.
  expect(await upload(cli.url, name, 256)).toBe(256 * MB);
  const { beforeBytes, mostBytes } = await watchMemory(cli.child.pid, async () => {
    expect(await upload(cli.url, name, 1024)).toBe(1024 * MB);
  });
  expect(mostBytes - beforeBytes).toBeLessThan(BUFFERS_MAX_BYTES + 16 * MB);
});
