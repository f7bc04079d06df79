/** The words behind `npm run bench --`. Pure: every mistake names the option, the value and what is allowed. */
export const SECTIONS = [
  'http',
  'megabyte',
  'latency',
  'pool',
  'tracing',
  'inflight',
  'functions',
  'batch',
  'client',
  'batch-memory',
  'batch-delay',
  'fan-out',
  'resident',
  'application',
  'resident-batch',
  'sentinel',
  'cache',
  'fibers',
  'fibers-memory',
  'cold-start',
  'sleeping',
  'load-steps',
] as const;
export type SectionName = (typeof SECTIONS)[number];

export interface Options {
  readonly quick: boolean;
  readonly sections: readonly SectionName[];
  readonly rounds: number;
  readonly workers: number;
  readonly json: string | undefined;
  readonly svg: string | undefined;
  /** Draw and print from the JSON of an earlier run; nothing is measured. */
  readonly from: string | undefined;
  readonly list: boolean;
  readonly help: boolean;
}

export class UsageError extends Error {}

export const USAGE = `usage: npm run bench -- [options]

  --quick          one short round, ten minutes: good for seeing that all of it runs, not for figures
  --only A,B       only these sections: ${SECTIONS.join(', ')}
  --list           say what each section measures
  --rounds N       rounds of each comparison, 1 to 50 (5; with --quick 1)
  --workers N      PHP workers of each pool, 2 to 64 (4)
  --json FILE      write everything that was measured
  --svg FILE       draw the picture: of http and latency, or else of load-steps
  --from FILE      take the figures from such a JSON file instead of measuring
  --help           this text`;

const FLAGS = ['--quick', '--list', '--help'];
const WITH_VALUE = ['--only', '--rounds', '--workers', '--json', '--svg', '--from'];

const wholeNumber = (name: string, value: string | undefined, from: number, to: number, otherwise: number): number => {
  if (value === undefined) return otherwise;
  const number = /^\d{1,4}$/.test(value) ? Number(value) : Number.NaN;
  if (number >= from && number <= to) return number;
  throw new UsageError(`${name} is "${value}": it takes a whole number from ${from} to ${to}.`);
};

const isSection = (name: string): name is SectionName => (SECTIONS as readonly string[]).includes(name);

const sectionNames = (value: string | undefined): readonly SectionName[] => {
  if (value === undefined) return SECTIONS;
  const names = value.split(',').map((name) => name.trim());
  for (const name of names)
    if (!isSection(name))
      throw new UsageError(`--only has "${name}": its values are ${SECTIONS.join(', ')}, separated by commas.`);
  return SECTIONS.filter((name) => names.includes(name));
};

/** `--name value` and `--name=value` → values by name; `--name` alone → ''. */
const readWords = (words: readonly string[]): Map<string, string> => {
  const values = new Map<string, string>();
  for (let at = 0; at < words.length; at += 1) {
    const [, name = '', joined] = /^(--[^=]*)(?:=(.*))?$/s.exec(words[at] ?? '') ?? [];
    if (!FLAGS.includes(name) && !WITH_VALUE.includes(name))
      throw new UsageError(`"${words[at]}" is not an option. They are ${[...FLAGS, ...WITH_VALUE].join(', ')}.`);
    if (values.has(name)) throw new UsageError(`${name} is there twice: give it once.`);
    if (FLAGS.includes(name)) {
      if (joined !== undefined) throw new UsageError(`${name} is "${joined}": it takes no value.`);
      values.set(name, '');
      continue;
    }
    const value = joined ?? words[++at];
    if (value === undefined || value === '' || value.startsWith('--'))
      throw new UsageError(`${name} has no value: write ${name} ${exampleOf(name)}.`);
    values.set(name, value);
  }
  return values;
};

const exampleOf = (name: string): string =>
  name === '--only' ? 'http,pool' : ['--rounds', '--workers'].includes(name) ? '5' : 'FILE';

/** Throws UsageError. */
export const readOptions = (words: readonly string[]): Options => {
  const values = readWords(words);
  const quick = values.has('--quick');
  const options: Options = {
    quick,
    sections: sectionNames(values.get('--only')),
    rounds: wholeNumber('--rounds', values.get('--rounds'), 1, 50, quick ? 1 : 5),
    workers: wholeNumber('--workers', values.get('--workers'), 2, 64, 4),
    json: values.get('--json'),
    svg: values.get('--svg'),
    from: values.get('--from'),
    list: values.has('--list'),
    help: values.has('--help'),
  };
  if (options.from !== undefined && (quick || values.has('--only') || values.has('--rounds') || values.has('--json')))
    throw new UsageError('--from shows an earlier run: only --svg goes with it.');
  return options;
};
