/** Gateways whose handlers all run in resident workers, and what they tell of those. */
import type { GatewayConfig } from '../../gateway/config.ts';
import type { Gateway } from '../../gateway/gateway.ts';
import type { Ending } from '../../gateway/pool/recycling.ts';
import { startGateway } from './gateway.ts';
import { type Lifetime, thisTest } from './lifetime.ts';
import { type Functions, functionsProject } from './project.ts';
import { until } from './until.ts';

type ResidentConfig = NonNullable<
  Extract<NonNullable<GatewayConfig['pools']>[string], { address?: never }>['resident']
>;

interface ResidentOptions extends Omit<GatewayConfig, 'pools'> {
  readonly resident?: ResidentConfig;
  readonly env?: Readonly<Record<string, string>>;
  /** Source of `app.php`. */
  readonly bootstrap?: string;
}

/** One pool, two workers unless told otherwise. */
export const startResident = async (
  functions: Functions,
  { resident, env = {}, bootstrap, ...config }: ResidentOptions = {},
  lifetime: Lifetime = thisTest,
): Promise<Gateway> => {
  const files: Functions = bootstrap === undefined ? {} : { 'app/app.php': bootstrap };
  const project = functionsProject({ ...functions, ...files }, lifetime);
  const names = Object.keys(functions).filter((name) => !name.includes('/'));
  const pool = {
    env,
    resident: { workers: 2, ...resident },
    ...(bootstrap !== undefined && { bootstrap: 'app/app.php' }),
  };
  const onResident = Object.fromEntries(names.map((name) => [name, { engine: 'resident' as const }]));
  return await startGateway({ ...config, pools: { default: pool }, functions: onResident }, { project }, lifetime);
};

export const residentOf = (gateway: Gateway) => {
  const pool = gateway.pools().find(({ engine }) => engine === 'resident');
  if (pool?.resident === undefined) throw new Error('No pool of it is resident.');
  return { ...pool, resident: pool.resident };
};

export const residentPids = (gateway: Gateway): number[] => residentOf(gateway).resident.workers.map(({ pid }) => pid);

/** Workers replaced so far, by reason, without those of which there were none. */
export const restartsOf = (gateway: Gateway): Partial<Record<Ending, number>> =>
  Object.fromEntries(Object.entries(residentOf(gateway).resident.restarts).filter(([, times]) => times > 0));

export const allIdle = async (gateway: Gateway, workers = 2): Promise<void> =>
  await until('all workers stand ready', () => {
    const { resident } = residentOf(gateway);
    return (
      resident.starting === 0 &&
      resident.workers.length === workers &&
      resident.workers.every(({ state }) => state === 'idle')
    );
  });

/** A pool of concurrent workers, one unless told otherwise: contracts that say nothing of it have a concurrency of 1,000. */
export const startConcurrent = async (
  functions: Functions,
  { resident, env = {}, bootstrap, ...config }: ResidentOptions = {},
  lifetime: Lifetime = thisTest,
): Promise<Gateway> => {
  const named = Object.entries(functions).map(([name, source]) => {
    const [body, contract = ''] = typeof source === 'string' ? [source] : source;
    const all = contract.includes('concurrency:') ? contract : `concurrency: 1000, ${contract}`;
    const own: readonly [string, string] = [body, `engine: 'resident', ${all}`];
    return [name, name.includes('/') ? source : own] as const;
  });
  const files: Functions = bootstrap === undefined ? {} : { 'app/app.php': bootstrap };
  const project = functionsProject({ ...Object.fromEntries(named), ...files }, lifetime);
  const pool = {
    env,
    resident: { concurrentWorkers: 1, ...resident },
    ...(bootstrap !== undefined && { bootstrap: 'app/app.php' }),
  };
  return await startGateway({ ...config, pools: { default: pool } }, { project }, lifetime);
};
