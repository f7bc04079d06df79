import { expect, test } from 'vitest';
import { lookUpUser } from '../../gateway/pool/instance-dir.ts';

test('a user is asked for once: each time would keep the event loop while a release is loaded', () => {
  const ids = lookUpUser('root');
  expect(ids).toEqual({ uid: 0, gid: 0 });
  expect(lookUpUser('root')).toBe(ids);
  expect(lookUpUser('nobody-of-this-name')).toBeUndefined();
});
