/** Config file + environment → settings. Every mistake is named with where it was written. Pure. */
import type { z } from 'zod';
import { configSchema, type Settings } from './config.ts';
import { applyOverrides, type Override, readEnvironment } from './environment.ts';
import { SettingSources } from './setting-sources.ts';
import { issueProblem, StartupError, type StartupProblem } from './startup.ts';

/** What the environment set is the variable's fault, the rest the file's. */
const problemOf = (issue: z.core.$ZodIssue, file: string, overrides: readonly Override[]): StartupProblem => {
  const property = issue.path.map(String).join('.');
  const override = overrides.find(({ path }) => `${property}.`.startsWith(`${path.join('.')}.`));
  return issueProblem(override?.variable ?? file, issue);
};

const bindProblem = ({ admin }: Settings): StartupProblem | undefined => {
  const isLoopback = ['127.0.0.1', '::1', 'localhost'].includes(admin.host) || admin.host.startsWith('127.');
  if (!admin.enabled || isLoopback || admin.token !== undefined) return undefined;
  const detail = `It would open traces to the network without a credential: set admin.token (FPMG_ADMIN__TOKEN) or bind to 127.0.0.1.`;
  return { file: 'deploy/gateway.config.ts', property: 'admin.host', detail };
};

/** A request that can never find room would be told to try again. */
const spoolProblem = ({ limits }: Settings): StartupProblem | undefined => {
  if (limits.uploadMaxBytes <= Math.max(limits.spoolMaxBytes, limits.spoolAfterBytes)) return undefined;
  const detail = `uploadMaxBytes is ${limits.uploadMaxBytes}, but all waiting files together may have ${limits.spoolMaxBytes} bytes: raise limits.spoolMaxBytes, or lower uploadMaxBytes.`;
  return { file: 'deploy/gateway.config.ts', property: 'limits.uploadMaxBytes', detail };
};

/** Throws StartupError with everything that is wrong. */
export const resolveSettings = (
  config: unknown,
  env: Readonly<Record<string, string | undefined>>,
  file: string,
): Settings => readSettings(config, env, file).settings;

/** The same, with where each was written. */
export const readSettings = (
  config: unknown,
  env: Readonly<Record<string, string | undefined>>,
  file: string,
): { readonly settings: Settings; readonly sources: SettingSources } => {
  const { overrides, problems } = readEnvironment(env);
  const parsed = configSchema.safeParse(applyOverrides(config, overrides));
  if (!parsed.success) problems.push(...parsed.error.issues.map((issue) => problemOf(issue, file, overrides)));
  if (problems.length > 0 || !parsed.success) throw new StartupError(problems);
  const { pools } = parsed.data;
  // A project without pools is served by one with the defaults.
  const settings = { ...parsed.data, pools: { ...configSchema.parse({ pools: { default: {} } }).pools, ...pools } };
  const wrong = [bindProblem(settings), spoolProblem(settings)].filter((problem) => problem !== undefined);
  if (wrong.length > 0) throw new StartupError(wrong);
  return { settings, sources: new SettingSources(config, overrides, file) };
};
