/** Who serves the application: nginx with a php-fpm, and the gateway with either engine. */
import type { Bench } from '../bench.ts';
import { describeSetup, fastest } from '../peers/all.ts';
import { residentEnv, startGateway } from '../peers/gateway.ts';
import { type NginxPeer, type NginxSetup, startNginx } from '../peers/nginx.ts';
import type { Peer } from '../peers/peer.ts';
import { type ApplicationProject, QUOTE, QUOTE_PATH } from './project.ts';

export const NGINX = 'nginx + php-fpm';
const FPM_ENGINE = 'fpm-gateway, engine fpm';
export const RESIDENT_ENGINE = 'fpm-gateway, engine resident';

export const NEW_CONNECTIONS: NginxSetup = { name: NGINX, processes: 2, keepalive: 0, largeBy: 'buffered' };

/** Its document root is the application; what the gateway's function answers lies behind its front controller. */
export const nginxFor = async (
  { life, options }: Bench,
  project: ApplicationProject,
  setup: NginxSetup,
): Promise<NginxPeer> => {
  const nginx = await startNginx(life, project.folder, project.root, options.workers, setup);
  return { ...nginx, target: ({ body }) => ({ port: nginx.port, paths: [QUOTE_PATH], body }) };
};

/** By the smallest application, where it matters most how nginx talks to php-fpm. */
export const bestSetup = async (bench: Bench, project: ApplicationProject): Promise<NginxSetup> => {
  const setups: readonly NginxSetup[] = [
    NEW_CONNECTIONS,
    { ...NEW_CONNECTIONS, processes: 1 },
    { ...NEW_CONNECTIONS, processes: 1, keepalive: bench.options.workers - 1 },
  ];
  if (bench.options.quick) return NEW_CONNECTIONS;
  const started: NginxPeer[] = [];
  for (const setup of setups) started.push(await nginxFor(bench, project, setup));
  try {
    return (await fastest(bench, NGINX, started, QUOTE, ({ setup }) => describeSetup(setup))).setup;
  } finally {
    for (const peer of started) await peer.stop();
  }
};

export type Starter = readonly [name: string, start: () => Promise<Peer>];

export const startersFor = (bench: Bench, project: ApplicationProject, setup: NginxSetup): readonly Starter[] => {
  const { life, folder, options } = bench;
  const gateway = { project: project.folder, workers: options.workers };
  // nginx lets requests wait for as long as it takes, too.
  const env = { FPMG_DEFAULTS__QUEUE_TIMEOUT_MS: '60000', FPMG_DEFAULTS__TIMEOUT_MS: '60000' };
  return [
    [NGINX, () => nginxFor(bench, project, setup)],
    [FPM_ENGINE, () => startGateway(life, folder, { ...gateway, name: FPM_ENGINE, env })],
    [
      RESIDENT_ENGINE,
      () =>
        startGateway(life, folder, {
          ...gateway,
          name: RESIDENT_ENGINE,
          env: { ...env, ...residentEnv(QUOTE.name, options.workers) },
        }),
    ],
  ];
};
