// Makes a bare machine ready: the node modules of this lockfile (Node itself among them) and the system's packages.
// npm runs it before `start`, `dev`, `test` and `bench`, so it is plain JavaScript for whatever Node >= 18 the machine has,
// it needs nothing from node_modules, and it is silent and quick when nothing is missing.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = dirname(dirname(fileURLToPath(import.meta.url)));
const nodeModules = join(project, 'node_modules');
const pinnedNode = join(nodeModules, '.bin', 'node');
const platformPackage = `node-${process.platform}-${process.arch}`;

const npmCi = 'npm ci --no-audit --no-fund --ignore-scripts --include=dev --loglevel=warn'.split(' ');
// Where the gateway looks, in its order (gateway/pool/fpm-master.ts).
const phpFolders = ['/usr/local/sbin', '/usr/sbin', '/opt/homebrew/sbin', ...(process.env.PATH ?? '').split(':')];
// A bare or scripted root shell may lack sbin, which dpkg insists on; English output is what `causes` understands;
// needrestart would restart services that are none of our business.
const aptEnvironment = [
  'DEBIAN_FRONTEND=noninteractive',
  'LC_ALL=C',
  'NEEDRESTART_SUSPEND=1',
  'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
];
const dpkgLockWaitSeconds = 60; // a fresh cloud machine upgrades itself just after boot
const shownLogLines = 15;
const logName = 'log.txt';

/** What a failed step's output means for the person who reads it; the first match wins. */
const causes = [
  [/No space left on device|ENOSPC|enough free space/, 'the disk is full: free some space, then run this again'],
  [
    /Could not get lock|Unable to (acquire|lock)/,
    'another package manager is at work: let it finish, then run this again',
  ],
  [/dpkg was interrupted/, 'an earlier dpkg run was interrupted: run `dpkg --configure -a` as root, then this again'],
  [
    /(failure|not) resolv|Could not connect|Connection (failed|timed out)|unreachable|ENOTFOUND|EAI_AGAIN|ECONN/,
    'the package server cannot be reached: check the network or the proxy, then run this again',
  ],
  [
    /Unable to locate package|no installation candidate/,
    "a package is not offered here: enable the release's full " +
      'archive (on Ubuntu: universe), or install PHP another way and name its binary in FPMG_PHP_FPM',
  ],
  [/in sync|EUSAGE/, 'package-lock.json does not fit package.json: run `npm install` and commit both'],
  [/EACCES|EPERM|EROFS/, 'the project folder is not writable for this user: give it back (was npm run as root here?)'],
];

class SetupError extends Error {}

const say = (line) => console.error(`setup: ${line}`);

async function main(purpose) {
  if (!['start', 'test', 'bench'].includes(purpose))
    throw new SetupError('usage: node deploy/setup.mjs start|test|bench');
  // Both run at once (packages first, as sudo may ask for a password); when one fails the other still finishes.
  const results = await Promise.allSettled([preparePackages(purpose), prepareNode()]);
  for (const { status, reason } of results) if (status === 'rejected') report(reason);
}

async function prepareNode() {
  const pinned = readJson('deploy/toolchain/package.json').optionalDependencies[platformPackage];
  if (!pinned) requireNode();
  const lock = createHash('sha256')
    .update(fs.readFileSync(join(project, 'package-lock.json')))
    .digest('hex');
  const stamp = `${process.platform}-${process.arch} ${lock}\n`;
  const stampFile = join(nodeModules, '.made-from-lockfile'); // npm ci removes it, so half an install never counts
  if (!fs.existsSync(stampFile) || fs.readFileSync(stampFile, 'utf8') !== stamp) {
    await step('node modules', async (log, folder) => {
      const done = (await run(npmCi, log, claimPinned(folder, pinned))) === 0;
      // On a full disk npm leaves truncated files behind, warns, and succeeds.
      return done && !fs.readFileSync(join(folder, logName), 'utf8').includes('TAR_ENTRY_ERROR');
    });
    const dropped = findDropped();
    if (dropped.length > 0)
      throw new SetupError(`npm could not bring ${dropped.join(', ')} and hid why (network?): run this again`);
    linkPinnedNode();
    fs.writeFileSync(stampFile, stamp);
  }
  if (!fs.existsSync(pinnedNode)) requireNode();
}

/**
 * An environment in which npm takes itself to run on the pinned Node: it silently leaves out optional packages (the
 * test runner's native parts) that the machine's older Node could not run, though the pinned one will run them.
 */
function claimPinned(folder, pinned) {
  if (!pinned) return {};
  const file = join(folder, 'claim.cjs');
  fs.writeFileSync(file, `Object.defineProperty(process, 'version', { value: 'v${pinned}' });\n`);
  return { NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --require="${file}"` };
}

/** Optional packages for this system that are not there: npm calls it a success when it cannot fetch one. */
function findDropped() {
  const libc = process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
  const fits = (wanted, value) => wanted === undefined || wanted.includes(value);
  return Object.entries(readJson('package-lock.json').packages)
    .filter(([, { optional, os, cpu }]) => optional && (os || cpu))
    .filter(([, { os, cpu }]) => fits(os, process.platform) && fits(cpu, process.arch))
    .filter(([folder, entry]) => fits(entry.libc, libc) && !fs.existsSync(join(project, folder)))
    .map(([folder]) => folder.replace(/.*node_modules\//, ''));
}

/** npm 9 drops this link with the package for the other processor; npm 11 makes it even where that Node cannot run. */
function linkPinnedNode() {
  const binary = join('..', platformPackage, 'bin', 'node');
  fs.rmSync(pinnedNode, { force: true });
  const { status } = spawnSync(join(dirname(pinnedNode), binary), ['--version']); // fails on musl and on an old glibc
  if (status === 0) fs.symlinkSync(binary, pinnedNode);
}

function requireNode() {
  const floor = readJson('package.json').engines.node.match(/\d+/g).map(Number);
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > floor[0] || (major === floor[0] && minor >= floor[1])) return;
  throw new SetupError(
    `Node ${floor.join('.')} or newer is needed, as the lockfile brings none for this system ` +
      `(${process.platform}-${process.arch}, Node ${process.versions.node}): install one, then run this again`,
  );
}

async function preparePackages(purpose) {
  await prepareOrdinary(purpose);
  // When PHP is there, as their names have its version in them.
  if (purpose === 'test') await prepareDebuggers();
}

async function prepareOrdinary(purpose) {
  const { php, packages, beyondApt } = findMissing(purpose);
  const hasApt = fs.existsSync('/usr/bin/apt-get');
  if (!hasApt && !php)
    throw new SetupError(
      'php-fpm is missing and this system has no apt: install it with gd, mbstring and pdo_sqlite by its own package manager ' +
        '(FPMG_PHP_FPM names the binary when it is not in an sbin folder), then run this again',
    );
  // Only some functions and tests need these, so the owner of a PHP or a system that is not ours to change may go on.
  const lacking = hasApt ? beyondApt : [...beyondApt, ...packages];
  if (lacking.length > 0) say(`note: what needs ${lacking.join(', ')} will fail, as apt cannot bring that for ${php}`);
  if (!hasApt || packages.length === 0) return;
  await installPackages(wayToRoot(packages), packages);
  const still = findMissing(purpose).packages;
  if (still.length > 0)
    throw new SetupError(`${still.join(', ')}: installed but not active (phpenmod switches an extension on)`);
}

/** Package of an extension → the extension that tells it is there. The shop of the example project wants SQLite. */
const wantedExtensions = { gd: 'gd', mbstring: 'mbstring', sqlite3: 'pdo_sqlite' };
const wantedPackages = Object.keys(wantedExtensions);

/** The php-fpm in use, the packages to add, and what apt cannot add because that PHP came from elsewhere. */
function findMissing(purpose) {
  const php = findPhpFpm();
  const version = php && /^\/usr\/sbin\/php-fpm(\d+\.\d+)$/.exec(php)?.[1]; // the name in Debian and Ubuntu
  const extensions = php ? missingExtensions(php) : wantedPackages;
  const tcpdf = fs.existsSync('/usr/share/php/tcpdf/tcpdf.php') ? [] : ['tcpdf'];
  const besides = missingBesidesPhp(purpose);
  if (php && !version) return { php, packages: besides, beyondApt: [...extensions, ...tcpdf] };
  const forPhp = [...extensions.map((name) => `php${version ?? ''}-${name}`), ...tcpdf.map((name) => `php-${name}`)];
  return { php, packages: [...(php ? [] : ['php-fpm']), ...forPhp, ...besides], beyondApt: [] };
}

function findPhpFpm() {
  if (process.env.FPMG_PHP_FPM) return process.env.FPMG_PHP_FPM;
  for (const folder of phpFolders.filter((name) => fs.existsSync(name))) {
    const names = fs.readdirSync(folder).filter((name) => /^php-fpm[\d.]*$/.test(name));
    names.sort((a, b) => a.localeCompare(b, 'en', { numeric: true }));
    if (names.length > 0) return join(folder, names.at(-1));
  }
  return undefined;
}

/** Asked of PHP itself (20 ms), because an extension may be compiled in, installed anywhere, or switched off. */
function missingExtensions(php) {
  const { status, stdout, error } = spawnSync(php, ['-m'], { encoding: 'utf8' });
  if (status !== 0)
    throw new SetupError(
      `${php} -m does not run (${error?.message ?? `exit ${status}`}): ` +
        'repair that PHP, or name another php-fpm binary in FPMG_PHP_FPM',
    );
  const loaded = stdout.split('\n');
  return wantedPackages.filter((name) => !loaded.includes(wantedExtensions[name]));
}

/**
 * Xdebug and PCOV, for tests that load them for themselves. Debian would switch them on for every PHP of this machine,
 * which makes all of it slower: where the state that `phpdismod` writes is there before, its package does not. What is
 * installed already stays as its owner has it.
 */
async function prepareDebuggers() {
  const version = /^\/usr\/sbin\/php-fpm(\d+\.\d+)$/.exec(findPhpFpm() ?? '')?.[1];
  if (!version || !fs.existsSync('/usr/sbin/phpquery')) {
    say('note: tests of --xdebug need Xdebug and PCOV, which apt cannot bring for this PHP');
    return;
  }
  const names = ['xdebug', 'pcov'].filter((name) => !fs.existsSync(`/etc/php/${version}/mods-available/${name}.ini`));
  if (names.length === 0) return;
  const packages = names.map((name) => `php${version}-${name}`);
  const root = wayToRoot(packages, ` && phpdismod ${names.join(' ')}`);
  const script = names.map((name) => switchedOff(version, name)).join('\n');
  if ((await run([...root, 'sh', '-ec', script], 'ignore')) !== 0)
    throw new SetupError(`${packages.join(', ')}: /var/lib/php/modules/${version} cannot be written`);
  await installPackages(root, packages);
}

const switchedOff = (version, name) => `
for sapi in $(/usr/sbin/phpquery -S -v ${version}); do
  state=/var/lib/php/modules/${version}/$sapi/disabled_by_admin
  mkdir -p $state && touch $state/${name}
done`;

const compiler = { gcc: '/usr/bin/gcc', 'libc6-dev': '/usr/include/stdio.h' };
const filesOf = {
  // Resident workers run on PHP's command line program.
  start: { 'php-cli': '/usr/bin/php' },
  // One FastCGI test talks to a C program built on libfcgi; pages are tested in a real browser, scripts against nginx,
  // the PHP client in programs of its own.
  test: {
    ...compiler,
    'libfcgi-dev': '/usr/include/fcgiapp.h',
    chromium: '/usr/bin/chromium',
    'nginx-light': '/usr/sbin/nginx',
    'php-cli': '/usr/bin/php',
  },
  // Those to compare with and what makes the load. apache2-bin is the program without Debian's service and sites.
  bench: {
    ...compiler,
    'nginx-light': '/usr/sbin/nginx',
    'apache2-bin': '/usr/sbin/apache2',
    caddy: '/usr/bin/caddy',
    wrk: '/usr/bin/wrk',
    'php-cli': '/usr/bin/php',
  },
};

/** Packages of which the file that matters is not there. */
function missingBesidesPhp(purpose) {
  const files = filesOf[purpose];
  return Object.keys(files).filter((name) => !fs.existsSync(files[name]));
}

/** The words to put before a command so that it runs as root. May ask for a password. `more`: of what to do by hand. */
function wayToRoot(packages, more = '') {
  if (process.getuid() === 0) return [];
  const hasSudo = fs.existsSync('/usr/bin/sudo');
  if (hasSudo && spawnSync('sudo', ['-n', 'true']).status === 0) return ['sudo'];
  if (hasSudo && process.stdin.isTTY) {
    say(`sudo is needed to install ${packages.join(' ')}`);
    if (spawnSync('sudo', ['-v'], { stdio: 'inherit' }).status === 0) return ['sudo'];
  }
  const command = `apt-get update && apt-get install -y --no-install-recommends ${packages.join(' ')}${more}`;
  throw new SetupError(
    `system packages are missing; run this once as an administrator, then run this again:\n` +
      `${hasSudo ? 'sudo sh -c' : 'su -l -c'} '${command}'`,
  );
}

/**
 * Debian starts what it installs, php-fpm as well as nginx on port 80; the gateway and its tests start their own.
 * This is how a system says that nothing be started now (invoke-rc.d(8)); where it says something already, it stays.
 */
const withoutServices = `
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\\nexit 101\\n' > $policy && chmod 755 $policy
fi
"$@"`;

async function installPackages(root, packages) {
  await step(packages.join(' '), async (log) => {
    const apt = async (...words) => {
      const options = ['-y', '--no-install-recommends', '-o', `DPkg::Lock::Timeout=${dpkgLockWaitSeconds}`];
      const quietly = ['sh', '-c', withoutServices, 'sh', 'apt-get', ...options, ...words];
      return (await run([...root, 'env', ...aptEnvironment, ...quietly], log)) === 0;
    };
    const hasLists = fs.readdirSync('/var/lib/apt/lists').some((name) => name.includes('_Packages'));
    if (hasLists && (await apt('install', ...packages))) return true;
    await apt('update'); // the lists are absent or old; when this fails too, the failure of the install tells why
    return apt('install', ...packages);
  });
}

/** Runs `work` with a log file; says what begins and how long it took; on failure says why and keeps the log. */
async function step(what, work) {
  const folder = fs.mkdtempSync(join(tmpdir(), 'fpm-gateway-setup-'));
  const logFile = join(folder, logName);
  const log = fs.openSync(logFile, 'a');
  say(`installing ${what}`);
  const startedMs = performance.now();
  const done = await work(log, folder);
  fs.closeSync(log);
  if (done) {
    fs.rmSync(folder, { recursive: true });
    return say(`installed ${what} in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  }
  const output = fs.readFileSync(logFile, 'utf8').trimEnd();
  const cause = causes.find(([pattern]) => pattern.test(output))?.[1] ?? 'the end of its output says why';
  const tail = output.split('\n').slice(-shownLogLines).join('\n');
  throw new SetupError(`installing ${what} failed: ${cause}\n${tail}\n(all of it: ${logFile})`);
}

/** The exit code of a command whose output goes to `log`. It never sees node_modules/.bin, which npm ci replaces. */
function run([command, ...words], log, environment) {
  const folders = process.env.PATH.split(':').filter((folder) => !folder.endsWith('node_modules/.bin'));
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, {
      cwd: project,
      env: { ...process.env, ...environment, PATH: folders.join(':') },
      stdio: ['ignore', log, log],
    });
    child.on('error', () => reject(new SetupError(`${command} is not on the PATH: install it, then run this again`)));
    child.on('close', (code) => resolve(code));
  });
}

function readJson(name) {
  return JSON.parse(fs.readFileSync(join(project, name), 'utf8'));
}

function report(error) {
  say(error instanceof SetupError ? error.message : error.stack);
  process.exitCode = 1;
}

main(process.argv[2]).catch(report);
