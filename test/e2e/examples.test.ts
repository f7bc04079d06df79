import { join } from 'node:path';
import { expect, test } from 'vitest';
import config from '../../deploy/gateway.config.ts';
import { post, startGateway } from '../support/project.ts';

const project = join(import.meta.dirname, '..', '..');

test('echo says hello to the name it got', async () => {
  const gateway = await startGateway(config, { project });
  const response = await post(gateway, 'echo', { name: 'Ada' });
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ hello: 'Ada' });
});
