/** Mixed callers of a soak, each busy for about half of its time, which know what they have to be told. */

import { setTimeout as pause } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import type { Functions } from '../../support/project.ts';
import { streamHandler } from '../../support/streams.ts';
import type { Random } from '../fuzz/random.ts';
import { type Answer, send } from '../http.ts';

export const SOAK_FUNCTIONS: Functions = {
  echo: ['return $input;', 'timeoutMs: 5000'],
  resident: ['return $input;', "timeoutMs: 5000, engine: 'resident'"],
  work: ['for ($n = 0; $n < 20_000; $n++) { md5((string) $n); } return $input;', 'timeoutMs: 5000'],
  outer: ["return $call->invoke('echo', $input);", 'timeoutMs: 5000'],
  large: ["return ['n' => $input['n'], 'text' => str_repeat('x', 200_000)];", 'timeoutMs: 5000'],
  slow: ['usleep(300_000); return $input;', 'timeoutMs: 5000'],
  ...streamHandler('counting', 'foreach (range(1, 50) as $n) { yield $input["n"]; }', { contract: 'timeoutMs: 5000' }),
  ...streamHandler('flood', "for ($n = 0; $n < 400; $n++) { yield str_repeat('z', 10_000); }", {
    contract: 'timeoutMs: 20_000',
  }),
};

/** A call that was answered, and whether rightly. */
export interface Told {
  readonly kind: string;
  readonly fromMs: number;
  readonly toMs: number;
  /** `ok`, `wrong`, or the code of its failure. */
  readonly code: string;
  readonly detail: string;
}

const plain = async (url: string, name: string, n: number): Promise<Answer & { right: boolean }> => {
  const answer = await send(`${url}/functions/${name}`, { n });
  return { ...answer, right: answer.body?.n === n && (name !== 'large' || answer.body.text?.length === 200_000) };
};

const streamed = async (url: string, n: number): Promise<Answer & { right: boolean }> => {
  const headers = { accept: 'application/x-ndjson' };
  const answer = await send(`${url}/functions/counting`, { n }, { headers });
  const lines = answer.text.split('\n').filter(Boolean);
  const code = answer.code === 'ok' ? (/"code":"([a-z-]+)"/.exec(lines.at(-1) ?? '')?.[1] ?? 'ok') : answer.code;
  return { ...answer, code, right: isDeepStrictEqual(lines, new Array(50).fill(String(n))) };
};

const BATCH = 20;

const batched = async (url: string, n: number): Promise<Answer & { right: boolean }> => {
  const items = Array.from({ length: BATCH }, (_, at) => ({
    id: String(at),
    function: at % 2 ? 'echo' : 'resident',
    input: { n: n + at },
  }));
  const headers = { 'content-type': 'application/x-ndjson' };
  const raw = items.map((item) => `${JSON.stringify(item)}\n`).join('');
  const answer = await send(`${url}/batch?order=input`, undefined, { headers, raw });
  if (answer.status !== 200) return { ...answer, right: false };
  const lines = answer.text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
  const results = lines.filter(({ id }) => id !== null);
  const failed = lines.find(({ error }) => error !== undefined && error !== null);
  const right = results.length === BATCH && results.every((line, at) => line.output?.n === n + at);
  return { ...answer, code: failed?.error.code ?? 'ok', right };
};

const KINDS = ['echo', 'resident', 'work', 'outer', 'large', 'slow', 'counting', 'batch'] as const;

const callOnce = (url: string, kind: (typeof KINDS)[number], n: number): Promise<Answer & { right: boolean }> => {
  if (kind === 'counting') return streamed(url, n);
  if (kind === 'batch') return batched(url, n);
  return plain(url, kind, n);
};

/** Calls until `isOver`. */
export const caller = async (
  url: string,
  random: Random,
  isOver: () => boolean,
  told: (told: Told) => void,
): Promise<void> => {
  while (!isOver()) {
    const kind = random.pick(KINDS);
    const fromMs = performance.now();
    const { code, right, text } = await callOnce(url, kind, random.below(1_000_000));
    const toMs = performance.now();
    told({ kind, fromMs, toMs, code: code === 'ok' && !right ? 'wrong' : code, detail: text.slice(0, 300) });
    // Half of its time, whatever the machine is.
    await pause(Math.min(1000, toMs - fromMs));
  }
};
