/** The work that is asked of every peer, and what the right answer to it is. */
export interface Workload {
  readonly name: string;
  readonly title: string;
  readonly body: string;
  /** What the answer must be: JSON with this value, or as many bytes. */
  readonly answer: { readonly json: unknown } | { readonly bytes: number };
}

/** About 10 kB of what an application sends: rows with numbers, texts, flags and lists. */
const items = Array.from({ length: 62 }, (_, at) => ({
  id: at + 1,
  sku: `SKU-${String(100_000 + at * 37)}`,
  title: `Thing number ${at + 1} with a name of ordinary length, as shops have them`,
  cents: 995 + at * 100,
  inStock: at % 3 !== 0,
  tags: ['blue', 'small', `shelf-${at % 7}`],
}));

const SLEEP_US = 5000;
const MEGABYTE = 1_048_576;

/** `GET` is not used: peers and gateway alike get a POST with a JSON body. */
export const SHORT: readonly Workload[] = [
  {
    name: 'echo',
    title: 'an empty function: 14 bytes of JSON in and out',
    body: '{"name":"Ada"}',
    answer: { json: { hello: 'Ada' } },
  },
  { name: 'echo-10k', title: '10 kB of JSON in and out', body: JSON.stringify({ items }), answer: { json: { items } } },
  {
    name: 'sleep-5ms',
    title: 'a function that waits for 5 ms',
    body: JSON.stringify({ us: SLEEP_US }),
    answer: { json: { sleptUs: SLEEP_US } },
  },
];

export const SLEEP = SHORT[2] as Workload;
export const ECHO = SHORT[0] as Workload;

export const MEGABYTES: readonly Workload[] = [
  { name: 'megabyte', title: '1 MB of bytes, as a whole', body: '{}', answer: { bytes: MEGABYTE } },
  { name: 'megabyte-stream', title: '1 MB of bytes, sent in 64 KiB pieces', body: '{}', answer: { bytes: MEGABYTE } },
];

/** As many iterations for everybody: what 5 ms of this machine's CPU were at the beginning of the run. */
export const cpuWorkload = (iterations: number, digest: string): Workload => ({
  name: 'cpu-5ms',
  title: `a function that computes for 5 ms (${iterations} hashes)`,
  body: JSON.stringify({ iterations }),
  answer: { json: { digest } },
});

/** Throws what is wrong with an answer. */
export const checkAnswer = ({ answer }: Workload, status: number, bytes: Buffer): void => {
  if (status !== 200) throw new Error(`it answered ${status}: ${bytes.toString('utf8', 0, 200)}`);
  if ('bytes' in answer) {
    if (bytes.length !== answer.bytes) throw new Error(`it sent ${bytes.length} bytes instead of ${answer.bytes}`);
    return;
  }
  const got = JSON.stringify(JSON.parse(bytes.toString()));
  if (got !== JSON.stringify(answer.json)) throw new Error(`it answered something else: ${got.slice(0, 200)}`);
};
