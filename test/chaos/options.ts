/** The words behind `npm run chaos --` and `npm run soak --`. Pure: every mistake names the option, the value and what is allowed. */
export const COMMANDS = ['rows', 'overload', 'reload', 'fuzz', 'retries'] as const;
export type CommandName = (typeof COMMANDS)[number];

export interface Options {
  readonly command: CommandName;
  /** Rows by number; undefined: all. */
  readonly only: readonly number[] | undefined;
  readonly times: number;
  readonly seed: number;
  /** Of `fuzz`. */
  readonly answers: number;
  /** Of `overload`: each step. */
  readonly seconds: number;
  readonly json: string | undefined;
  readonly record: boolean;
  readonly list: boolean;
  readonly help: boolean;
}

export interface SoakOptions {
  readonly minutes: number;
  readonly seed: number;
  readonly json: string | undefined;
  readonly record: boolean;
  readonly help: boolean;
}

export class UsageError extends Error {}

export const USAGE = `usage: npm run chaos -- [command] [options]

  rows             every row of the fault catalogue that exists yet; also without a command
  overload         goodput, rejections and wasted work at 1, 2, 5 and 10 times what it can do
  reload           reloads, master replacements and restarts under load
  fuzz             fuzzed FastCGI answers through the gateway's own code
  retries          how often PHP is tried for each call while the pool is down

  --only 4,6,19    these rows only
  --times N        rows: so many times, 1 to 100 (1)
  --answers N      fuzz: so many answers, 1000 to 100000000 (1000000)
  --seconds N      overload: each step, 1 to 3600 (10)
  --seed N         of what is random, 0 to 4294967295 (20261122)
  --list           say what rows there are
  --json FILE      write the result
  --record         put the result into docs/reliability.json and the table of docs/reliability.md
  --help           this text`;

export const SOAK_USAGE = `usage: npm run soak -- [options]

  --minutes N      how long, 1 to 10080 (30)
  --seed N         of what is random, 0 to 4294967295 (20261122)
  --json FILE      write the result
  --record         put the result into docs/reliability.json and the table of docs/reliability.md
  --help           this text`;

const SEED = 20_261_122;
const FLAGS = ['--record', '--list', '--help'];

type Values = ReadonlyMap<string, string>;

const wholeNumber = (values: Values, name: string, from: number, to: number, otherwise: number): number => {
  const value = values.get(name);
  if (value === undefined) return otherwise;
  const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= from && number <= to) return number;
  throw new UsageError(`${name} is "${value}": it takes a whole number from ${from} to ${to}.`);
};

/** `--name value` and `--name=value` → values by name; `--name` alone → ''. */
const readWords = (words: readonly string[], known: readonly string[]): Values => {
  const values = new Map<string, string>();
  for (let at = 0; at < words.length; at += 1) {
    const [, name = '', joined] = /^(--[^=]*)(?:=(.*))?$/s.exec(words[at] ?? '') ?? [];
    if (!known.includes(name)) throw new UsageError(`"${words[at]}" is not an option. They are ${known.join(', ')}.`);
    if (values.has(name)) throw new UsageError(`${name} is there twice: give it once.`);
    if (FLAGS.includes(name)) {
      if (joined !== undefined) throw new UsageError(`${name} is "${joined}": it takes no value.`);
      values.set(name, '');
      continue;
    }
    const value = joined ?? words[++at];
    if (value === undefined || value === '' || value.startsWith('--')) throw new UsageError(`${name} has no value.`);
    values.set(name, value);
  }
  return values;
};

const rowNumbers = (value: string | undefined, rows: readonly number[]): readonly number[] | undefined => {
  if (value === undefined) return undefined;
  const numbers = value.split(',').map((each) => (/^\s*\d{1,3}\s*$/.test(each) ? Number(each) : Number.NaN));
  if (numbers.every((number) => rows.includes(number))) return numbers;
  throw new UsageError(`--only is "${value}": it takes numbers of rows, separated by commas: ${rows.join(', ')}.`);
};

const isCommand = (word: string): word is CommandName => (COMMANDS as readonly string[]).includes(word);

/** `rows`: the numbers there are. Throws UsageError. */
export const readOptions = (words: readonly string[], rows: readonly number[]): Options => {
  const [first = ''] = words;
  if (first !== '' && !first.startsWith('-') && !isCommand(first))
    throw new UsageError(`"${first}" is not a command. They are ${COMMANDS.join(', ')}.`);
  const command = isCommand(first) ? first : 'rows';
  const known = ['--only', '--times', '--answers', '--seconds', '--seed', '--json', ...FLAGS];
  const values = readWords(isCommand(first) ? words.slice(1) : words, known);
  for (const [name, of] of [
    ['--only', 'rows'],
    ['--times', 'rows'],
    ['--answers', 'fuzz'],
    ['--seconds', 'overload'],
  ] as const)
    if (values.has(name) && command !== of) throw new UsageError(`${name} goes with ${of} only.`);
  return {
    command,
    only: rowNumbers(values.get('--only'), rows),
    times: wholeNumber(values, '--times', 1, 100, 1),
    seed: wholeNumber(values, '--seed', 0, 4_294_967_295, SEED),
    answers: wholeNumber(values, '--answers', 1000, 100_000_000, 1_000_000),
    seconds: wholeNumber(values, '--seconds', 1, 3600, 10),
    json: values.get('--json'),
    record: values.has('--record'),
    list: values.has('--list'),
    help: values.has('--help'),
  };
};

/** Throws UsageError. */
export const readSoakOptions = (words: readonly string[]): SoakOptions => {
  const values = readWords(words, ['--minutes', '--seed', '--json', '--record', '--help']);
  return {
    minutes: wholeNumber(values, '--minutes', 1, 10_080, 30),
    seed: wholeNumber(values, '--seed', 0, 4_294_967_295, SEED),
    json: values.get('--json'),
    record: values.has('--record'),
    help: values.has('--help'),
  };
};
