/** With whom a call shares its turns, as its request tells. */
import { expect, test } from 'vitest';
import { staysForever } from '../../gateway/caller.ts';
import { originOf } from '../../gateway/http/origin.ts';
import { CALLER_HEADER } from '../../gateway/invoke/ancestry.ts';

const CALL_ID = '01890a5d-ac96-774b-bcce-b302099a8057';

const keyOf = (peer: string | undefined, named: string | undefined, trusted: boolean): unknown =>
  originOf({ peer, caller: staysForever, header: (name) => (name === CALLER_HEADER ? named : undefined) }, trusted)
    .callerKey;

test.each([
  ['a peer is a caller by its address', '10.0.0.7', undefined, false, '10.0.0.7'],
  ['peers on unix sockets are one caller', undefined, undefined, true, ''],
  ['a function that calls others is one, however many calls of it do', '127.0.0.1', 'shop,cart', true, 'cart'],
  ['a name that nobody we trust says makes no other caller', '10.0.0.7', 'shop,cart', false, '10.0.0.7'],
])('%s', (_name, peer, path, trusted, expected) => {
  const named = path === undefined ? undefined : `${CALL_ID} ${path}`;
  expect(keyOf(peer, named, trusted)).toBe(expected);
});
