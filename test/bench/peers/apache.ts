/** Apache 2.4, event MPM, mod_proxy_fcgi with reused connections. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../support/free-port.ts';
import type { Life } from '../life.ts';
import { isRoot, startFpm } from './fpm.ts';
import { type Peer, untilListening } from './peer.ts';

export const APACHE = '/usr/sbin/apache2';
const MODULES = ['mpm_event', 'authz_core', 'proxy', 'proxy_fcgi'];

/**
 * One process: connections are pooled in each, and several would hold more php-fpm workers than there are. `max` keeps
 * the rest waiting in Apache instead of in front of a worker that another kept connection pins.
 */
const configuration = (folder: string, root: string, port: number, workers: number): string => `
ServerRoot ${folder}
ServerName localhost
PidFile ${folder}/apache.pid
DefaultRuntimeDir ${folder}
Mutex posixsem
ErrorLog /dev/null
LogLevel crit
${MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
${isRoot ? 'User www-data\nGroup www-data' : ''}
Listen 127.0.0.1:${port}
ListenBacklog 4096
StartServers 1
ServerLimit 1
ThreadsPerChild 64
ThreadLimit 64
MaxRequestWorkers 64
MinSpareThreads 1
MaxSpareThreads 64
MaxConnectionsPerChild 0
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
ServerTokens Prod
AcceptPathInfo Off
DocumentRoot ${root}
<Directory ${root}>
  AllowOverride None
  Require all granted
</Directory>
<Proxy "fcgi://bench/" enablereuse=on max=${workers} flushpackets=auto>
</Proxy>
<FilesMatch "\\.php$">
  SetHandler "proxy:unix:${folder}/fpm.sock|fcgi://bench/"
</FilesMatch>
`;

export const startApache = async (life: Life, folder: string, root: string, workers: number): Promise<Peer> => {
  const fpm = await startFpm(life, folder, 'apache', workers);
  const port = await freePort();
  const home = join(folder, 'apache');
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'apache.conf'), configuration(home, root, port, workers));
  const args = ['-f', join(home, 'apache.conf'), '-DFOREGROUND'];
  const running = life.start({ command: APACHE, args });
  await untilListening('Apache', running, port);
  return {
    name: 'Apache',
    pids: [running.pid, fpm.pid],
    target: ({ name, body }) => ({ port, paths: [`/${name}.php`], body }),
    stop: async () => {
      await running.stop();
      await fpm.running.stop();
    },
  };
};
