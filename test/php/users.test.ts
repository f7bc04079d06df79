/** Who PHP runs as and what it can read: a staged copy, the environment, ini settings. Runs as root. */
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { eachEngine } from '../support/engines.ts';
import { masterOf, workersOf } from '../support/php-processes.ts';
import { functionsProject } from '../support/project.ts';

const isRoot = process.getuid?.() === 0;

const WHO = 'return [posix_geteuid(), posix_getuid(), posix_getegid(), array_values(posix_getgroups())];';

eachEngine(({ name, startGateway, hasGroups }) => {
  test.runIf(isRoot)('workers run as the pool’s user, never as root, with no group of root’s', async () => {
    const project = functionsProject({ who: WHO, other: [WHO, "pool: 'other'"] });
    const gateway = await startGateway(
      { pools: { default: { workers: 2 }, other: { workers: 1, user: 'nobody' } } },
      { project },
    );
    expect(await gateway.invoke('who', null)).toEqual([33, 33, 33, hasGroups ? [33] : []]);
    expect(await gateway.invoke('other', null)).toEqual([65534, 65534, 65534, hasGroups ? [65534] : []]);
    const { readFileSync } = await import('node:fs');
    for (const pid of workersOf(masterOf(gateway))) {
      // One that has just been forked is about to drop to its user.
      await expect.poll(() => readFileSync(`/proc/${pid}/status`, 'utf8')).toMatch(/^Uid:\t33\t33\t33\t33$/m);
    }
  });

  test.runIf(isRoot)('a project the pool’s user cannot read is served from a copy, links included', async () => {
    const project = functionsProject({
      where:
        "return [__DIR__, require __DIR__ . '/_linked.php', require __DIR__ . '/../lib/here.php', require __DIR__ . '/_relative.php'];",
      write: "return [@file_put_contents(__FILE__, 'x'), @file_put_contents(__DIR__ . '/new.php', 'x')];",
    });
    mkdirSync(join(project, 'lib'));
    mkdirSync(join(project, 'node_modules'));
    writeFileSync(join(project, 'node_modules', 'large'), 'x');
    writeFileSync(join(project, 'lib', 'here.php'), '<?php return __FILE__;');
    symlinkSync(join(project, 'lib', 'here.php'), join(project, 'functions', '_linked.php'));
    symlinkSync('../lib/here.php', join(project, 'functions', '_relative.php'));
    chmodSync(project, 0o700);
    const gateway = await startGateway({}, { project });
    const [folder, ...files] = (await gateway.invoke('where', null)) as string[];
    const copy = folder?.replace(/\/functions$/, '') ?? '';
    expect(copy).not.toBe(project);
    expect(files).toEqual(Array.from({ length: 3 }, () => `${copy}/lib/here.php`));
    const { existsSync, statSync } = await import('node:fs');
    expect(existsSync(join(copy, 'node_modules'))).toBe(false);
    expect(statSync(join(copy, 'lib', 'here.php'))).toMatchObject({ uid: 0, gid: 33, mode: 0o100640 });
    expect(statSync(copy)).toMatchObject({ uid: 0, gid: 33, mode: 0o40750 });
    expect(await gateway.invoke('write', null)).toEqual([false, false]);
    await gateway.close();
    expect(existsSync(copy)).toBe(false);
  });

  test.runIf(isRoot)('problems in a staged project name its own files', async () => {
    const project = functionsProject({ bad: '\n\nreturn 1' });
    await expect(startGateway({}, { project })).rejects.toThrow(/^functions\/bad\.php:\d+\n/);
  });

  test.runIf(isRoot)('a project the pool’s user can read is served in place', async () => {
    const project = functionsProject({ where: 'return __DIR__;' });
    chmodSync(project, 0o755);
    const gateway = await startGateway({}, { project });
    expect(await gateway.invoke('where', null)).toBe(join(project, 'functions'));
  });

  test('PHP sees the listed environment variables, whatever is in them, and none of the gateway’s', async () => {
    process.env.TEST_SECRET_OF_GATEWAY = 'SECRET';
    try {
      const env = { GREETING: "it's $PATH; [x] = y ; # é", DOLLAR: '$PATH', EMPTY: '', FPM: '%d $pool' };
      const gateway = await startGateway(
        { pools: { default: { workers: 1, env } } },
        { project: functionsProject({ env: 'return [getenv(), $_ENV];' }) },
      );
      const [seen] = (await gateway.invoke('env', null)) as [Record<string, string>];
      expect(seen).toMatchObject(env);
      expect(JSON.stringify(seen)).not.toContain('SECRET');
      expect(Object.keys(seen).filter((name) => name === 'PATH' || name.startsWith('FPMG_ENV'))).toEqual([]);
    } finally {
      delete process.env.TEST_SECRET_OF_GATEWAY;
    }
  });

  test('ini settings reach PHP as they were written', async () => {
    const ini = {
      memory_limit: '77M',
      precision: 5,
      'date.timezone': 'Europe/Berlin',
      'assert.exception': false,
      'opcache.memory_consumption': 64,
      user_agent: "a;b # c = 'd' $e (f|g) & !h",
    };
    const names = JSON.stringify(Object.keys(ini));
    const gateway = await startGateway(
      { pools: { default: { workers: 1, ini } } },
      { project: functionsProject({ ini: `return array_map('ini_get', ${names});` }) },
    );
    expect(await gateway.invoke('ini', null)).toEqual(['77M', '5', 'Europe/Berlin', '0', '64', ini.user_agent]);
  });

  test('a handler cannot change what the gateway depends on', async () => {
    const names = "['output_buffering', 'cgi.fix_pathinfo', 'user_ini.filename', 'enable_post_data_reading']";
    const gateway = await startGateway(
      { pools: { default: { workers: 1 } } },
      {
        project: functionsProject({
          set: `return array_map(fn ($name) => @ini_set($name, '1'), ${names});`,
          get: `return array_map('ini_get', ${names});`,
        }),
      },
    );
    await gateway.invoke('set', null);
    // PHP's command line program knows no settings of CGI.
    expect(await gateway.invoke('get', null)).toEqual(['0', name === 'fpm' ? '0' : false, '', '1']);
  });

  test('a bootstrap file runs before the handler, in calls and in the check at start', async () => {
    const project = functionsProject({ use: 'return FROM_BOOTSTRAP;' });
    writeFileSync(join(project, 'bootstrap.php'), "<?php const FROM_BOOTSTRAP = 'here';");
    const gateway = await startGateway({ pools: { default: { workers: 1, bootstrap: 'bootstrap.php' } } }, { project });
    expect(await gateway.invoke('use', null)).toBe('here');
  });
});
