/** nginx in front of php-fpm, with a new FastCGI connection for each request or with kept ones. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../support/free-port.ts';
import type { Life } from '../life.ts';
import { isRoot, startFpm } from './fpm.ts';
import { type Peer, untilListening } from './peer.ts';

export const NGINX = '/usr/sbin/nginx';

export interface NginxSetup {
  readonly name: string;
  readonly processes: number;
  /** Idle FastCGI connections each process keeps; 0: a new one for each request. */
  readonly keepalive: number;
  /** How large answers pass: collected in large buffers, or as they come. Names a location. */
  readonly largeBy: 'buffered' | 'unbuffered';
}

/** Of each request: nginx makes a folder for each. */
const TEMPORARY = ['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'];

/** What the scripts need and no more: the shorter, the faster. */
const PARAMS = `
    fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
    fastcgi_param SCRIPT_NAME $fastcgi_script_name;
    fastcgi_param REQUEST_METHOD $request_method;
    fastcgi_param QUERY_STRING $query_string;
    fastcgi_param CONTENT_TYPE $content_type;
    fastcgi_param CONTENT_LENGTH $content_length;
    fastcgi_param REQUEST_URI $request_uri;
    fastcgi_param SERVER_PROTOCOL $server_protocol;
    fastcgi_param REMOTE_ADDR $remote_addr;`;

/** Room for the whole megabyte, so that php-fpm is never held up and no file is written. */
const LARGE_BUFFERS = 'fastcgi_buffers 20 64k; fastcgi_buffer_size 64k; fastcgi_busy_buffers_size 512k;';

const configuration = (setup: NginxSetup, folder: string, root: string, port: number): string => `
daemon off;
pid ${folder}/nginx.pid;
worker_processes ${setup.processes};
worker_rlimit_nofile 20000;
error_log /dev/null crit;
${isRoot ? 'user www-data;' : ''}
events { worker_connections 8192; }
http {
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  client_body_buffer_size 64k;
${TEMPORARY.map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')}
  upstream fpm {
    server unix:${folder}/fpm.sock;
    ${setup.keepalive > 0 ? `keepalive ${setup.keepalive}; keepalive_requests 1000000000; keepalive_timeout 1h;` : ''}
  }
  server {
    listen 127.0.0.1:${port} backlog=4096;
    root ${root};
    ${setup.keepalive > 0 ? 'fastcgi_keep_conn on;' : ''}
    fastcgi_max_temp_file_size 0;
${PARAMS}
    location / { return 404; }
    location ~ ^/[\\w-]+\\.php$ { fastcgi_pass fpm; }
    # A front controller: REQUEST_URI stays what was asked for.
    location /app/ {
      rewrite ^ /index.php break;
      fastcgi_pass fpm;
    }
    location ~ ^/buffered/[\\w-]+\\.php$ {
      ${LARGE_BUFFERS}
      fastcgi_split_path_info ^/buffered(/[^/]+)()$;
      fastcgi_pass fpm;
    }
    location ~ ^/unbuffered/[\\w-]+\\.php$ {
      ${LARGE_BUFFERS}
      fastcgi_buffering off;
      fastcgi_split_path_info ^/unbuffered(/[^/]+)()$;
      fastcgi_pass fpm;
    }
  }
}
`;

export interface NginxPeer extends Peer {
  readonly setup: NginxSetup;
  readonly port: number;
  /** The same nginx, asked at its other locations. */
  passing(largeBy: NginxSetup['largeBy']): NginxPeer;
}

const peerOf = (setup: NginxSetup, port: number, pids: readonly number[], stop: () => Promise<void>): NginxPeer => ({
  name: setup.name,
  setup,
  port,
  pids,
  target: ({ name, body }) => {
    const location = name.startsWith('megabyte') ? `/${setup.largeBy}` : '';
    return { port, paths: [`${location}/${name}.php`], body };
  },
  passing: (largeBy) => peerOf({ ...setup, largeBy }, port, pids, stop),
  stop,
});

export const startNginx = async (
  life: Life,
  folder: string,
  root: string,
  workers: number,
  setup: NginxSetup,
): Promise<NginxPeer> => {
  const fpmName = `nginx-${setup.processes}-${setup.keepalive}`;
  const fpm = await startFpm(life, folder, fpmName, workers);
  const port = await freePort();
  const home = join(folder, fpmName);
  mkdirSync(home, { recursive: true });
  writeFileSync(join(home, 'nginx.conf'), configuration(setup, home, root, port));
  const running = life.start({ command: NGINX, args: ['-c', join(home, 'nginx.conf'), '-e', 'stderr'] });
  await untilListening(setup.name, running, port);
  return peerOf(setup, port, [running.pid, fpm.pid], async () => {
    await running.stop();
    await fpm.running.stop();
  });
};
