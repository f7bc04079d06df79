/** Gateways in this process, with listeners or without, each on real php-fpm in a folder of its own. */
import type { GatewayConfig } from '../../gateway/config.ts';
import { createGateway, type Gateway, type GatewayParts } from '../../gateway/gateway.ts';
import { silentLog } from '../../gateway/log.ts';
import { type Server, type ServerOptions, startServer } from '../../gateway/server.ts';
import { type Lifetime, temporaryFolder, thisTest } from './lifetime.ts';

/** Never: a busy machine holds up this process for longer than a gateway would take. */
const LAG_MAX_MS = 0;

/** Nor is a queue that stands on a busy machine what most tests are about. */
const patient = (pools: GatewayConfig['pools'] = { default: {} }): NonNullable<GatewayConfig['pools']> =>
  Object.fromEntries(Object.entries(pools).map(([name, pool]) => [name, { queueTargetMs: 0, ...pool }]));

export const startGateway = async (
  config: GatewayConfig,
  parts: GatewayParts,
  lifetime: Lifetime = thisTest,
): Promise<Gateway> => {
  const own = { runtimeDir: temporaryFolder(lifetime), overload: { lagMaxMs: LAG_MAX_MS } };
  const gateway = await createGateway({ ...own, ...config, pools: patient(config.pools) }, { env: {}, ...parts });
  lifetime(async () => await gateway.destroy());
  return gateway;
};

/** With its HTTP and admin listeners on free ports. */
export const startTestServer = async (
  project: string,
  { env, ...parts }: Partial<Omit<ServerOptions, 'project'>> = {},
  lifetime: Lifetime = thisTest,
): Promise<Server> => {
  const own = {
    FPMG_HTTP__PORT: '0',
    FPMG_ADMIN__PORT: '0',
    FPMG_RUNTIME_DIR: temporaryFolder(lifetime),
    FPMG_OVERLOAD__LAG_MAX_MS: String(LAG_MAX_MS),
    FPMG_POOLS__DEFAULT__QUEUE_TARGET_MS: '0',
  };
  const server = await startServer({
    project,
    log: silentLog,
    onTrace: undefined,
    ...parts,
    env: { ...own, ...env },
  });
  lifetime(async () => await server.destroy());
  return server;
};
