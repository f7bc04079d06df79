#!/usr/bin/env -S node --max-semi-space-size=16
/** The `fpm-gateway` command: its table of commands and options. */
import { resolve } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import { DEBUG_MODES, type DebugMode, debugOptions } from '../debug/options.ts';
import { VERSION } from '../version.ts';
import { defaultAdminUrl } from './admin-client.ts';
import { type CallOptions, call } from './call.ts';
import { cancelCall, listCalls } from './calls.ts';
import { explain } from './explain.ts';
import { listFunctions } from './functions.ts';
import { changeRelease, listReleases } from './releases.ts';
import { start } from './start.ts';
import { surviveClosedOutput } from './terminal.ts';
import { LANGUAGES, type TypesOptions, writeTypes } from './types.ts';

const milliseconds = (text: string): number => {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Give a whole number of milliseconds.');
  return Number(text);
};

const port = (text: string): number => {
  const number = Number(text);
  if (/^\d{1,5}$/.test(text) && number > 0 && number < 65_536) return number;
  throw new InvalidArgumentError('Give a port, 1 to 65535.');
};

const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'];

const method = (text: string): string => {
  if (METHODS.includes(text.toUpperCase())) return text.toUpperCase();
  throw new InvalidArgumentError(`Give one of ${METHODS.join(', ')}.`);
};

const another = (text: string, before: readonly string[]): string[] => [...before, text];

const defaultUrl = (): string => {
  const { env } = process;
  return env.FPM_GATEWAY_URL ?? `http://127.0.0.1:${env.PORT ?? env.FPMG_HTTP__PORT ?? 8080}`;
};

interface DevArguments {
  readonly json: boolean;
  readonly xdebug?: DebugMode;
  readonly xdebugHost?: string;
  readonly xdebugPort?: number;
  readonly xdebugOutput?: string;
}

interface CallArguments extends Omit<CallOptions, 'project' | 'files'> {
  readonly file: readonly string[];
}

surviveClosedOutput();

const program = new Command('fpm-gateway')
  .description('Call PHP as typed, traced, reliable functions.')
  .version(VERSION)
  .option('-p, --project <folder>', 'the project: its schemas/, functions/ and deploy/', process.cwd());

const project = (): string => resolve(program.opts<{ project: string }>().project);

program
  .command('start')
  .description('serve the project')
  .option('--json', 'log and announce in JSON lines', false)
  .option('--pid-file <file>', 'write the id of the process that serves there')
  .action(async ({ json, pidFile }: { json: boolean; pidFile?: string }) => {
    await start({ project: project(), dev: false, json, pidFile, debug: undefined });
  });

program
  .command('dev')
  .description('serve it, reload on every change, show each call as a tree')
  .option('--json', 'log and announce in JSON lines', false)
  .addOption(
    new Option('--xdebug [mode]', 'breakpoints in handlers (debug), or coverage, or profile')
      .choices(DEBUG_MODES)
      .preset('debug'),
  )
  .option('--xdebug-host <host>', 'where your editor listens (default: client_host in XDEBUG_CONFIG, or 127.0.0.1)')
  .option('--xdebug-port <port>', 'on which port (default: client_port in XDEBUG_CONFIG, or 9003)', port)
  .option('--xdebug-output <folder>', 'for coverage (default: coverage) or profiles (default: a temporary folder)')
  .action(async (options: DevArguments) => {
    const { json, xdebug, xdebugHost, xdebugPort, xdebugOutput } = options;
    const flags = { host: xdebugHost, port: xdebugPort, output: xdebugOutput };
    const debug = xdebug === undefined ? undefined : debugOptions({ mode: xdebug, ...flags }, process.env);
    await start({ project: project(), dev: true, json, pidFile: undefined, debug });
  });

program
  .command('call')
  .description('call one function of a running gateway')
  .argument('<function>', 'its name; with several scripts name/file.php')
  .argument('[json]', 'its input: JSON, @file, or - for standard input', '{}')
  .option('--url <url>', 'where the gateway listens', defaultUrl())
  .option('--local', 'start a gateway for this one call', false)
  .option('--method <verb>', 'GET, HEAD, DELETE and OPTIONS send the input as query', method, 'POST')
  .option('--form', 'send the members of the input as an HTML form', false)
  .option('--file <field=path>', 'send a file, and the input as fields; a path alone is the whole body', another, [])
  .option('-o, --output <file>', 'write the result to a file')
  .option('--timeout-ms <ms>', 'wait no longer than this', milliseconds)
  .option('--idempotency-key <key>', 'run it once for this key: repeated, it gets the first answer')
  .option('--json', 'print results and errors as JSON', false)
  .action(async (name: string, json: string, { file, ...options }: CallArguments) => {
    await call(name, json, { ...options, files: file, project: project() });
  });

interface AdminArguments {
  readonly json: boolean;
  readonly adminUrl: string;
  readonly token?: string;
}

/** Of a command that talks to the admin listener. */
const atAdmin = (command: Command): Command =>
  command
    .option('--admin-url <url>', 'where its admin listener is', defaultAdminUrl(process.env))
    .option('--token <token>', 'its admin.token (default: FPMG_ADMIN__TOKEN)')
    .option('--json', 'as JSON', false);

const adminTarget = ({ json, adminUrl: url, token = process.env.FPMG_ADMIN__TOKEN }: AdminArguments) => ({
  json,
  url,
  token,
});

atAdmin(program.command('calls').description('list the calls under way in a running gateway')).action(
  async (options: AdminArguments) => await listCalls(adminTarget(options)),
);

atAdmin(program.command('cancel').description('end exactly one of them').argument('<id>', 'as calls lists it')).action(
  async (id: string, options: AdminArguments) => await cancelCall(id, adminTarget(options)),
);

atAdmin(
  program.command('reload').description('load the project again in a running gateway, without a failed call'),
).action(async (options: AdminArguments) => await changeRelease('reload', adminTarget(options)));

atAdmin(program.command('rollback').description('back to the release before, in a running gateway')).action(
  async (options: AdminArguments) => await changeRelease('rollback', adminTarget(options)),
);

atAdmin(program.command('releases').description('list the releases of a running gateway')).action(
  async (options: AdminArguments) => await listReleases(adminTarget(options)),
);

program
  .command('functions')
  .description('list the functions of the project')
  .option('--json', 'as JSON', false)
  .action(async ({ json }: { json: boolean }) => await listFunctions(project(), json));

program
  .command('explain')
  .description('show every limit of a function, and where it is set')
  .argument('<function>', 'its name')
  .option('--json', 'as JSON', false)
  .action(async (name: string, { json }: { json: boolean }) => await explain(project(), name, json));

program
  .command('types')
  .description('write TypeScript types, PHP classes with a client, and OpenAPI from the contracts')
  .option('--out <folder>', 'where to, below the project', 'generated')
  .option('--php-namespace <name>', 'of the PHP classes', 'App\\Functions')
  .addOption(new Option('--only <what>', 'one of them').choices(LANGUAGES))
  .option('--check', 'change nothing; fail where the files are not what would be written', false)
  .option('--json', 'as JSON', false)
  .action(async (options: Omit<TypesOptions, 'project'>) => await writeTypes({ ...options, project: project() }));

await program.parseAsync();
