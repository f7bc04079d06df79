/** wrk's script and what it prints. Pure. */
export interface WrkResult {
  readonly calls: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** Why the figures do not count, if they do not. */
  readonly invalid: string | undefined;
}

/** Requests are made before the load begins; with several paths they take turns. */
export const wrkScript = (paths: readonly string[], body: string): string => `
local headers = { ['content-type'] = 'application/json' }
local paths = { ${paths.map((path) => `'${path}'`).join(', ')} }
local requests = {}
local at = 0
function init(args)
  for _, path in ipairs(paths) do
    table.insert(requests, wrk.format('POST', path, headers, [==[${body}]==]))
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
`;

const UNITS_MS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1000, m: 60_000, h: 3_600_000 };

const percentileMs = (output: string, percent: number): number => {
  const [, value, unit = ''] = new RegExp(`^\\s+${percent}%\\s+([\\d.]+)(us|ms|s|m|h)$`, 'm').exec(output) ?? [];
  return Number(value) * (UNITS_MS[unit] ?? Number.NaN);
};

const numberAfter = (output: string, pattern: RegExp): number => Number(pattern.exec(output)?.[1] ?? Number.NaN);

const whatIsInvalid = (output: string): string | undefined => {
  const wrongAnswers = numberAfter(output, /Non-2xx or 3xx responses: (\d+)/);
  if (wrongAnswers > 0) return `${wrongAnswers} answers were not 2xx`;
  const [errors] = /Socket errors: .*/.exec(output) ?? [];
  return errors?.replace('Socket errors', 'socket errors');
};

/** Throws when it is no such output. */
export const parseWrk = (output: string): WrkResult => {
  const result: WrkResult = {
    calls: numberAfter(output, /(\d+) requests in /),
    perSecond: numberAfter(output, /Requests\/sec:\s+([\d.]+)/),
    p50Ms: percentileMs(output, 50),
    p99Ms: percentileMs(output, 99),
    invalid: whatIsInvalid(output),
  };
  if (Number.isNaN(result.perSecond) || Number.isNaN(result.calls))
    throw new Error(`wrk said something unexpected: ${output.trim().slice(0, 300)}`);
  return result.calls === 0 ? { ...result, invalid: result.invalid ?? 'no call was answered' } : result;
};
