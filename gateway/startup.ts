/** What is wrong before the first call: contracts, handlers, settings, the machine. Reported all at once. */

import type { z } from 'zod';

export interface StartupProblem {
  /** Path relative to the project, or the name of an environment variable. */
  readonly file: string;
  /** 1-based, where a parser knows it. */
  readonly line?: number;
  /** Dotted path of the setting or contract member. */
  readonly property?: string;
  readonly detail: string;
}

/** A zod issue as a problem of that file; a record's bad key tells its reason inside. */
export const issueProblem = (file: string, issue: z.core.$ZodIssue): StartupProblem => {
  const property = issue.path.map(String).join('.');
  const detail = issue.code === 'invalid_key' ? (issue.issues[0]?.message ?? issue.message) : issue.message;
  return { file, ...(property === '' ? {} : { property }), detail };
};

export const formatProblem = ({ file, line, property, detail }: StartupProblem): string => {
  const where = [file + (line === undefined ? '' : `:${line}`), property].filter(Boolean).join(' · ');
  return where === '' ? detail : `${where}\n    ${detail}`;
};

export class StartupError extends Error {
  override readonly name = 'StartupError';
  readonly problems: readonly StartupProblem[];

  constructor(problems: readonly StartupProblem[], options?: ErrorOptions) {
    super(problems.map(formatProblem).join('\n'), options);
    this.problems = problems;
  }
}
