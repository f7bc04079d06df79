/** A refusal or failure as people read it: what it was, which members, the next step, whether PHP ran. */
import { complain, escapeControls, mendFor, paint, printableLines } from './terminal.ts';

export interface Problem {
  readonly code?: string;
  readonly status?: number;
  readonly title?: string;
  readonly detail?: string;
  readonly executed?: string;
  readonly traceId?: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
  readonly data?: unknown;
  readonly debug?: string;
}

/** What this command offers for it. */
const optionFor = ({ code }: Problem, headers: Headers): string | undefined => {
  const allow = headers.get('allow')?.split(',')[0]?.trim();
  if (code === 'method-not-allowed' && allow !== undefined) return `Add --method ${allow}.`;
  const accepts = headers.get('accept-post') ?? '';
  if (code !== 'unsupported-media-type' || accepts === '') return undefined;
  if (accepts.includes('multipart/form-data')) return 'Send its files with --file field=path.';
  if (accepts.includes('application/x-www-form-urlencoded')) return 'Add --form.';
  return accepts.includes('json') ? 'Leave out --form and --file.' : 'Send the file that is its body with --file path.';
};

/** `before`: what had come until then. */
export const complainOf = (problem: Problem, headers: Headers, before: string): void => {
  const next = optionFor(problem, headers) ?? mendFor(problem.code ?? '');
  const lines = [
    `${paint(process.stderr, 'red', `✗ ${problem.status} ${problem.code}`)}  ${printableLines(problem.detail ?? problem.title ?? '')}`,
    ...(problem.errors ?? []).map(
      ({ pointer, detail }) =>
        `    ${paint(process.stderr, 'cyan', printableLines(pointer) || '(root)')}  ${printableLines(detail)}`,
    ),
    ...(problem.data === undefined ? [] : [`    data: ${escapeControls(JSON.stringify(problem.data))}`]),
    ...(problem.debug === undefined ? [] : [printableLines(problem.debug)]),
    ...(next === undefined ? [] : [`  → ${next}`]),
    paint(
      process.stderr,
      'dim',
      `  ${before}executed: ${problem.executed} · trace ${problem.traceId ?? headers.get('trace-id') ?? 'none'}`,
    ),
  ];
  complain(lines.join('\n'));
};
