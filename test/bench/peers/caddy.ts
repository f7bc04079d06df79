/** Caddy's php_fastcgi, which opens a connection for each request. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../support/free-port.ts';
import type { Life } from '../life.ts';
import { startFpm } from './fpm.ts';
import { type Peer, untilListening } from './peer.ts';

export const CADDY = '/usr/bin/caddy';

const configuration = (folder: string, root: string, port: number): string => `
{
  admin off
  auto_https off
  log {
    output discard
  }
}
http://127.0.0.1:${port} {
  root * ${root}
  php_fastcgi unix/${folder}/fpm.sock
}
`;

export const startCaddy = async (life: Life, folder: string, root: string, workers: number): Promise<Peer> => {
  const fpm = await startFpm(life, folder, 'caddy', workers);
  const port = await freePort();
  const home = join(folder, 'caddy');
  mkdirSync(home, { recursive: true });
  const file = join(home, 'Caddyfile');
  writeFileSync(file, configuration(home, root, port));
  const running = life.start({
    command: CADDY,
    args: ['run', '--config', file, '--adapter', 'caddyfile'],
    env: { XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, HOME: home },
  });
  await untilListening('Caddy', running, port);
  return {
    name: 'Caddy',
    pids: [running.pid, fpm.pid],
    target: ({ name, body }) => ({ port, paths: [`/${name}.php`], body }),
    stop: async () => {
      await running.stop();
      await fpm.running.stop();
    },
  };
};
