/** The usual way to serve PHP, to compare with: Debian's nginx in front of a php-fpm with Debian's ini. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { type Lifetime, openFolder, thisTest } from './lifetime.ts';
import { rawFpm } from './raw-fpm.ts';
import { until } from './until.ts';

const PROGRAM = '/usr/sbin/nginx';
/** Of php.ini-production, which a distribution's php-fpm has, and which is what a script can see of it. */
const PRODUCTION = { output_buffering: '4096', variables_order: 'GPCS', request_order: 'GP', display_errors: '0' };
/** Of each request: nginx makes a folder for each. */
const TEMPORARY = ['client_body', 'fastcgi', 'proxy', 'scgi', 'uwsgi'];

/** What most sites have, from Debian's own `fastcgi.conf`. */
const configuration = (folder: string, root: string, port: number): string => `
daemon off;
pid ${folder}/nginx.pid;
worker_processes 1;
${process.getuid?.() === 0 ? 'user www-data;' : ''}
events { worker_connections 64; }
http {
  access_log off;
${TEMPORARY.map((name) => `  ${name}_temp_path ${folder}/${name};`).join('\n')}
  server {
    listen 127.0.0.1:${port};
    server_name site.example;
    root ${root};
    client_max_body_size 16m;
    location ~ \\.php$ {
      try_files $fastcgi_script_name =404;
      fastcgi_pass unix:${folder}/fpm.sock;
      include /etc/nginx/fastcgi.conf;
    }
  }
}
`;

/** `url` of the site whose document root is this folder, which PHP's user must be able to read. */
export const startNginx = async (root: string, lifetime: Lifetime = thisTest): Promise<{ url: string }> => {
  const folder = openFolder(lifetime);
  const port = await freePort();
  mkdirSync(join(folder, 'fpm'));
  await rawFpm(join(folder, 'fpm'), [`${folder}/fpm.sock`], 1, { ini: PRODUCTION, lifetime });
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, configuration(folder, root, port));
  const child = spawn(PROGRAM, ['-c', config, '-e', 'stderr'], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (data) => {
    said += String(data);
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  lifetime(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  const url = `http://127.0.0.1:${port}`;
  await until('nginx is ready', async () => {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${said}`);
    return await fetch(url).then(
      ({ headers }) => headers.get('server')?.startsWith('nginx') === true,
      () => false,
    );
  });
  return { url };
};
