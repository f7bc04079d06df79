/** Where a setting was written, whatever else was written of it. */
import { expect, test } from 'vitest';
import { sourceText } from '../../gateway/setting-sources.ts';
import { readSettings } from '../../gateway/settings.ts';

const FILE = 'deploy/gateway.config.ts';

test.each<[string, object, Record<string, string>, string[], string]>([
  ['nowhere', {}, {}, ['http', 'port'], 'default'],
  ['in the config', { http: { port: 1 } }, {}, ['http', 'port'], 'http.port in deploy/gateway.config.ts'],
  ['in a variable', {}, { FPMG_HTTP__PORT: '1' }, ['http', 'port'], 'FPMG_HTTP__PORT'],
  ['in a short one', {}, { PORT: '1' }, ['http', 'port'], 'PORT'],
  ['in both: the variable wins', { http: { port: 1 } }, { PORT: '2' }, ['http', 'port'], 'PORT'],
  ['beside another variable', { http: { port: 1 } }, { HOST: 'x' }, ['http', 'port'], `http.port in ${FILE}`],
  ['in a group a variable holds', {}, { FPMG_HTTP: '{"port":1}' }, ['http', 'port'], 'FPMG_HTTP'],
  ['in a group a variable replaces', { http: { port: 1 } }, { FPMG_HTTP: '{}' }, ['http', 'port'], 'default'],
  [
    'in a pool with an ini setting of PHP',
    { pools: { a: { ini: { memory_limit: '1G' } } } },
    {},
    ['pools', 'a', 'ini', 'memory_limit'],
    `pools.a.ini.memory_limit in ${FILE}`,
  ],
  ['under a name that every object has', {}, {}, ['functions', 'constructor', 'name'], 'default'],
])('%s', (_, config, env, path, text) => {
  expect(sourceText(readSettings(config, env, FILE).sources.of(...path))).toBe(text);
});
